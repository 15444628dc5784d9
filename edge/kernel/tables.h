/* The columns of an opened bundle, read in place, and the working memory around them.
 *
 * A column is an array of integers of 1, 2, 4 or 8 bytes.  `at` reads any of them without a
 * branch: eight bytes, of which the mask keeps those of the entry, and the sign bit is
 * spread.  Hence the slack that kernel.h asks for. */
#ifndef PROFFER_TABLES_H
#define PROFFER_TABLES_H

#include "bytes.h"
#include "columns.h"

struct column {
    const u8 *data;
    u64 mask, sign;
    u32 shift; /* an entry has 1 << shift bytes */
    u32 count;
};

/* A clause that has a constraint; `level`: the how-manieth ANY_OF of that clause on that set. */
struct use {
    u32 clause, level;
};

struct range {
    u16 low, high;
};

/* Key of a memorised set of clauses (clauses.h); `slot` is 0 for an empty entry. */
struct memory {
    u32 attribute, what, cell, slot;
};

/* An attribute in this situation (situation.h). */
struct held {
    i64 value;
    i32 cell;
    u32 words, word_count; /* of a set: its run of `words` */
};

/* An arm of an eligible offer that may be shown somewhere now, with what it costs. */
struct live {
    i64 incentive, floor;
    i64 worth; /* in the model's units, then the score */
    u32 arm, offer;
    u64 here;
};

struct taken {
    u32 arm, offer, group;
};

/* What was taken on a page, on one track (arbitration.py). */
struct page {
    i64 micros, floor;
    u32 count;
    u8 unknown, blocked, cost_unknown; /* blocked: something taken does not stack */
    struct taken taken[TAKEN_LIMIT];
};

struct kernel {
    u64 opened;
    u32 words; /* 64-bit words of a set of clauses */
    u32 memory_mask, memory_slots, memory_used;
    u32 live_count;
    /* the index, made once */
    u32 *offer_of_clause, *use_start, *constraint_start, *constraints, *levels, *keys;
    struct use *uses;
    struct range *ranges;
    i64 *offers, *rungs; /* their columns side by side: a decision reads whole rows */
    /* the memory of accepting sets */
    struct memory *memory;
    u64 *sets;
    /* of one decision */
    u64 *holding, *either;
    struct held *held;
    u32 *set_words;
    u32 *multipliers;
    struct live *live;
    struct page *pages; /* shown and ghost */
    /* what was opened; last, so that offsets stay small before */
    i64 head[HEAD_SIZE];
    u32 rows[TABLE_COUNT];
    struct column columns[COLUMN_COUNT];
};

static HOT i64 entry_of(const struct column *c, u32 row) {
    u64 raw = load64(c->data + ((usize)row << c->shift)) & c->mask;
    return (i64)((raw ^ c->sign) - c->sign);
}

static COLD i64 at(const struct kernel *k, u32 column, u32 row) {
    return entry_of(&k->columns[column], row);
}

/* Rows and starts, which fit 32 bits. */
static COLD u32 row_at(const struct kernel *k, u32 column, u32 row) {
    return (u32)at(k, column, row);
}

struct run {
    u32 first, last;
};

/* A struct would be returned through memory. */
static COLD u64 run_bits(const struct kernel *k, u32 column, u32 row) {
    return row_at(k, column, row) | (u64)row_at(k, column, row + 1) << 32;
}

/* The rows [first, last) that a start column gives this row. */
static HOT struct run run_at(const struct kernel *k, u32 column, u32 row) {
    u64 bits = run_bits(k, column, row);
    struct run run = {(u32)bits, (u32)(bits >> 32)};
    return run;
}

static HOT i64 offer_at(const struct kernel *k, u32 column, u32 offer) {
    return k->offers[(usize)offer * OFFER_COLUMNS + (column - OFFER_NAME)];
}

static HOT struct run offer_run(const struct kernel *k, u32 column, u32 offer) {
    struct run run = {(u32)offer_at(k, column, offer), (u32)offer_at(k, column, offer + 1)};
    return run;
}

static HOT i64 rung_at(const struct kernel *k, u32 column, u32 rung) {
    return k->rungs[(usize)rung * RUNG_COLUMNS + (column - RUNG_NAME)];
}

struct text {
    const u8 *data;
    u32 size;
};

static struct text text_at(const struct kernel *k, u32 row) {
    struct run run = run_at(k, TEXT_START, row);
    struct text text = {k->columns[HEAP].data + run.first, run.last - run.first};
    return text;
}

static struct text word_text(const struct kernel *k, u32 word) {
    return text_at(k, row_at(k, WORD_TEXT, word));
}

/* The first row of [first, last) in an ascending column whose entry is >= value. */
static u32 lower_bound(const struct kernel *k, u32 column, struct run run, i64 value) {
    while (run.first < run.last) {
        u32 middle = run.first + (run.last - run.first) / 2;
        if (at(k, column, middle) < value) run.first = middle + 1;
        else run.last = middle;
    }
    return run.first;
}

/* The first row whose entry is > value; no entry reaches 2^53. */
static u32 upper_bound(const struct kernel *k, u32 column, struct run run, i64 value) {
    return value >= SAFE ? run.last : lower_bound(k, column, run, value + 1);
}

/* The row of a value in an ascending run, or `run.last`.  Most runs of arms are dense, so
 * the guess is mostly right. */
static u32 find(const struct kernel *k, u32 column, struct run run, i64 value) {
    if (run.first == run.last) return run.last;
    i64 guess = run.first + (value - at(k, column, run.first));
    if (guess < run.first) return run.last;
    if (guess < run.last && at(k, column, (u32)guess) == value) return (u32)guess;
    u32 row = lower_bound(k, column, run, value);
    return row < run.last && at(k, column, row) == value ? row : run.last;
}

/* How many cells the values of an attribute fall into; 0 for sets. */
static u32 cell_count(const struct kernel *k, u32 attribute) {
    i64 type = at(k, ATTRIBUTE_TYPE, attribute);
    if (type == BOOL || type == SET) return type == BOOL ? 2 : 0;
    struct run words = run_at(k, ATTRIBUTE_WORD, attribute);
    struct run breaks = run_at(k, ATTRIBUTE_BREAK, attribute);
    if (type != STRING) return breaks.last - breaks.first + 1;
    u32 count = words.last - words.first;
    return at(k, ATTRIBUTE_FLAGS, attribute) & ORDERED ? 2 * count + 1 : count + 1;
}

#endif
