/* The walk over the wanted placements and their slots, and the verdict's bytes
 * (edge/decision/decide.py, which is the definition, and beacon.py). */
#ifndef PROFFER_DECIDE_H
#define PROFFER_DECIDE_H

#include "choosing.h"

#define VERDICT_HEADER 16
#define ROW_BYTES 64
#define LISTED_BYTES 8

struct writer {
    u8 *out, *row, *list, *end;
};

/* --- one row ----------------------------------------------------------------------------- */

static void write_track(u8 *p, const struct outcome *o, u32 listed) {
    store32(p, o->arm);
    store32(p + 4, o->tickets);
    p[8] = (u8)o->draw;
    p[9] = (u8)o->reason;
    store16(p + 10, listed);
    store32(p + 12, o->candidates);
}

/* 0 if the list does not fit. */
static int write_list(struct writer *w, const struct outcome *o) {
    if ((u64)(w->end - w->list) < (u64)o->listed * LISTED_BYTES) return 0;
    for (u32 i = 0; i < o->listed; i++, w->list += LISTED_BYTES) {
        store32(w->list, o->choice.arms[i].arm);
        store32(w->list + 4, (u32)o->choice.shares[i]);
    }
    return 1;
}

/* Whether the law where the visitor is asks for a notice on personalised prices. */
static int must_disclose(const struct kernel *k, u32 arm) {
    i64 country = k->head[HEAD_COUNTRY];
    if (!arm || country < 0) return 0;
    struct run texts = run_at(k, OFFER_DISCLOSURE, row_at(k, RUNG_OFFER, arm - 1));
    i32 cell = k->held[country].cell;
    if (cell < 0) return texts.first < texts.last;
    int found, ordered = at(k, ATTRIBUTE_FLAGS, (u32)country) & ORDERED &&
                         at(k, ATTRIBUTE_TYPE, (u32)country) != SET;
    for (u32 i = texts.first; i < texts.last; i++) {
        struct text text = text_at(k, row_at(k, DISCLOSURE_TEXT, i));
        u32 word = word_at_or_after(k, (u32)country, text.data, text.size, &found);
        if (found && (i64)(ordered ? 2 * (i64)word + 1 : word) == cell) return 1;
    }
    return 0;
}

static int write_row(const struct visit *v, struct writer *w, u32 held_out,
                     const struct outcome *shown, const struct outcome *ghost) {
    u8 *row = w->row;
    int equal = tracks_are_equal(shown, ghost);
    u32 flags = held_out | v->flags | (equal ? FLAG_EQUAL : 0);
    if (must_disclose(v->k, shown->arm)) flags |= FLAG_DISCLOSE;
    store16(row, v->placement);
    row[2] = (u8)v->slot;
    row[3] = (u8)flags;
    store32(row + 4, shown->draw || ghost->draw ? v->epoch : 0);
    store16(row + 8, shown->redraw);
    store16(row + 10, 0);
    write_track(row + 12, shown, shown->listed);
    write_track(row + 28, ghost, equal ? 0 : ghost->listed);
    for (u32 i = 0; i < 16; i++) row[44 + i] = shown->drawn_by ? shown->drawn_by[i] : 0;
    store32(row + 60, 0);
    w->row += ROW_BYTES;
    return write_list(w, shown) && (equal || write_list(w, ghost));
}

/* --- one slot ---------------------------------------------------------------------------- */

/* Why no choice is made here at all; 0 if one is. */
static u32 without_choice(const struct visit *v) {
    const struct kernel *k = v->k;
    const struct manifest *m = &v->manifest;
    u32 p = v->placement;
    if (v->request.consent == NONE) return REASON_NO_CONSENT;
    if (v->request.now_s >= m->expires_s) return REASON_STALE;
    if (m->all_paused || find_key(m->placements, m->placement_count, 4,
                                  row_at(k, PLACEMENT_KEY, p)))
        return REASON_PAUSED;
    int keyed = at(k, PLACEMENT_UNIT, p) == CUSTOMER || at(k, PLACEMENT_SHARE_UNIT, p) == CUSTOMER;
    int known = v->request.customer.size && v->request.consent != CONTEXTUAL;
    return keyed && !known ? REASON_NO_CUSTOMER : 0;
}

/* The default, with the ghost's place in its epoch: ghost choices are kept, too. */
static void hold_out(u32 held_out, struct outcome *shown, const struct outcome *ghost) {
    int everywhere = (held_out & FLAG_GLOBAL_HOLDOUT) != 0;
    set_outcome(shown, everywhere ? REASON_GLOBAL_HOLDOUT : REASON_HOLDOUT);
    shown->redraw = ghost->redraw;
    shown->drawn_by = ghost->drawn_by;
}

static int decide_slot(struct visit *v, struct writer *w) {
    struct kernel *k = v->k;
    struct page *on_shown = &k->pages[0], *on_ghost = &k->pages[1];
    struct outcome shown, ghost;
    const struct outcome *seen = &ghost;
    if (!v->ready) find_here(v);
    v->epoch = epoch_of(v);
    choose(v, on_ghost, &ghost);
    if (v->held_out) hold_out(v->held_out, &shown, &ghost), seen = &shown;
    else if (!pages_are_equal(on_shown, on_ghost)) choose(v, on_shown, &shown), seen = &shown;
    take(k, on_ghost, &v->cart, ghost.arm);
    take(k, on_shown, &v->cart, seen->arm);
    return write_row(v, w, v->held_out, seen, &ghost);
}

static int decide_placement(struct visit *v, struct writer *w, u32 placement) {
    v->placement = placement;
    v->ready = 0;
    v->epoch = 0;
    u32 slots = row_at(v->k, PLACEMENT_SLOTS, placement), reason = without_choice(v);
    v->held_out = reason ? 0 : holdout_flags(v);
    for (v->slot = 0; v->slot < slots; v->slot++) {
        struct outcome nothing;
        set_outcome(&nothing, reason);
        if (!(reason ? write_row(v, w, 0, &nothing, &nothing) : decide_slot(v, w))) return 0;
    }
    return 1;
}

/* --- all of them ------------------------------------------------------------------------- */

/* The wanted placements by (rank, row), and how many slots they have. */
static u32 sort_wanted(const struct kernel *k, const struct request *r, u32 *order) {
    u32 slots = 0;
    for (u32 i = 0; i < r->wanted_count; i++) {
        u32 row = load16(r->wanted + i * WANTED_BYTES), j = i;
        i64 rank = at(k, PLACEMENT_RANK, row);
        for (; j > 0 && at(k, PLACEMENT_RANK, order[j - 1]) > rank; j--) order[j] = order[j - 1];
        order[j] = row;
        slots += row_at(k, PLACEMENT_SLOTS, row);
    }
    return slots;
}

static int rows_are_here(const struct kernel *k, const struct request *r) {
    u32 count = r->wanted_count;
    return !count || load16(r->wanted + (count - 1) * WANTED_BYTES) < k->rows[TABLE_PLACEMENT];
}

static void begin(struct visit *v) {
    struct kernel *k = v->k;
    const struct request *r = &v->request;
    int session = r->consent == CONTEXTUAL;
    v->has_state = !session && r->flags & HAS_STATE;
    v->flags = (session ? FLAG_SESSION : 0) | (v->has_state ? 0 : FLAG_STATELESS);
    if (v->has_state && r->flags & HAS_DROPPED) v->flags |= FLAG_DROPPED;
    v->everywhere = -1;
    v->live_ready = 0;
    v->cart = cart_of(k);
    take_earlier(k, &k->pages[0], &v->cart, r);
    take_earlier(k, &k->pages[1], &v->cart, r);
}

static int32_t write_verdict(struct visit *v, u8 *out, u32 out_size) {
    u32 order[WANTED_LIMIT];
    u32 slots = sort_wanted(v->k, &v->request, order);
    u32 listed = VERDICT_HEADER + slots * ROW_BYTES;
    struct writer w = {out, out + VERDICT_HEADER, out + listed, out + out_size};
    if (out_size < listed) return PROFFER_OUT;
    for (u32 i = 0; i < v->request.wanted_count; i++)
        if (!decide_placement(v, &w, order[i])) return PROFFER_OUT;
    store32(out, 0x44565250); /* PRVD */
    store16(out + 4, 0);
    store16(out + 6, slots);
    store32(out + 8, (u32)(w.list - out - listed) / LISTED_BYTES);
    store32(out + 12, 0);
    return (int32_t)(w.list - out);
}

#endif
