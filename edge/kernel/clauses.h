/* Which clauses hold: the index of edge/decision/eligibility.py.
 *
 * A clause is a bit.  For an attribute and the cell of its value, the *accepting set* is the
 * set of clauses that this cell does not contradict; the clauses that hold are the AND over
 * all attributes.  Accepting sets are made when first met and remembered in a bounded number
 * of slots, which are all forgotten when they are full.
 *
 * A set of words has too many values for that.  Its ANY_OF constraints are groups that need
 * an element each; the n-th group of each clause is its *level* n.  So a set accepts
 *
 *     VALUE                        clauses that do not need it absent
 *     AND, per element,  KEEP      clauses that do not forbid this word
 *     AND, per level, of NEED      clauses that have no group of this level
 *            OR, per element, ANY  clauses whose group of this level has this word
 *
 * and each of these is one remembered set.  Groups from the eighth on, which nobody writes,
 * are looked at one by one. */
#ifndef PROFFER_CLAUSES_H
#define PROFFER_CLAUSES_H

#include "tables.h"

enum { ABSENT_CELL = -1, WITHHELD_CELL = -2, INVALID_CELL = -3 };
enum { LEVELS = 7 };
enum { CELL, STATE, VALUE, KEEP, NEED, ANY, LEVEL = 8 }; /* what a remembered set is */

/* --- the index, made once ---------------------------------------------------------------- */

static void index_offers(struct kernel *k) {
    for (u32 offer = 0; offer < k->rows[TABLE_OFFER]; offer++) {
        struct run run = run_at(k, OFFER_CLAUSE, offer);
        for (u32 i = run.first; i < run.last; i++) k->offer_of_clause[i] = offer;
    }
}

static void index_ranges(struct kernel *k) {
    for (u32 i = 0; i < k->rows[TABLE_RANGE]; i++) {
        k->ranges[i].low = (u16)at(k, RANGE_LOW, i);
        k->ranges[i].high = (u16)at(k, RANGE_HIGH, i);
    }
}

/* Turns numbers per row into list heads, one row late: filling the lists moves them there. */
static void heads_from_counts(u32 *start, u32 rows) {
    u32 before = 0;
    for (u32 i = 0; i <= rows; i++) {
        u32 count = i < rows ? start[i] : 0;
        start[i] = before;
        before += count;
    }
}

static void heads_back(u32 *start, u32 rows) {
    for (u32 i = rows; i > 0; i--) start[i] = start[i - 1];
    start[0] = 0;
}

/* Per attribute: its constraints. */
static void index_constraints(struct kernel *k) {
    u32 attributes = k->rows[TABLE_ATTRIBUTE], *start = k->constraint_start;
    for (u32 i = 0; i <= attributes; i++) start[i] = 0;
    for (u32 i = 0; i < k->rows[TABLE_CONSTRAINT]; i++) start[row_at(k, CONSTRAINT_ATTRIBUTE, i)]++;
    heads_from_counts(start, attributes);
    for (u32 i = 0; i < k->rows[TABLE_CONSTRAINT]; i++)
        k->constraints[start[row_at(k, CONSTRAINT_ATTRIBUTE, i)]++] = i;
    heads_back(start, attributes);
}

/* The level of an ANY_OF literal; `held` serves as a place to count in, by attribute. */
static u32 level_of(struct kernel *k, u32 constraint, u32 clause) {
    if (at(k, CONSTRAINT_KIND, constraint) != ANY_OF) return 0;
    u32 attribute = row_at(k, CONSTRAINT_ATTRIBUTE, constraint);
    struct held *count = &k->held[attribute];
    if (count->words != clause + 1) count->words = clause + 1, count->word_count = 0;
    u32 level = count->word_count;
    if (level < LEVELS) count->word_count++;
    if (level >= k->levels[attribute]) k->levels[attribute] = level + 1;
    return level;
}

/* Per constraint: the clauses that have it. */
static void index_uses(struct kernel *k) {
    u32 constraints = k->rows[TABLE_CONSTRAINT], *start = k->use_start;
    for (u32 i = 0; i < k->rows[TABLE_ATTRIBUTE]; i++) k->held[i].words = k->levels[i] = 0;
    for (u32 i = 0; i <= constraints; i++) start[i] = 0;
    for (u32 i = 0; i < k->rows[TABLE_LITERAL]; i++) start[row_at(k, LITERAL_CONSTRAINT, i)]++;
    heads_from_counts(start, constraints);
    for (u32 clause = 0; clause < k->rows[TABLE_CLAUSE]; clause++) {
        struct run run = run_at(k, CLAUSE_LITERAL, clause);
        for (u32 i = run.first; i < run.last; i++) {
            u32 constraint = row_at(k, LITERAL_CONSTRAINT, i);
            struct use use = {clause, level_of(k, constraint, clause)};
            k->uses[start[constraint]++] = use;
        }
    }
    heads_back(start, constraints);
}

static void forget(struct kernel *k) {
    for (u32 i = 0; i <= k->memory_mask; i++) k->memory[i].slot = 0;
    k->memory_used = 0;
}

/* Copies the columns of a table from `first` on into rows of numbers.  Columns of list heads
 * have an entry more, behind the last row. */
static void lay_rows(const struct kernel *k, i64 *rows, u32 first, u32 columns) {
    for (u32 column = 0; column < columns; column++)
        for (u32 i = 0; i < k->columns[first + column].count; i++)
            rows[(usize)i * columns + column] = at(k, first + column, i);
}

/* The rows of rungs hold their handling in score units. */
static void price_handling(const struct kernel *k) {
    i64 *handling = k->rungs + (RUNG_HANDLING - RUNG_NAME);
    for (u32 i = 0; i < k->rows[TABLE_RUNG]; i++, handling += RUNG_COLUMNS)
        *handling = floor_div(*handling, k->head[HEAD_SCORE_UNIT]);
}

static void make_index(struct kernel *k) {
    index_offers(k);
    index_ranges(k);
    index_constraints(k);
    index_uses(k);
    lay_rows(k, k->offers, OFFER_NAME, OFFER_COLUMNS);
    lay_rows(k, k->rungs, RUNG_NAME, RUNG_COLUMNS);
    price_handling(k);
    forget(k);
}

/* --- sets of clauses --------------------------------------------------------------------- */

static void fill(u64 *set, u32 words, u64 with) {
    for (u32 i = 0; i < words; i++) set[i] = with;
}

/* The uses of a constraint on one level (or on all of them: `level` < 0) are put in or out. */
static void put(struct kernel *k, u64 *set, u32 constraint, i64 level, int in) {
    for (u32 i = k->use_start[constraint]; i < k->use_start[constraint + 1]; i++) {
        struct use use = k->uses[i];
        u64 bit = 1ull << (use.clause & 63);
        if (level >= 0 && use.level != level) continue;
        if (in) set[use.clause >> 6] |= bit;
        else set[use.clause >> 6] &= ~bit;
    }
}

/* Whether one of the constraint's ranges holds this cell or word. */
static u32 holds(const struct kernel *k, u32 constraint, u32 cell) {
    struct run run = run_at(k, CONSTRAINT_RANGE, constraint);
    for (u32 i = run.first; i < run.last; i++)
        if (k->ranges[i].low <= cell && cell <= k->ranges[i].high) return 1;
    return 0;
}

/* Whether a constraint decides about a set of this sort, and so goes out of it (into ANY). */
static int speaks(const struct kernel *k, u32 constraint, u32 what, u32 cell) {
    i64 kind = at(k, CONSTRAINT_KIND, constraint);
    switch (what) {
    case CELL: return kind == ABSENT || (kind == CELLS && !holds(k, constraint, cell));
    case STATE: return kind != ABSENT || cell != 0;
    case VALUE: return kind == ABSENT;
    case KEEP: return kind == NONE_OF && holds(k, constraint, cell);
    case NEED: return kind == ANY_OF;
    default: return kind == ANY_OF && holds(k, constraint, cell);
    }
}

static void make_set(struct kernel *k, u64 *set, struct memory key) {
    u32 what = key.what % LEVEL;
    i64 level = what == NEED || what == ANY ? (i64)(key.what / LEVEL) : -1;
    fill(set, k->words, what == ANY ? 0 : ~0ull);
    for (u32 i = k->constraint_start[key.attribute]; i < k->constraint_start[key.attribute + 1];
         i++)
        if (speaks(k, k->constraints[i], what, key.cell))
            put(k, set, k->constraints[i], level, what == ANY);
}

/* The set with this key: remembered, or made now. */
static const u64 *recall(struct kernel *k, u32 attribute, u32 what, u32 cell) {
    u32 hash = (attribute * 0x9e3779b1u ^ what * 0x85ebca77u ^ cell * 0xc2b2ae3du);
    u32 i = (hash ^ hash >> 15) & k->memory_mask;
    for (; k->memory[i].slot; i = (i + 1) & k->memory_mask) {
        struct memory *found = &k->memory[i];
        if (found->attribute == attribute && found->what == what && found->cell == cell)
            return k->sets + (usize)(found->slot - 1) * k->words;
    }
    if (k->memory_used == k->memory_slots) {
        forget(k);
        i = (hash ^ hash >> 15) & k->memory_mask;
    }
    struct memory key = {attribute, what, cell, ++k->memory_used};
    u64 *set = k->sets + (usize)(key.slot - 1) * k->words;
    k->memory[i] = key;
    make_set(k, set, key);
    return set;
}

static void keep_both(u64 *set, const u64 *other, u32 words) {
    for (u32 i = 0; i < words; i++) set[i] &= other[i];
}

static void add_all(u64 *set, const u64 *other, u32 words) {
    for (u32 i = 0; i < words; i++) set[i] |= other[i];
}

/* Takes out the clauses with a group beyond the levels that has none of these words. */
static void hold_rest(struct kernel *k, u32 attribute, const struct held *held) {
    const u32 *words = k->set_words + held->words;
    for (u32 i = k->constraint_start[attribute]; i < k->constraint_start[attribute + 1]; i++) {
        u32 constraint = k->constraints[i], found = 0;
        if (at(k, CONSTRAINT_KIND, constraint) != ANY_OF) continue;
        for (u32 j = 0; j < held->word_count; j++) found |= holds(k, constraint, words[j]);
        if (!found) put(k, k->holding, constraint, LEVELS, 0);
    }
}

static void hold_set(struct kernel *k, u32 attribute, const struct held *held) {
    const u32 *words = k->set_words + held->words;
    keep_both(k->holding, recall(k, attribute, VALUE, 0), k->words);
    for (u32 i = 0; i < held->word_count; i++)
        keep_both(k->holding, recall(k, attribute, KEEP, words[i]), k->words);
    for (u32 level = 0; level < k->levels[attribute]; level++) {
        if (level == LEVELS) {
            hold_rest(k, attribute, held);
            break;
        }
        u32 on = level * LEVEL;
        fill(k->either, k->words, 0);
        add_all(k->either, recall(k, attribute, NEED + on, 0), k->words);
        for (u32 i = 0; i < held->word_count; i++)
            add_all(k->either, recall(k, attribute, ANY + on, words[i]), k->words);
        keep_both(k->holding, k->either, k->words);
    }
}

/* Leaves in `holding` the clauses that are true in this situation. */
static void find_holding(struct kernel *k) {
    u32 clauses = k->rows[TABLE_CLAUSE];
    fill(k->holding, k->words, ~0ull);
    k->holding[clauses / 64] = (1ull << clauses % 64) - 1;
    for (u32 attribute = 0; attribute < k->rows[TABLE_ATTRIBUTE]; attribute++) {
        const struct held *held = &k->held[attribute];
        if (k->constraint_start[attribute] == k->constraint_start[attribute + 1]) continue;
        if (held->cell < 0) {
            u32 state = (u32)(ABSENT_CELL - held->cell);
            keep_both(k->holding, recall(k, attribute, STATE, state), k->words);
        } else if (at(k, ATTRIBUTE_TYPE, attribute) == SET) hold_set(k, attribute, held);
        else keep_both(k->holding, recall(k, attribute, CELL, (u32)held->cell), k->words);
    }
}

#endif
