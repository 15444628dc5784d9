/* The encoded request and the manifest block, checked and read in place.  Drawn in
 * edge/decision/request.py and manifest.py; anything malformed is ENCODING. */
#ifndef PROFFER_REQUEST_H
#define PROFFER_REQUEST_H

#include "keys.h"
#include "kernel.h"

enum { FULL, CONTEXTUAL, NONE };           /* consent */
enum { NUMBER, INVALID, STRINGS, SETS };   /* forms of an attribute */
enum { HAS_STATE = 1, HAS_DROPPED = 2 };   /* flags */

#define REQUEST_HEADER 40
#define WANTED_BYTES 4
#define TAKEN_BYTES 8
#define HELD_BYTES 16
#define CAP_BYTES 12
#define KEPT_BYTES 32
#define BLOCK_HEADER 64

struct request {
    u32 consent, flags, now_s;
    struct text visitor, customer, nonce;
    u32 wanted_count, taken_count, held_count, cap_count, kept_count, heap_size;
    const u8 *wanted, *taken, *held, *caps, *kept, *heap;
    u32 contents; /* where strings and sets begin in the heap */
};

struct manifest {
    u32 all_paused;
    i64 issued_s, expires_s;
    u32 offer_count, rung_count, placement_count, multiplier_count;
    const u8 *offers, *rungs, *placements, *multipliers;
};

static int keys_ascend(const u8 *keys, u32 count, u32 stride) {
    for (u32 i = 1; i < count; i++)
        if (load32(keys + (i - 1) * stride) >= load32(keys + i * stride)) return 0;
    return 1;
}

static int read_manifest(struct manifest *m, const u8 *data, u32 size) {
    if (size < BLOCK_HEADER || load32(data) != 0x424d5250) return 0; /* PRMB */
    if (data[4] || data[5] > 1 || load16(data + 6)) return 0;
    m->all_paused = data[5];
    m->issued_s = (i64)load64(data + 40);
    m->expires_s = (i64)load64(data + 48);
    m->offer_count = load16(data + 56);
    m->rung_count = load16(data + 58);
    m->placement_count = load16(data + 60);
    m->multiplier_count = load16(data + 62);
    u32 keys = m->offer_count + m->rung_count + m->placement_count;
    if (size != BLOCK_HEADER + 4 * keys + 8 * m->multiplier_count) return 0;
    m->offers = data + BLOCK_HEADER;
    m->rungs = m->offers + 4 * m->offer_count;
    m->placements = m->rungs + 4 * m->rung_count;
    m->multipliers = m->placements + 4 * m->placement_count;
    for (u32 i = 0; i < m->multiplier_count; i++)
        if (load32(m->multipliers + 8 * i + 4) > 1 << 24) return 0;
    return keys_ascend(m->offers, m->offer_count, 4) && keys_ascend(m->rungs, m->rung_count, 4) &&
           keys_ascend(m->placements, m->placement_count, 4) &&
           keys_ascend(m->multipliers, m->multiplier_count, 8);
}

/* The blocks behind the header, which must fill the request exactly. */
static int read_blocks(struct request *r, const u8 *data, u32 size) {
    r->wanted_count = load16(data + 24);
    r->taken_count = load16(data + 26);
    r->held_count = load16(data + 28);
    r->cap_count = load16(data + 30);
    r->kept_count = load16(data + 32);
    r->heap_size = load32(data + 36);
    u32 taken = REQUEST_HEADER + r->wanted_count * WANTED_BYTES;
    u32 held = taken + r->taken_count * TAKEN_BYTES, caps = held + r->held_count * HELD_BYTES;
    u32 kept = caps + r->cap_count * CAP_BYTES, heap = kept + r->kept_count * KEPT_BYTES;
    if (heap > size || r->heap_size != size - heap) return 0;
    r->wanted = data + REQUEST_HEADER;
    r->taken = data + taken;
    r->held = data + held;
    r->caps = data + caps;
    r->kept = data + kept;
    r->heap = data + heap;
    return r->wanted_count <= WANTED_LIMIT && r->taken_count <= EARLIER_LIMIT &&
           r->cap_count <= ENTRY_LIMIT && r->kept_count <= ENTRY_LIMIT &&
           (r->flags & HAS_STATE || !(r->cap_count || r->kept_count));
}

/* One of the four texts at the head of the heap. */
static int read_unit(struct request *r, u32 size, struct text *unit) {
    if (size > r->heap_size - r->contents) return 0;
    unit->data = r->heap + r->contents;
    unit->size = size;
    r->contents += size;
    return is_utf8(unit->data, size) && has_no_control(unit->data, size);
}

static int read_units(struct request *r, const u8 *data) {
    struct text locale;
    r->contents = 0;
    return read_unit(r, load16(data + 16), &r->visitor) &&
           read_unit(r, load16(data + 18), &r->customer) &&
           read_unit(r, load16(data + 20), &r->nonce) &&
           read_unit(r, load16(data + 22), &locale) && r->nonce.size;
}

static int wanted_ascend(const struct request *r) {
    for (u32 i = 0; i < r->wanted_count; i++) {
        const u8 *entry = r->wanted + i * WANTED_BYTES;
        if (load16(entry + 2) || (i && load16(entry - WANTED_BYTES) >= load16(entry))) return 0;
    }
    return 1;
}

/* Where a set ends that begins at `offset` of the heap; 0 if it is none. */
static u32 end_of_set(const struct request *r, u32 offset, u32 count) {
    const u8 *before = 0;
    u32 before_size = 0;
    if (count > ELEMENT_LIMIT) return 0;
    for (u32 i = 0; i < count; i++) {
        if (r->heap_size - offset < 2) return 0;
        const u8 *element = r->heap + offset + 2;
        u32 size = load16(element - 2);
        if (r->heap_size - offset - 2 < size) return 0;
        if (before && compare(before, before_size, element, size) >= 0) return 0;
        before = element;
        before_size = size;
        offset += 2 + size;
    }
    return offset;
}

/* Whether an attribute's entry is well-formed; `offset` is where its content must be. */
static int check_held(const struct request *r, const u8 *entry, u32 *offset) {
    u32 form = entry[2], size = load32(entry + 4), end;
    u64 value = load64(entry + 8);
    if (form > SETS || entry[3]) return 0;
    if (form < STRINGS) return !size && !(form == INVALID && value);
    if (value != *offset) return 0;
    if (form == SETS) end = end_of_set(r, *offset, size);
    else end = size > r->heap_size - *offset ? 0 : *offset + size;
    *offset = end;
    return end > 0; /* the nonce comes before */
}

static int check_attributes(const struct request *r) {
    u32 offset = r->contents;
    for (u32 i = 0; i < r->held_count; i++) {
        const u8 *entry = r->held + i * HELD_BYTES;
        if (!check_held(r, entry, &offset)) return 0;
        if (i && load16(entry - HELD_BYTES) >= load16(entry)) return 0;
    }
    return offset == r->heap_size;
}

static int read_request(struct request *r, const u8 *data, u32 size) {
    if (size < REQUEST_HEADER || size > REQUEST_LIMIT) return 0;
    if (load32(data) != 0x51525250 || data[4]) return 0; /* PRRQ */
    r->consent = data[5];
    r->flags = data[6];
    if (r->consent > NONE || r->flags > 3 || r->flags == HAS_DROPPED) return 0;
    if (data[7] || load16(data + 34) || load64(data + 8) >> 32) return 0;
    r->now_s = load32(data + 8);
    return read_blocks(r, data, size) && read_units(r, data) && wanted_ascend(r) &&
           check_attributes(r);
}

#endif
