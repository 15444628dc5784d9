/* Parts of a decision by themselves, and the loops that the kernel is measured against, for
 * bench/kernel.py.  Compiled twice: with the kernel's own flags for the kernel's parts, with
 * -O3 for the loops.
 *
 * The bare loops do nothing but the arithmetic: what they need was looked up before, nothing is
 * checked, and nothing is drawn, recorded or written.
 *
 *     bare_eligible   AND, per attribute, of the sets of clauses that its value accepts
 *     bare_decide     the same, and for every arm left incentive, ceiling and score (link
 *                     `logistic`), keeping the best: for policies as bench/workload.py makes
 *                     them (one rung per offer, terms dense by arm) */
#include "../edge/kernel/kernel.c"

#define EXPORT(name) __attribute__((export_name(#name))) name

static struct visit V;

int EXPORT(stage_begin)(u8 *scratch, const u8 *block, u32 block_size, const u8 *request, u32 size) {
    V.k = (struct kernel *)(void *)scratch;
    int whole = read_manifest(&V.manifest, block, block_size) &&
                read_request(&V.request, request, size) && situate(V.k, &V.request);
    begin(&V);
    V.placement = 0;
    return whole;
}

void EXPORT(stage_eligible)(void) { find_holding(V.k); }

/* --- the bare loops ------------------------------------------------------------------------ */

#define MOST_SETS 4096
#define MOST_TERMS 64

/* A set is AND-ed with what is there, after the `more` behind it were OR-ed to it. */
static const u64 *bare_sets[MOST_SETS];
static u32 bare_more[MOST_SETS], bare_count;

static struct bare_term {
    u32 first, size;
} bare_terms[MOST_TERMS];
static u32 bare_term_count;
static i64 bare_shared, bare_sensitivity, bare_none, bare_margin;

static void bare_add(const u64 *set, u32 more) {
    bare_sets[bare_count] = set;
    bare_more[bare_count++] = more;
}

static void prepare_words(struct kernel *k, u32 attribute, const struct held *held) {
    const u32 *words = k->set_words + held->words;
    bare_add(recall(k, attribute, VALUE, 0), 0);
    for (u32 i = 0; i < held->word_count; i++) bare_add(recall(k, attribute, KEEP, words[i]), 0);
    for (u32 level = 0; level < k->levels[attribute] && level < LEVELS; level++) {
        bare_add(recall(k, attribute, NEED + level * LEVEL, 0), held->word_count);
        for (u32 i = 0; i < held->word_count; i++)
            bare_add(recall(k, attribute, ANY + level * LEVEL, words[i]), 0);
    }
}

/* Bins of terms, and what all arms share. */
static void prepare_terms(struct kernel *k) {
    struct scoring s = {0, 0, 0, 0};
    struct run terms = run_at(k, MODEL_TERM, 0);
    s.shared = at(k, MODEL_CONSTANT, 0);
    bare_term_count = 0;
    k->live_count = 0;
    for (u32 term = terms.first; term < terms.last; term++) {
        struct run rows = run_at(k, TERM_ROW, term);
        u32 weights = row_at(k, ROW_WEIGHT, rows.first);
        struct bare_term own = {weights + term_bin(k, term),
                                row_at(k, ROW_WEIGHT, rows.first + 1) - weights};
        if (at(k, TERM_ROLE, term) == ARM) bare_terms[bare_term_count++] = own;
        else add_term(k, &s, term);
    }
    bare_shared = s.shared;
    bare_sensitivity = s.sensitivity;
    bare_none = response(k, s.shared);
    bare_margin = floor_div(V.cart.margin, k->head[HEAD_SCORE_UNIT]);
}

/* Everything that is looked up; returns the number of sets. */
u32 EXPORT(bare_prepare)(void) {
    struct kernel *k = V.k;
    bare_count = 0;
    for (u32 attribute = 0; attribute < k->rows[TABLE_ATTRIBUTE]; attribute++) {
        const struct held *held = &k->held[attribute];
        if (k->constraint_start[attribute] == k->constraint_start[attribute + 1]) continue;
        if (held->cell < 0) bare_add(recall(k, attribute, STATE, (u32)(-1 - held->cell)), 0);
        else if (at(k, ATTRIBUTE_TYPE, attribute) == SET) prepare_words(k, attribute, held);
        else bare_add(recall(k, attribute, CELL, (u32)held->cell), 0);
    }
    prepare_terms(k);
    return bare_count;
}

void EXPORT(bare_eligible)(void) {
    struct kernel *k = V.k;
    u64 *holding = k->holding, *either = k->either;
    u32 words = k->words;
    for (u32 w = 0; w < words; w++) holding[w] = ~0ull;
    holding[words - 1] = (1ull << k->rows[TABLE_CLAUSE] % 64) - 1;
    for (u32 i = 0; i < bare_count; i++) {
        const u64 *set = bare_sets[i];
        if (!bare_more[i]) {
            for (u32 w = 0; w < words; w++) holding[w] &= set[w];
            continue;
        }
        for (u32 w = 0; w < words; w++) either[w] = set[w];
        for (u32 more = bare_more[i]; more--;) {
            set = bare_sets[++i];
            for (u32 w = 0; w < words; w++) either[w] |= set[w];
        }
        for (u32 w = 0; w < words; w++) holding[w] &= either[w];
    }
}

/* The arm with the best score, or 0 if none beats showing nothing. */
u32 EXPORT(bare_decide)(void) {
    struct kernel *k = V.k;
    struct column weights = k->columns[WEIGHT_VALUE], responses = k->columns[RESPONSE];
    struct column bias = k->columns[BIAS_WEIGHT];
    i64 unit = k->head[HEAD_SCORE_UNIT], minor = k->head[HEAD_MINOR], best = 0;
    u32 arm = 0;
    bare_eligible();
    for (u32 w = 0; w < k->words; w++)
        for (u64 bits = k->holding[w]; bits; bits &= bits - 1) {
            u32 rung = k->offer_of_clause[w * 64 + (u32)__builtin_ctzll(bits)];
            const i64 *row = k->rungs + (usize)rung * RUNG_COLUMNS;
#define OWN(column) row[column - RUNG_NAME]
            i64 share = (V.cart.value_minor * OWN(RUNG_RATE_PPM) * 2 + MILLION) / (2 * MILLION);
            i64 incentive = least(least(share * minor, OWN(RUNG_MOST)), V.cart.value);
            if (incentive > OWN(RUNG_CEILING)) continue;
            i64 logit = bare_shared + (bare_sensitivity * OWN(RUNG_DEPTH) >> 8);
            logit += entry_of(&bias, rung);
            for (u32 i = 0; i < bare_term_count; i++)
                logit += entry_of(&weights, bare_terms[i].first + rung * bare_terms[i].size);
            u32 step = (u32)least(1023, most(0, logit + 512));
            i64 left = bare_margin - incentive / unit - OWN(RUNG_HANDLING);
            i64 score = (entry_of(&responses, step) * left - bare_none * bare_margin) >> 16;
            if (score > best) best = score, arm = rung + 1;
#undef OWN
        }
    return arm;
}
