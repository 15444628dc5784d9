/* Opening a bundle, first half: the file, its sections, and each column by its kind.
 * The bytes are drawn in edge/decision/bundle.py, the columns in tables.py. */
#ifndef PROFFER_OPEN_H
#define PROFFER_OPEN_H

#include "kernel.h"
#include "tables.h"

#define PREAMBLE_BYTES 16
#define ENTRY_BYTES 12

/* The start column of a table without rows, and all other absent columns. */
static const u8 NOTHING[8];

static const u8 SHIFTS[7] = {0, 1, 2, 0, 1, 2, 3};

static void set_column(struct column *column, const u8 *data, u32 type, u32 count) {
    u32 bits = 8u << SHIFTS[type];
    column->data = data;
    column->shift = SHIFTS[type];
    column->count = count;
    column->mask = bits == 64 ? ~0ull : (1ull << bits) - 1;
    column->sign = type >= 3 && bits < 64 ? 1ull << (bits - 1) : 0;
}

static void no_columns(struct kernel *k) {
    for (u32 i = 0; i < COLUMN_COUNT; i++)
        set_column(&k->columns[i], NOTHING, 0, KINDS[i][0] == KIND_START);
}

static int32_t check_preamble(const u8 *bundle, u32 size) {
    if (size < PREAMBLE_BYTES || size > BUNDLE_LIMIT) return PROFFER_BUNDLE_SIZE;
    if (load32(bundle) != 0x52465250) return PROFFER_BUNDLE_MAGIC; /* PRFR */
    if (load16(bundle + 4) != FORMAT || load32(bundle + 12)) return PROFFER_BUNDLE_FORMAT;
    u64 header = PREAMBLE_BYTES + (u64)load16(bundle + 6) * ENTRY_BYTES;
    return load32(bundle + 8) != size || header > size ? PROFFER_BUNDLE_SIZE : 0;
}

/* The columns of this file; layout checks only. */
static int32_t read_sections(struct kernel *k, const u8 *bundle, u32 size) {
    int32_t code = check_preamble(bundle, size);
    if (code) return code;
    no_columns(k);
    u32 count = load16(bundle + 6), last = 0;
    u64 end = PREAMBLE_BYTES + (u64)count * ENTRY_BYTES;
    for (u32 i = 0; i < count; i++) {
        const u8 *entry = bundle + PREAMBLE_BYTES + i * ENTRY_BYTES;
        u32 id = load16(entry), type = entry[2], offset = load32(entry + 4);
        u32 rows = load32(entry + 8);
        if (id <= last || id > COLUMN_COUNT || type > 6 || entry[3] || !rows)
            return PROFFER_BUNDLE_SECTION;
        u64 next = offset + ((u64)rows << SHIFTS[type]);
        if (offset != ((end + 7) & ~7ull) || next > size) return PROFFER_BUNDLE_SECTION;
        for (u64 pad = end; pad < offset; pad++)
            if (bundle[pad]) return PROFFER_BUNDLE_SECTION;
        set_column(&k->columns[id - 1], bundle + offset, type, rows);
        end = next;
        last = id;
    }
    return end == size ? 0 : PROFFER_BUNDLE_SIZE;
}

/* How many rows each table has; 0 if its columns disagree. */
static int count_rows(struct kernel *k) {
    int agree = 1;
    for (u32 i = COLUMN_COUNT; i--;) k->rows[KINDS[i][1]] = ~0u;
    for (u32 i = 0; i < COLUMN_COUNT; i++) {
        u32 *rows = &k->rows[KINDS[i][1]];
        u32 count = k->columns[i].count - (KINDS[i][0] == KIND_START);
        if (*rows == ~0u) *rows = count;
        agree &= *rows == count;
    }
    return agree;
}

static int within(const struct kernel *k, u32 column, i64 low, i64 high) {
    for (u32 i = 0; i < k->columns[column].count; i++) {
        i64 value = at(k, column, i);
        if (value < low || value > high) return 0;
    }
    return 1;
}

/* List heads ascend from 0 to the length of the other table. */
static int is_start(const struct kernel *k, u32 column, i64 length) {
    i64 before = 0;
    u32 count = k->columns[column].count;
    if (at(k, column, 0) != 0) return 0;
    for (u32 i = 0; i < count; i++) {
        i64 value = at(k, column, i);
        if (value < before) return 0;
        before = value;
    }
    return before == length;
}

static int is_bytes(const struct column *column) {
    return column->mask == 0xff && !column->sign;
}

static int column_fits(const struct kernel *k, u32 column) {
    const u8 *kind = KINDS[column];
    i64 rows = k->rows[kind[2]];
    switch (kind[0]) {
    case KIND_PLAIN: return within(k, column, BOUNDS[kind[3]][0], BOUNDS[kind[3]][1]);
    case KIND_REF: return within(k, column, 0, rows - 1);
    case KIND_MAYBE: return within(k, column, -1, rows - 1);
    case KIND_START: return is_start(k, column, rows);
    default: return is_bytes(&k->columns[column]);
    }
}

static int32_t check_columns(const struct kernel *k) {
    for (u32 i = 0; i < COLUMN_COUNT; i++)
        if (!column_fits(k, i)) return PROFFER_BUNDLE_COLUMN;
    return 0;
}

#endif
