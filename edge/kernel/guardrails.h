/* What an arm costs for this cart, and whether it may cost that (edge/decision/guardrails.py
 * and money.py).  UNKNOWN stands for Python's None. */
#ifndef PROFFER_GUARDRAILS_H
#define PROFFER_GUARDRAILS_H

#include "bounds.h"
#include "situation.h"

#define NO_CEILING SAFE
#define NO_FLOOR (-SAFE)
#define UNKNOWN_FLOOR SAFE
#define UNKNOWN INT64_MIN

struct cart {
    i64 value, margin;   /* in micros; UNKNOWN: cannot be evaluated */
    i64 value_minor;     /* the value in whole minor units */
};

/* `rate_ppm` of so many minor units, rounded, in micros. */
static i64 share_of_minor(const struct kernel *k, i64 minor, i64 rate_ppm, i64 rounding) {
    i64 product = minor * rate_ppm, whole = floor_div(product, MILLION);
    i64 rest = 2 * (product - whole * MILLION);
    if (rounding == HALF_UP) whole += rest >= MILLION;
    if (rounding == HALF_EVEN) whole += rest > MILLION || (rest == MILLION && (whole & 1));
    return whole * k->head[HEAD_MINOR];
}

static i64 money(const struct kernel *k, i64 attribute) {
    const struct held *held = &k->held[attribute];
    i64 unit = MICROS[at(k, ATTRIBUTE_SCALE, (u32)attribute)];
    return held->cell < 0 ? UNKNOWN : held->value * unit;
}

static int is_absent(const struct kernel *k, i64 attribute) {
    return attribute < 0 || k->held[attribute].cell == ABSENT_CELL;
}

static struct cart cart_of(const struct kernel *k) {
    struct cart cart;
    i64 value = k->head[HEAD_VALUE], margin = k->head[HEAD_MARGIN];
    cart.value = is_absent(k, value) ? k->head[HEAD_VALUE_OTHERWISE] : money(k, value);
    cart.value_minor = cart.value == UNKNOWN ? 0 : floor_div(cart.value, k->head[HEAD_MINOR]);
    if (!is_absent(k, margin)) cart.margin = money(k, margin);
    else if (cart.value == UNKNOWN) cart.margin = UNKNOWN;
    else cart.margin = share_of_minor(k, cart.value_minor, k->head[HEAD_MARGIN_PPM], DOWN);
    return cart;
}

/* The amount that an offer's percentage applies to: UNKNOWN or micros. */
static i64 subtotal(const struct kernel *k, const struct cart *cart, u32 offer) {
    i64 scope = offer_at(k, OFFER_SCOPE, offer), order = k->head[HEAD_VALUE];
    if (scope < 0 || scope == order) return cart->value;
    return is_absent(k, order) && is_absent(k, scope) ? cart->value : money(k, scope);
}

static i64 table_cost(const struct kernel *k, i64 table) {
    if (table < 0) return 0;
    struct run amounts = run_at(k, COST_AMOUNT, (u32)table);
    i64 amount = at(k, AMOUNT_MICROS, bin_row(k, amounts, at(k, COST_ATTRIBUTE, (u32)table)));
    return amount < 0 ? UNKNOWN : amount;
}

/* Cost of a rung's incentive for this cart in micros, or UNKNOWN. */
static i64 incentive_of(const struct kernel *k, const struct cart *cart, u32 rung) {
    i64 base = subtotal(k, cart, (u32)rung_at(k, RUNG_OFFER, rung));
    i64 extra = table_cost(k, rung_at(k, RUNG_COST, rung)), limits = rung_at(k, RUNG_LIMITS, rung);
    if (base == UNKNOWN || extra == UNKNOWN) return UNKNOWN;
    i64 minor = base == cart->value ? cart->value_minor : floor_div(base, k->head[HEAD_MINOR]);
    i64 rate = rung_at(k, RUNG_RATE_PPM, rung);
    i64 cost = rung_at(k, RUNG_FIXED, rung) + extra;
    if (rate) cost += share_of_minor(k, minor, rate, k->head[HEAD_ROUNDING]);
    if (limits & MOST) cost = least(cost, rung_at(k, RUNG_MOST, rung));
    return limits & WITHIN_BASE ? least(cost, base) : cost;
}

/* The most this rung may cost in micros, or UNKNOWN. */
static i64 ceiling_of(const struct kernel *k, const struct cart *cart, u32 rung) {
    i64 limits = rung_at(k, RUNG_LIMITS, rung), ceiling = NO_CEILING;
    if (limits & CEILING) ceiling = rung_at(k, RUNG_CEILING, rung);
    if (!(limits & CEILING_PPM)) return ceiling;
    if (cart->value == UNKNOWN) return UNKNOWN;
    i64 ppm = rung_at(k, RUNG_CEILING_PPM, rung);
    return least(ceiling, share_of_minor(k, cart->value_minor, ppm, DOWN));
}

/* The margin in micros that must be left while this rung is on the page. */
static i64 floor_of(const struct kernel *k, const struct cart *cart, u32 rung) {
    i64 limits = rung_at(k, RUNG_LIMITS, rung), floor = NO_FLOOR;
    if (limits & FLOOR) floor = rung_at(k, RUNG_FLOOR, rung);
    if (!(limits & FLOOR_PPM)) return floor;
    if (cart->value == UNKNOWN) return UNKNOWN_FLOOR;
    i64 ppm = rung_at(k, RUNG_FLOOR_PPM, rung);
    return most(floor, share_of_minor(k, cart->value_minor, ppm, HALF_UP));
}

/* Whether the margin that is left covers the arm's own floor and those of the page. */
static int floor_holds(const struct cart *cart, const struct page *page, i64 incentive,
                       i64 own_floor) {
    i64 floor = most(own_floor, page->floor);
    if (floor == NO_FLOOR) return 1;
    if (floor == UNKNOWN_FLOOR || cart->margin == UNKNOWN || page->cost_unknown) return 0;
    return cart->margin - incentive - page->micros >= floor;
}

#endif
