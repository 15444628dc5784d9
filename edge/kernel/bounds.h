/* No integer of a decision reaches 2^53 (edge/decision/bounds.py): the same proof, with every
 * step cut off at a bound that is refused anyway, so that it cannot overflow itself. */
#ifndef PROFFER_BOUNDS_H
#define PROFFER_BOUNDS_H

#include "tables.h"

/* The product of two numbers >= 0, or SAFE where it would be more. */
static i64 product(i64 a, i64 b) { return b && a > SAFE / b ? SAFE : least(a * b, SAFE); }

static i64 size_of(i64 value) { return value < 0 ? -value : value; }

static i64 greatest_size(const struct kernel *k, u32 column) {
    i64 greatest = 0;
    for (u32 i = 0; i < k->columns[column].count; i++)
        greatest = most(greatest, size_of(at(k, column, i)));
    return greatest;
}

/* How far below 0 the entries of a column go. */
static i64 depth_below_0(const struct kernel *k, u32 column) {
    i64 lowest = 0;
    for (u32 i = 0; i < k->columns[column].count; i++) lowest = least(lowest, at(k, column, i));
    return -lowest;
}

static i64 range_of(const struct kernel *k, u32 attribute) {
    return most(size_of(at(k, ATTRIBUTE_LOW, attribute)),
                size_of(at(k, ATTRIBUTE_HIGH, attribute)));
}

static const i64 MICROS[7] = {1000000, 100000, 10000, 1000, 100, 10, 1};

/* The largest amount of a money attribute in micros, and how far below 0 it goes. */
static void amount_of(const struct kernel *k, i64 attribute, i64 *amount, i64 *below) {
    if (attribute < 0) return;
    i64 unit = MICROS[at(k, ATTRIBUTE_SCALE, (u32)attribute)];
    *amount = most(*amount, product(range_of(k, (u32)attribute), unit));
    *below = most(*below, product(most(0, -at(k, ATTRIBUTE_LOW, (u32)attribute)), unit));
}

/* A percentage of the largest amount, rounded up. */
static i64 share_at_most(const struct kernel *k, i64 amount, i64 rate_ppm) {
    i64 whole = amount / MILLION * rate_ppm + amount % MILLION * rate_ppm / MILLION;
    return rate_ppm ? whole + k->head[HEAD_MINOR] : 0;
}

static int derived_stay_exact(const struct kernel *k) {
    for (u32 row = 0; row < k->rows[TABLE_ATTRIBUTE]; row++) {
        i64 left = at(k, ATTRIBUTE_LEFT, row), right = at(k, ATTRIBUTE_RIGHT, row);
        i64 bound = (left < 0 ? 0 : range_of(k, (u32)left)) +
                    (right < 0 ? 0 : range_of(k, (u32)right)) + (1LL << 32);
        if (at(k, ATTRIBUTE_OP, row) != NO_OP && bound >= SAFE) return 0;
    }
    return 1;
}

static int models_are_short(const struct kernel *k) {
    for (u32 model = 0; model < k->rows[TABLE_MODEL]; model++) {
        struct run terms = run_at(k, MODEL_TERM, model);
        if (terms.last - terms.first > TERM_LIMIT) return 0;
    }
    return 1;
}

static int integers_stay_exact(const struct kernel *k) {
    i64 amount = k->head[HEAD_VALUE_OTHERWISE], below = 0, own_margin = 0, unused = 0;
    amount_of(k, k->head[HEAD_VALUE], &amount, &below);
    for (u32 offer = 0; offer < k->rows[TABLE_OFFER]; offer++)
        amount_of(k, at(k, OFFER_SCOPE, offer), &amount, &below);
    amount_of(k, k->head[HEAD_MARGIN], &own_margin, &unused);
    if (amount >= SAFE || own_margin >= SAFE) return 0;

    i64 margin = most(own_margin, share_at_most(k, amount, k->head[HEAD_MARGIN_PPM]));
    i64 rate = greatest_size(k, RUNG_RATE_PPM);
    i64 incentive = greatest_size(k, RUNG_FIXED) + share_at_most(k, amount, rate) +
                    greatest_size(k, AMOUNT_MICROS);
    incentive = most(incentive, most(depth_below_0(k, RUNG_MOST), below));
    i64 rates = most(rate, k->head[HEAD_MARGIN_PPM]);
    rates = most(rates, greatest_size(k, RUNG_CEILING_PPM));
    rates = most(rates, greatest_size(k, RUNG_FLOOR_PPM));
    i64 economics = 2 * margin + incentive + greatest_size(k, RUNG_HANDLING);
    int logistic = k->rows[TABLE_RESPONSE] > 0;
    return margin < SAFE && product(amount / k->head[HEAD_MINOR], rates) < SAFE &&
           margin + product(incentive, TAKEN_LIMIT) < SAFE &&
           (!logistic || product(economics / k->head[HEAD_SCORE_UNIT], 1 << 16) < SAFE) &&
           derived_stay_exact(k) && models_are_short(k);
}

#endif
