/* What was taken on this page already, and what that excludes (edge/decision/arbitration.py). */
#ifndef PROFFER_PAGE_H
#define PROFFER_PAGE_H

#include "guardrails.h"

static void begin_page(struct page *page) {
    page->micros = 0;
    page->floor = NO_FLOOR;
    page->count = 0;
    page->unknown = page->blocked = page->cost_unknown = 0;
}

static void take_unknown(struct page *page) {
    struct taken taken = {~0u, ~0u, 0};
    page->taken[page->count++] = taken;
    page->unknown = page->cost_unknown = 1;
}

/* Puts an arm on the page, with its cost and its floor for this cart. */
static void take(const struct kernel *k, struct page *page, const struct cart *cart, u32 arm) {
    if (!arm) return;
    u32 offer = (u32)rung_at(k, RUNG_OFFER, arm - 1);
    struct taken taken = {arm, offer, (u32)offer_at(k, OFFER_GROUP, offer)};
    i64 incentive = incentive_of(k, cart, arm - 1);
    page->taken[page->count++] = taken;
    page->floor = most(page->floor, floor_of(k, cart, arm - 1));
    if (!(offer_at(k, OFFER_FLAGS, offer) & STACKABLE)) page->blocked = 1;
    if (incentive == UNKNOWN) page->cost_unknown = 1;
    else if (!page->cost_unknown) page->micros += incentive;
}

/* What earlier calls of this page view took. */
static void take_earlier(const struct kernel *k, struct page *page, const struct cart *cart,
                         const struct request *r) {
    begin_page(page);
    for (u32 i = 0; i < r->taken_count; i++) {
        u32 arm = load32(r->taken + i * TAKEN_BYTES + 4);
        if (arm > k->rows[TABLE_RUNG]) take_unknown(page);
        else take(k, page, cart, arm);
    }
}

static int excludes(const struct kernel *k, const struct page *page, u32 offer) {
    if (!page->count) return 0;
    if (page->unknown || page->blocked || !(offer_at(k, OFFER_FLAGS, offer) & STACKABLE)) return 1;
    u32 group = (u32)offer_at(k, OFFER_GROUP, offer);
    for (u32 i = 0; i < page->count; i++) {
        const struct taken *taken = &page->taken[i];
        if (taken->offer == offer || (group && taken->group == group)) return 1;
    }
    return 0;
}

static int pages_are_equal(const struct page *a, const struct page *b) {
    if (a->count != b->count) return 0;
    for (u32 i = 0; i < a->count; i++)
        if (a->taken[i].arm != b->taken[i].arm) return 0;
    return 1;
}

#endif
