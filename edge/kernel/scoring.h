/* What an arm is worth for this cart, compared with showing nothing
 * (edge/decision/scoring.py).
 *
 * Scores are made for all arms at once, term by term: so what a term needs is looked up once,
 * and its rows are walked in their order. */
#ifndef PROFFER_SCORING_H
#define PROFFER_SCORING_H

#include "guardrails.h"

struct scoring {
    i64 sensitivity, shared;
    i64 p_none, margin; /* margin in score units */
};

/* Which of a term's weights applies: left bin * width + right bin. */
static u32 term_bin(const struct kernel *k, u32 term) {
    struct run left = run_at(k, TERM_LEFT_BIN, term), right = run_at(k, TERM_RIGHT_BIN, term);
    i64 crossed = at(k, TERM_RIGHT, term);
    u32 bin = row_at(k, LEFTBIN_BIN, bin_row(k, left, at(k, TERM_LEFT, term)));
    bin *= row_at(k, TERM_WIDTH, term);
    return crossed < 0 ? bin : bin + row_at(k, RIGHTBIN_BIN, bin_row(k, right, crossed));
}

/* Response probability in 1/65536 for a logit in 1/64 steps. */
static i64 response(const struct kernel *k, i64 logit) {
    return at(k, RESPONSE, (u32)least(1023, most(0, logit + 512)));
}

/* Adds to each arm here its own weight: that of row i is `first + i * size` of `weights`, for
 * the arms in rows [rows.first, rows.last) of `arms`. */
static void add_weights(struct kernel *k, u32 arms, struct run rows, u32 weights, u32 first,
                        u32 size) {
    struct column arm = k->columns[arms], weight = k->columns[weights];
    if (rows.first == rows.last) return;
    u32 to_row = rows.first - (u32)entry_of(&arm, rows.first);
    int dense = rows.last - 1 - to_row == (u32)entry_of(&arm, rows.last - 1);
    for (u32 i = 0; i < k->live_count; i++) {
        struct live *live = &k->live[i];
        u32 row = to_row + live->arm; /* where it is if no arm is left out */
        if (!live->here) continue;
        if (!dense) row = find(k, arms, rows, live->arm);
        if (row - rows.first < rows.last - rows.first)
            live->worth += entry_of(&weight, first + (row - rows.first) * size);
    }
}

static void add_term(struct kernel *k, struct scoring *s, u32 term) {
    struct run rows = run_at(k, TERM_ROW, term);
    if (rows.first == rows.last) return;
    u32 weights = row_at(k, ROW_WEIGHT, rows.first);
    u32 size = row_at(k, ROW_WEIGHT, rows.first + 1) - weights, bin = weights + term_bin(k, term);
    i64 role = at(k, TERM_ROLE, term);
    if (role == ARM) add_weights(k, ROW_ARM, rows, WEIGHT_VALUE, bin, size);
    else if (role == BASE) s->shared += at(k, WEIGHT_VALUE, bin);
    else s->sensitivity += at(k, WEIGHT_VALUE, bin);
}

static i64 economics(const struct kernel *k, const struct scoring *s, const struct live *live,
                     i64 multiplier) {
    i64 cost = floor_div(live->incentive, k->head[HEAD_SCORE_UNIT]);
    i64 p_arm = response(k, s->shared + live->worth);
    i64 left = s->margin - cost - rung_at(k, RUNG_HANDLING, live->arm - 1);
    i64 gain = (p_arm * left - s->p_none * s->margin) >> 16;
    return multiplier ? gain - (multiplier * least(p_arm * cost >> 16, SCORE_LIMIT) >> 16) : gain;
}

static i64 multiplier_of(const struct kernel *k, u32 offer) {
    i64 budget = offer_at(k, OFFER_BUDGET, offer);
    return budget < 0 ? 0 : k->multipliers[budget];
}

static void finish_score(const struct kernel *k, const struct scoring *s, struct live *live,
                         i64 link) {
    u32 rung = live->arm - 1;
    i64 multiplier = multiplier_of(k, live->offer);
    if (s->sensitivity) live->worth += s->sensitivity * rung_at(k, RUNG_DEPTH, rung) >> 8;
    if (link == LOGISTIC) live->worth = economics(k, s, live, multiplier);
    else live->worth -= multiplier * rung_at(k, RUNG_EXPECTED_COST, rung) >> 16;
    live->worth = most(-SCORE_LIMIT, least(SCORE_LIMIT, live->worth));
}

/* Leaves in `worth` the scores of the arms that are here; their worth is 0 before. */
static void find_scores(struct kernel *k, const struct cart *cart, i64 row) {
    struct scoring s = {0, 0, 0, 0};
    if (row < 0) return;
    u32 model = (u32)row;
    i64 link = at(k, MODEL_LINK, model), margin = cart->margin == UNKNOWN ? 0 : cart->margin;
    struct run terms = run_at(k, MODEL_TERM, model), bias = run_at(k, MODEL_BIAS, model);
    s.shared = at(k, MODEL_CONSTANT, model);
    add_weights(k, BIAS_ARM, bias, BIAS_WEIGHT, bias.first, 1);
    for (u32 term = terms.first; term < terms.last; term++) add_term(k, &s, term);
    s.margin = floor_div(margin, k->head[HEAD_SCORE_UNIT]);
    if (link == LOGISTIC) s.p_none = response(k, s.shared);
    for (u32 i = 0; i < k->live_count; i++)
        if (k->live[i].here) finish_score(k, &s, &k->live[i], link);
}

#endif
