/* Rows by their 32-bit key: row numbers in the order of their keys.  Sorted by a heap, so that
 * no choice of keys makes it slow. */
#ifndef PROFFER_KEYS_H
#define PROFFER_KEYS_H

#include "tables.h"

/* Lets the entry at `i` of a heap of `count` sink to its place. */
static void sink(const struct kernel *k, u32 column, u32 i, u32 count) {
    u32 row = k->keys[i], key = row_at(k, column, row);
    for (;;) {
        u32 child = 2 * i + 1;
        if (child >= count) break;
        if (child + 1 < count &&
            row_at(k, column, k->keys[child]) < row_at(k, column, k->keys[child + 1]))
            child++;
        if (row_at(k, column, k->keys[child]) <= key) break;
        k->keys[i] = k->keys[child];
        i = child;
    }
    k->keys[i] = row;
}

/* Sorts the rows of a column by their keys; 0 if two share one. */
static int sort_keys(struct kernel *k, u32 column) {
    u32 count = k->columns[column].count;
    for (u32 row = 0; row < count; row++) k->keys[row] = row;
    for (u32 i = count / 2; i--;) sink(k, column, i, count);
    for (u32 last = count; last-- > 1;) {
        u32 greatest = k->keys[0];
        k->keys[0] = k->keys[last];
        k->keys[last] = greatest;
        sink(k, column, 0, last);
    }
    for (u32 i = 0; i + 1 < count; i++)
        if (row_at(k, column, k->keys[i]) == row_at(k, column, k->keys[i + 1])) return 0;
    return 1;
}

/* The arm with this key; 0 is the key of none, if no arm has it; -1 if there is none. */
static i64 arm_of_key(const struct kernel *k, u32 key) {
    u32 first = 0, last = k->rows[TABLE_RUNG];
    while (first < last) {
        u32 middle = first + (last - first) / 2;
        if (row_at(k, RUNG_KEY, k->keys[middle]) < key) first = middle + 1;
        else last = middle;
    }
    if (first < k->rows[TABLE_RUNG] && row_at(k, RUNG_KEY, k->keys[first]) == key)
        return k->keys[first] + 1;
    return key ? -1 : 0;
}

/* Whether one of `count` ascending u32, `stride` bytes apart, is this key; where it is. */
static const u8 *find_key(const u8 *keys, u32 count, u32 stride, u32 key) {
    u32 first = 0, last = count;
    while (first < last) {
        u32 middle = first + (last - first) / 2;
        if (load32(keys + middle * stride) < key) first = middle + 1;
        else last = middle;
    }
    const u8 *found = keys + first * stride;
    return first < count && load32(found) == key ? found : 0;
}

#endif
