/* Opening a bundle, second half: what must hold between columns (edge/decision/wellformed.py,
 * check by check and in its order). */
#ifndef PROFFER_WELLFORMED_H
#define PROFFER_WELLFORMED_H

#include "bounds.h"
#include "keys.h"
#include "open.h"

static int numbers_ascend(const struct kernel *k, u32 column, struct run run) {
    for (u32 i = run.first; i + 1 < run.last; i++)
        if (at(k, column, i) >= at(k, column, i + 1)) return 0;
    return 1;
}

static i64 greatest_in(const struct kernel *k, u32 column, struct run run) {
    i64 greatest = 0;
    for (u32 i = run.first; i < run.last; i++) greatest = most(greatest, at(k, column, i));
    return greatest;
}

static int texts_are_utf8(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_TEXT]; row++) {
        struct text text = text_at(k, row);
        if (!is_utf8(text.data, text.size)) return 0;
    }
    return 1;
}

static int the_head_is_complete(struct kernel *k) {
    i64 text = (i64)k->rows[TABLE_TEXT] - 1, attribute = (i64)k->rows[TABLE_ATTRIBUTE] - 1;
    const i64 bounds[HEAD_SIZE][2] = {
        [HEAD_PROJECTION] = {0, 1},
        [HEAD_TENANT] = {0, text},
        [HEAD_SCORE_UNIT] = {1, 1000000000},
        [HEAD_MINOR] = {1, 1000000},
        [HEAD_ROUNDING] = {0, 2},
        [HEAD_GLOBAL_SHARE] = {0, 1 << 20},
        [HEAD_GLOBAL_UNIT] = {0, 1},
        [HEAD_GLOBAL_SALT] = {0, text},
        [HEAD_VALUE] = {-1, attribute},
        [HEAD_VALUE_OTHERWISE] = {0, SAFE - 1},
        [HEAD_MARGIN] = {-1, attribute},
        [HEAD_MARGIN_PPM] = {0, 1 << 20},
        [HEAD_HORIZON_FROM] = {-SAFE, SAFE},
        [HEAD_HORIZON_UNTIL] = {-SAFE, SAFE},
        [HEAD_COUNTRY] = {-1, attribute},
    };
    if (k->columns[HEAD].count != HEAD_SIZE) return 0;
    for (u32 i = 0; i < HEAD_SIZE; i++) {
        k->head[i] = at(k, HEAD, i);
        if (k->head[i] < bounds[i][0] || k->head[i] > bounds[i][1]) return 0;
    }
    return 1;
}

static int is_part(const struct kernel *k, i64 row) {
    struct text text = text_at(k, (u32)row);
    return text.size && has_no_control(text.data, text.size);
}

static int words_of_chance_have_no_control_bytes(const struct kernel *k) {
    if (!is_part(k, k->head[HEAD_TENANT]) || !is_part(k, k->head[HEAD_GLOBAL_SALT])) return 0;
    for (u32 row = 0; row < k->rows[TABLE_PLACEMENT]; row++)
        if (!is_part(k, at(k, PLACEMENT_NAME, row)) ||
            !is_part(k, at(k, PLACEMENT_SHARE_SALT, row)) ||
            !is_part(k, at(k, PLACEMENT_SALT, row)))
            return 0;
    return 1;
}

static int words_ascend(const struct kernel *k, struct run run) {
    for (u32 i = run.first; i + 1 < run.last; i++) {
        struct text a = word_text(k, i), b = word_text(k, i + 1);
        if (compare(a.data, a.size, b.data, b.size) >= 0) return 0;
    }
    return 1;
}

static int breakpoints_and_words_ascend(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_ATTRIBUTE]; row++)
        if (!numbers_ascend(k, BREAK_VALUE, run_at(k, ATTRIBUTE_BREAK, row)) ||
            !words_ascend(k, run_at(k, ATTRIBUTE_WORD, row)) || cell_count(k, row) > 65535)
            return 0;
    return 1;
}

static int booleans_are_0_or_1(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_ATTRIBUTE]; row++) {
        i64 low = at(k, ATTRIBUTE_LOW, row), high = at(k, ATTRIBUTE_HIGH, row);
        if (at(k, ATTRIBUTE_TYPE, row) == BOOL && !(0 <= low && low <= high && high <= 1)) return 0;
    }
    return 1;
}

static int is_number(i64 type) { return type == INT || type == DECIMAL; }

/* Whether a derived attribute may read this one. */
static int is_operand(const struct kernel *k, i64 operand, i64 op) {
    if (operand < 0 || at(k, ATTRIBUTE_OP, (u32)operand) != NO_OP) return 0;
    i64 type = at(k, ATTRIBUTE_TYPE, (u32)operand);
    return op == AGE ? type == TIMESTAMP : is_number(type);
}

static int derived_attributes_read_plain_numbers(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_ATTRIBUTE]; row++) {
        i64 op = at(k, ATTRIBUTE_OP, row);
        int reads = op == AGE || op == SUM || op == DIFFERENCE;
        if (reads && !is_operand(k, at(k, ATTRIBUTE_LEFT, row), op)) return 0;
        if (reads && op != AGE && !is_operand(k, at(k, ATTRIBUTE_RIGHT, row), op)) return 0;
        if ((op == HOUR || op == WEEKDAY) && at(k, ATTRIBUTE_ZONE, row) < 0) return 0;
        if (op != NO_OP && !is_number(at(k, ATTRIBUTE_TYPE, row))) return 0;
    }
    return 1;
}

static int zones_ascend(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_ZONE]; row++)
        if (!numbers_ascend(k, SHIFT_INSTANT, run_at(k, ZONE_SHIFT, row))) return 0;
    return 1;
}

static int constraints_fit_their_attribute(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_CONSTRAINT]; row++) {
        u32 attribute = row_at(k, CONSTRAINT_ATTRIBUTE, row);
        i64 kind = at(k, CONSTRAINT_KIND, row);
        int is_set = at(k, ATTRIBUTE_TYPE, attribute) == SET;
        if (is_set ? kind == CELLS : kind == ANY_OF || kind == NONE_OF) return 0;
        struct run words = run_at(k, ATTRIBUTE_WORD, attribute);
        u32 limit = is_set ? words.last - words.first : cell_count(k, attribute);
        struct run run = run_at(k, CONSTRAINT_RANGE, row);
        for (u32 i = run.first; i < run.last; i++)
            if (at(k, RANGE_LOW, i) > at(k, RANGE_HIGH, i) || at(k, RANGE_HIGH, i) >= limit)
                return 0;
    }
    return 1;
}

static int rungs_belong_to_their_offers(const struct kernel *k) {
    for (u32 offer = 0; offer < k->rows[TABLE_OFFER]; offer++) {
        struct run run = run_at(k, OFFER_RUNG, offer);
        if (run.first == run.last) return 0;
        for (u32 i = run.first; i < run.last; i++)
            if (row_at(k, RUNG_OFFER, i) != offer) return 0;
    }
    return 1;
}

static int may_count_money(const struct kernel *k, i64 attribute) {
    return attribute < 0 || at(k, ATTRIBUTE_TYPE, (u32)attribute) == DECIMAL;
}

static int money_is_counted_in_numbers(const struct kernel *k) {
    if (!may_count_money(k, k->head[HEAD_VALUE]) || !may_count_money(k, k->head[HEAD_MARGIN]))
        return 0;
    for (u32 offer = 0; offer < k->rows[TABLE_OFFER]; offer++)
        if (!may_count_money(k, at(k, OFFER_SCOPE, offer))) return 0;
    return 1;
}

/* Whether a run has an entry per cell, and one for an attribute without value. */
static int has_entry_per_cell(const struct kernel *k, u32 attribute, struct run run) {
    if (at(k, ATTRIBUTE_TYPE, attribute) == SET) return 0;
    return run.last - run.first == cell_count(k, attribute) + 1;
}

static int cost_tables_have_an_amount_per_cell(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_COST]; row++)
        if (!has_entry_per_cell(k, row_at(k, COST_ATTRIBUTE, row), run_at(k, COST_AMOUNT, row)))
            return 0;
    return 1;
}

static int arms_are_known(const struct kernel *k, u32 column, struct run run) {
    return numbers_ascend(k, column, run) && greatest_in(k, column, run) <= k->rows[TABLE_RUNG];
}

static int bins_fit(const struct kernel *k, u32 term) {
    i64 right = at(k, TERM_RIGHT, term), width = at(k, TERM_WIDTH, term);
    struct run left_bins = run_at(k, TERM_LEFT_BIN, term);
    struct run right_bins = run_at(k, TERM_RIGHT_BIN, term);
    if (!has_entry_per_cell(k, row_at(k, TERM_LEFT, term), left_bins)) return 0;
    if (right < 0) return right_bins.first == right_bins.last && width == 1;
    return has_entry_per_cell(k, (u32)right, right_bins) &&
           greatest_in(k, RIGHTBIN_BIN, right_bins) < width;
}

static int terms_have_a_weight_per_bin(const struct kernel *k) {
    for (u32 term = 0; term < k->rows[TABLE_TERM]; term++) {
        struct run rows = run_at(k, TERM_ROW, term);
        if (!bins_fit(k, term) || !arms_are_known(k, ROW_ARM, rows)) return 0;
        int shared = rows.last - rows.first == 1 && at(k, ROW_ARM, rows.first) == 0;
        if (at(k, TERM_ROLE, term) != ARM && !shared) return 0;
        i64 bins = greatest_in(k, LEFTBIN_BIN, run_at(k, TERM_LEFT_BIN, term)) + 1;
        i64 size = bins * at(k, TERM_WIDTH, term);
        for (u32 i = rows.first; i < rows.last; i++)
            if (at(k, ROW_WEIGHT, i + 1) - at(k, ROW_WEIGHT, i) != size) return 0;
    }
    return 1;
}

static int models_know_their_arms(const struct kernel *k) {
    u32 logistic = 0;
    for (u32 model = 0; model < k->rows[TABLE_MODEL]; model++) {
        if (!arms_are_known(k, BIAS_ARM, run_at(k, MODEL_BIAS, model))) return 0;
        logistic |= at(k, MODEL_LINK, model) == LOGISTIC;
    }
    return k->rows[TABLE_RESPONSE] == (logistic ? 1024 : 0);
}

static int allocations_have_a_share_per_arm(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_ALLOCATION]; row++) {
        i64 attribute = at(k, ALLOCATION_ATTRIBUTE, row);
        struct run bins = run_at(k, ALLOCATION_BIN, row), arms = run_at(k, ALLOCATION_ARM, row);
        struct run shares = run_at(k, ALLOCATION_SHARE, row);
        int only = bins.last - bins.first == 1 && at(k, ALLOCBIN_ROW, bins.first) == 0;
        if (attribute < 0 ? !only : !has_entry_per_cell(k, (u32)attribute, bins)) return 0;
        if (!arms_are_known(k, ALLOCARM_ARM, arms)) return 0;
        i64 segments = greatest_in(k, ALLOCBIN_ROW, bins) + 1;
        if (shares.last - shares.first != segments * (arms.last - arms.first)) return 0;
    }
    return 1;
}

static int placements_have_what_their_policy_reads(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_PLACEMENT]; row++)
        if (at(k, PLACEMENT_POLICY, row) == ALLOCATION && at(k, PLACEMENT_ALLOCATION, row) < 0)
            return 0;
    return 1;
}

/* Rungs come last: deciding reads their order, too. */
static int keys_name_one_thing(struct kernel *k) {
    return sort_keys(k, OFFER_KEY) && sort_keys(k, PLACEMENT_KEY) && sort_keys(k, CAP_KEY) &&
           sort_keys(k, BUDGET_KEY) && sort_keys(k, RUNG_KEY);
}

static int32_t check_meaning(struct kernel *k) {
    int well = texts_are_utf8(k) && the_head_is_complete(k) &&
               words_of_chance_have_no_control_bytes(k) && breakpoints_and_words_ascend(k) &&
               booleans_are_0_or_1(k) && derived_attributes_read_plain_numbers(k) &&
               zones_ascend(k) && constraints_fit_their_attribute(k) &&
               rungs_belong_to_their_offers(k) && money_is_counted_in_numbers(k) &&
               cost_tables_have_an_amount_per_cell(k) && terms_have_a_weight_per_bin(k) &&
               models_know_their_arms(k) && allocations_have_a_share_per_arm(k) &&
               placements_have_what_their_policy_reads(k) && keys_name_one_thing(k) &&
               integers_stay_exact(k);
    return well ? 0 : PROFFER_BUNDLE_MEANING;
}

#endif
