/* A request seen through one policy: each attribute in its state and cell
 * (edge/decision/situation.py). */
#ifndef PROFFER_SITUATION_H
#define PROFFER_SITUATION_H

#include "clauses.h"
#include "request.h"

static void set_held(struct held *held, i32 cell, i64 value) {
    held->cell = cell;
    held->value = value;
    held->words = held->word_count = 0;
}

static void place_number(const struct kernel *k, u32 row, i64 value) {
    struct held *held = &k->held[row];
    if (value < at(k, ATTRIBUTE_LOW, row) || value > at(k, ATTRIBUTE_HIGH, row)) {
        set_held(held, INVALID_CELL, 0);
    } else if (at(k, ATTRIBUTE_TYPE, row) == BOOL) {
        set_held(held, (i32)value, value);
    } else {
        struct run breaks = run_at(k, ATTRIBUTE_BREAK, row);
        set_held(held, (i32)(upper_bound(k, BREAK_VALUE, breaks, value) - breaks.first), value);
    }
}

/* The first word of this attribute that is not before the text; `*found` if it is equal. */
static u32 word_at_or_after(const struct kernel *k, u32 row, const u8 *text, u32 size, int *found) {
    struct run words = run_at(k, ATTRIBUTE_WORD, row);
    u32 first = words.first, last = words.last;
    *found = 0;
    while (first < last) {
        u32 middle = first + (last - first) / 2;
        struct text word = word_text(k, middle);
        int order = compare(word.data, word.size, text, size);
        if (!order) {
            *found = 1;
            return middle - words.first;
        }
        if (order < 0) first = middle + 1;
        else last = middle;
    }
    return first - words.first;
}

static i32 string_cell(const struct kernel *k, u32 row, const u8 *text, u32 size) {
    int found;
    u32 word = word_at_or_after(k, row, text, size, &found);
    if (at(k, ATTRIBUTE_FLAGS, row) & ORDERED) return (i32)(2 * word + (found ? 1 : 0));
    struct run words = run_at(k, ATTRIBUTE_WORD, row);
    return (i32)(found ? word : words.last - words.first);
}

/* Puts the words of a set from `offset` of the heap behind the `*used` that are there. */
static void place_set(struct kernel *k, const struct request *r, u32 row, const u8 *entry,
                      u32 *used) {
    struct held *held = &k->held[row];
    const u8 *element = r->heap + load32(entry + 8);
    int found;
    set_held(held, 0, 0);
    held->words = *used;
    for (u32 count = load32(entry + 4); count--;) {
        u32 size = load16(element);
        u32 word = word_at_or_after(k, row, element + 2, size, &found);
        if (found) k->set_words[(*used)++] = word;
        element += 2 + size;
    }
    held->word_count = *used - held->words;
}

/* 0 if the attribute has no row, or not the form of its type. */
static int place(struct kernel *k, const struct request *r, const u8 *entry, u32 *used) {
    static const u8 FORMS[] = {NUMBER, NUMBER, NUMBER, STRINGS, SETS, NUMBER};
    u32 row = load16(entry), form = entry[2];
    if (row >= k->rows[TABLE_ATTRIBUTE] || at(k, ATTRIBUTE_OP, row) != NO_OP) return 0;
    if (form == INVALID) set_held(&k->held[row], INVALID_CELL, 0);
    else if (form != FORMS[at(k, ATTRIBUTE_TYPE, row)]) return 0;
    else if (form == SETS) place_set(k, r, row, entry, used);
    else if (form == STRINGS) {
        const u8 *text = r->heap + load32(entry + 8);
        set_held(&k->held[row], string_cell(k, row, text, load32(entry + 4)), 0);
    } else place_number(k, row, (i64)load64(entry + 8));
    return 1;
}

/* Seconds of local time since 1970-01-01T00:00 there; 0 if outside of the horizon. */
static int local_time_s(const struct kernel *k, u32 zone, i64 now_s, i64 *local_s) {
    if (now_s < k->head[HEAD_HORIZON_FROM] || now_s >= k->head[HEAD_HORIZON_UNTIL]) return 0;
    struct run shifts = run_at(k, ZONE_SHIFT, zone);
    u32 after = upper_bound(k, SHIFT_INSTANT, shifts, now_s);
    if (after == shifts.first) return 0;
    *local_s = now_s + at(k, SHIFT_OFFSET_S, after - 1);
    return 1;
}

/* Computes a derived attribute whose operands have values. */
static void derive_value(struct kernel *k, u32 row, i64 now_s, i64 left, i64 right) {
    i64 local_s;
    i64 op = at(k, ATTRIBUTE_OP, row);
    if (op == AGE) place_number(k, row, now_s - left);
    else if (op == SUM) place_number(k, row, left + right);
    else if (op == DIFFERENCE) place_number(k, row, left - right);
    else if (!local_time_s(k, row_at(k, ATTRIBUTE_ZONE, row), now_s, &local_s))
        set_held(&k->held[row], INVALID_CELL, 0);
    else if (op == HOUR) place_number(k, row, floor_mod(floor_div(local_s, 3600), 24));
    else place_number(k, row, floor_mod(floor_div(local_s, 86400) + 3, 7) + 1);
}

static void derive(struct kernel *k, u32 row, i64 now_s) {
    const u32 columns[2] = {ATTRIBUTE_LEFT, ATTRIBUTE_RIGHT};
    i64 values[2] = {0, 0};
    i32 cell = k->held[row].cell, worst = 0;
    u32 count = 0;
    for (u32 i = 0; i < 2; i++) {
        i64 operand = at(k, columns[i], row);
        if (operand < 0) continue;
        worst = k->held[operand].cell < worst ? k->held[operand].cell : worst;
        values[count++] = k->held[operand].value;
    }
    if (worst < 0) k->held[row].cell = worst < cell ? worst : cell;
    else if (cell != WITHHELD_CELL) derive_value(k, row, now_s, values[0], values[1]);
}

/* 0 if the request was encoded for another bundle. */
static int situate(struct kernel *k, const struct request *r) {
    u32 attributes = k->rows[TABLE_ATTRIBUTE], used = 0;
    for (u32 row = 0; row < attributes; row++) set_held(&k->held[row], ABSENT_CELL, 0);
    for (u32 i = 0; i < r->held_count; i++)
        if (!place(k, r, r->held + i * HELD_BYTES, &used)) return 0;
    if (r->consent == CONTEXTUAL)
        for (u32 row = 0; row < attributes; row++)
            if (at(k, ATTRIBUTE_FLAGS, row) & PERSONAL) set_held(&k->held[row], WITHHELD_CELL, 0);
    for (u32 row = 0; row < attributes; row++)
        if (at(k, ATTRIBUTE_OP, row) != NO_OP) derive(k, row, r->now_s);
    return 1;
}

/* Row of a bin column for this attribute: the last one stands for no value. */
static u32 bin_row(const struct kernel *k, struct run bins, i64 attribute) {
    i32 cell = k->held[attribute].cell;
    return cell >= 0 ? bins.first + (u32)cell : bins.last - 1;
}

#endif
