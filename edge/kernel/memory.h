/* Where everything lies in the caller's working memory.
 *
 * One function lays it out, from the numbers of rows alone: first with no memory, to count
 * bytes, then with the memory, to give out its parts. */
#ifndef PROFFER_MEMORY_H
#define PROFFER_MEMORY_H

#include "tables.h"

#define MEMORY_BYTES (2u << 20)
#define MEMORY_SLOTS_MOST 4096
#define MEMORY_SLOTS_LEAST 16
#define SCRATCH_LIMIT (1ull << 31)

struct arena {
    u8 *base; /* 0: only count */
    u64 used;
};

static COLD void *part(struct arena *arena, u64 count, u32 size) {
    void *found = arena->base ? arena->base + arena->used : 0;
    arena->used += (count * size + 7) & ~7ull;
    return found;
}

/* A slot per cell that may ever be met, within bounds. */
static u32 memory_slots(const struct kernel *k) {
    const u32 *rows = k->rows;
    u64 cells = 6ull * rows[TABLE_ATTRIBUTE] + rows[TABLE_BREAK] + 3ull * rows[TABLE_WORD];
    u64 fit = MEMORY_BYTES / (8ull * k->words + 1);
    if (fit > MEMORY_SLOTS_MOST) fit = MEMORY_SLOTS_MOST;
    if (cells > fit) cells = fit;
    return cells < MEMORY_SLOTS_LEAST ? MEMORY_SLOTS_LEAST : (u32)cells;
}

static u32 most_keys(const struct kernel *k) {
    static const u8 KEYED[] = {TABLE_OFFER, TABLE_RUNG, TABLE_PLACEMENT, TABLE_CAP, TABLE_BUDGET};
    u32 greatest = 0;
    for (u32 i = 0; i < sizeof KEYED; i++)
        if (k->rows[KEYED[i]] > greatest) greatest = k->rows[KEYED[i]];
    return greatest;
}

/* Elements of all the sets that one request can hold: each takes three bytes or more. */
static u64 set_words(u32 attributes) {
    return (u64)least((u64)attributes * ELEMENT_LIMIT, REQUEST_LIMIT / 2);
}

/* Gives `k` its parts, and returns how many bytes they take together with itself. */
static u64 lay_out(struct kernel *k, u8 *base) {
    struct arena arena = {base, 0};
    const u32 *rows = k->rows;
    part(&arena, 1, sizeof *k);
    k->words = rows[TABLE_CLAUSE] / 64 + 1;
    k->memory_slots = memory_slots(k);
    k->memory_mask = power_of_two_from(2ull * k->memory_slots) - 1;
    k->offer_of_clause = part(&arena, rows[TABLE_CLAUSE], 4);
    k->use_start = part(&arena, rows[TABLE_CONSTRAINT] + 1ull, 4);
    k->uses = part(&arena, rows[TABLE_LITERAL], sizeof(struct use));
    k->constraint_start = part(&arena, rows[TABLE_ATTRIBUTE] + 1ull, 4);
    k->constraints = part(&arena, rows[TABLE_CONSTRAINT], 4);
    k->ranges = part(&arena, rows[TABLE_RANGE], sizeof(struct range));
    k->levels = part(&arena, rows[TABLE_ATTRIBUTE], 4);
    k->keys = part(&arena, most_keys(k), 4);
    k->offers = part(&arena, rows[TABLE_OFFER] + 1ull, OFFER_COLUMNS * 8);
    k->rungs = part(&arena, rows[TABLE_RUNG], RUNG_COLUMNS * 8);
    k->memory = part(&arena, k->memory_mask + 1ull, sizeof(struct memory));
    k->sets = part(&arena, (u64)k->words * k->memory_slots, 8);
    k->holding = part(&arena, k->words, 8);
    k->either = part(&arena, k->words, 8);
    k->held = part(&arena, rows[TABLE_ATTRIBUTE], sizeof(struct held));
    k->set_words = part(&arena, set_words(rows[TABLE_ATTRIBUTE]), 4);
    k->multipliers = part(&arena, rows[TABLE_BUDGET], 4);
    k->live = part(&arena, rows[TABLE_RUNG], sizeof(struct live));
    k->pages = part(&arena, 2, sizeof(struct page));
    return arena.used;
}

#endif
