/* One call of decide: what its slots share, and which arms may be shown (edge/decision/visit.py
 * and candidacy.py).
 *
 * What speaks against an arm is looked at in the order of what it depends on: once per call
 * (window, age, pauses, identity, cost, ceiling), which leaves the *live* arms; once per
 * placement (place, caps, score), which leaves those `here`; and per slot and track (what is
 * on the page), in choosing.h.  No order changes which arms are left. */
#ifndef PROFFER_VISIT_H
#define PROFFER_VISIT_H

#include "page.h"
#include "scoring.h"
#include "sha256.h"

struct visit {
    struct kernel *k;
    struct request request;
    struct manifest manifest;
    struct cart cart;
    u32 has_state, flags;
    u32 placement; /* the one at hand, and of it: */
    u32 held_out, epoch, slot, ready;
    i64 everywhere; /* whether in the global control group; -1: not asked yet */
    u32 live_ready;
};

/* --- once per call ----------------------------------------------------------------------- */

static void find_multipliers(const struct visit *v) {
    const struct manifest *m = &v->manifest;
    for (u32 i = 0; i < v->k->rows[TABLE_BUDGET]; i++) {
        u32 key = row_at(v->k, BUDGET_KEY, i);
        const u8 *found = find_key(m->multipliers, m->multiplier_count, 8, key);
        v->k->multipliers[i] = found ? load32(found + 4) : 0;
    }
}

static int offer_is_live(const struct visit *v, u32 offer) {
    const struct kernel *k = v->k;
    const struct manifest *m = &v->manifest;
    i64 now_s = v->request.now_s;
    if (now_s < offer_at(k, OFFER_FROM_S, offer) || now_s >= offer_at(k, OFFER_UNTIL_S, offer)) return 0;
    if (m->issued_s < now_s - offer_at(k, OFFER_MAX_AGE_S, offer)) return 0;
    if (m->offer_count && find_key(m->offers, m->offer_count, 4, (u32)offer_at(k, OFFER_KEY, offer)))
        return 0;
    i64 flags = offer_at(k, OFFER_FLAGS, offer);
    if (v->request.consent != CONTEXTUAL || flags & WITHOUT_IDENTITY) return 1;
    struct run limits = offer_run(k, OFFER_LIMIT, offer);
    return limits.first == limits.last && !(flags & TOKEN);
}

static void add_live(const struct visit *v, u32 offer, u32 rung) {
    struct kernel *k = v->k;
    const struct manifest *m = &v->manifest;
    if (m->rung_count && find_key(m->rungs, m->rung_count, 4, (u32)rung_at(k, RUNG_KEY, rung))) return;
    i64 incentive = incentive_of(k, &v->cart, rung), ceiling = ceiling_of(k, &v->cart, rung);
    if (incentive == UNKNOWN || ceiling == UNKNOWN || incentive > ceiling) return;
    struct live live = {incentive, floor_of(k, &v->cart, rung), 0, rung + 1, offer, 0};
    k->live[k->live_count++] = live;
}

static void add_offer(const struct visit *v, u32 offer) {
    if (!offer_is_live(v, offer)) return;
    struct run rungs = offer_run(v->k, OFFER_RUNG, offer);
    for (u32 rung = rungs.first; rung < rungs.last; rung++) add_live(v, offer, rung);
}

/* Walks the clauses that hold; those of an offer are neighbours. */
static void find_live(struct visit *v) {
    struct kernel *k = v->k;
    u32 before = ~0u;
    find_holding(k);
    find_multipliers(v);
    k->live_count = 0;
    for (u32 i = 0; i < k->words; i++)
        for (u64 bits = k->holding[i]; bits; bits &= bits - 1) {
            u32 offer = k->offer_of_clause[i * 64 + (u32)__builtin_ctzll(bits)];
            if (offer != before) add_offer(v, offer);
            before = offer;
        }
    v->live_ready = 1;
}

/* --- once per placement ------------------------------------------------------------------ */

static int is_offered_here(const struct visit *v, u32 offer) {
    struct run places = offer_run(v->k, OFFER_PLACE, offer);
    for (u32 i = places.first; i < places.last; i++)
        if (row_at(v->k, PLACE_PLACEMENT, i) == v->placement) return 1;
    return 0;
}

/* How often this cap was used in its window now. */
static u64 cap_used(const struct visit *v, u32 cap) {
    u32 key = row_at(v->k, CAP_KEY, cap), period = row_at(v->k, CAP_PERIOD_S, cap);
    u32 window = period ? v->request.now_s / period : 0;
    u64 used = 0;
    for (u32 i = 0; i < v->request.cap_count; i++) {
        const u8 *entry = v->request.caps + i * CAP_BYTES;
        if (load32(entry) == key && load32(entry + 4) == window) used += load32(entry + 8);
    }
    return used;
}

static int caps_allow(const struct visit *v, u32 offer) {
    const struct kernel *k = v->k;
    struct run limits = offer_run(k, OFFER_LIMIT, offer);
    for (u32 i = limits.first; i < limits.last; i++) {
        u32 cap = row_at(k, LIMIT_CAP, i);
        i64 placement = at(k, CAP_PLACEMENT, cap);
        if (placement >= 0 && placement != v->placement) continue;
        int sure = v->has_state && !(v->request.flags & HAS_DROPPED);
        if (at(k, CAP_STRICT, cap) && !sure) return 0;
        if (v->has_state && cap_used(v, cap) >= row_at(k, CAP_COUNT, cap)) return 0;
    }
    return 1;
}

/* Whether exploring an arm may lose so much. */
static void leave_out_losers(struct kernel *k, i64 least_score) {
    for (u32 i = 0; i < k->live_count; i++) k->live[i].here &= k->live[i].worth >= least_score;
}

static void find_here(struct visit *v) {
    struct kernel *k = v->k;
    i64 policy = at(k, PLACEMENT_POLICY, v->placement);
    u32 before = ~0u, here = 0;
    if (!v->live_ready) find_live(v);
    for (u32 i = 0; i < k->live_count; i++) {
        struct live *live = &k->live[i];
        if (live->offer != before) {
            before = live->offer;
            here = is_offered_here(v, before) && caps_allow(v, before);
        }
        live->here = here;
        live->worth = 0;
    }
    find_scores(k, &v->cart, at(k, PLACEMENT_MODEL, v->placement));
    if (policy == EPSILON || policy == INVERSE_GAP)
        leave_out_losers(k, -at(k, PLACEMENT_LOSS, v->placement));
    v->ready = 1;
}

/* --- words of chance --------------------------------------------------------------------- */

static const struct text *unit_of(const struct visit *v, i64 kind) {
    const struct request *r = &v->request;
    if (r->consent == CONTEXTUAL) return &r->nonce;
    return kind == CUSTOMER ? &r->customer : &r->visitor;
}

static void add_part(struct sha256 *hash, const struct text *part) {
    word_part(hash, part->data, part->size);
}

static void add_text(const struct visit *v, struct sha256 *hash, u32 row) {
    struct text text = text_at(v->k, row);
    add_part(hash, &text);
}

static void begin_word(struct sha256 *hash, const char *purpose, u32 size) {
    sha256_begin(hash);
    sha256_add(hash, (const u8 *)purpose, size);
}

/* Begins the word of a purpose for this slot: place, salt and unit. */
static void slot_word(const struct visit *v, struct sha256 *hash, const char *purpose, u32 size) {
    const struct kernel *k = v->k;
    begin_word(hash, purpose, size);
    add_text(v, hash, row_at(k, PLACEMENT_NAME, v->placement));
    word_number(hash, v->slot, '/');
    add_text(v, hash, row_at(k, PLACEMENT_SALT, v->placement));
    add_part(hash, unit_of(v, at(k, PLACEMENT_UNIT, v->placement)));
}

/* Index of the epoch that a choice is kept for. */
static u32 epoch_of(const struct visit *v) {
    struct sha256 hash;
    u64 period = row_at(v->k, PLACEMENT_EPOCH_S, v->placement);
    slot_word(v, &hash, "epoch", 5);
    return (u32)((v->request.now_s + word_end(&hash) % period) / period);
}

/* This unit's ticket here in this epoch; without state, in this very call. */
static u32 draw_ticket(const struct visit *v, u32 redraw) {
    struct sha256 hash;
    slot_word(v, &hash, "choose", 6);
    word_number(&hash, v->epoch, 0x1f);
    if (v->has_state) word_number(&hash, redraw, 0x1f);
    else add_part(&hash, &v->request.nonce);
    return word_end(&hash) >> 12;
}

/* Whether a unit belongs to a share; key and salt are rows of texts. */
static int in_share(const struct visit *v, i64 share, const char *purpose, u32 size, u32 key,
                    u32 salt, const struct text *unit) {
    struct sha256 hash;
    if (!share) return 0;
    begin_word(&hash, purpose, size);
    add_text(v, &hash, key);
    add_text(v, &hash, salt);
    add_part(&hash, unit);
    return word_end(&hash) >> 12 < share;
}

static int is_everywhere_held_out(const struct visit *v) {
    const i64 *head = v->k->head;
    const struct text *unit = unit_of(v, head[HEAD_GLOBAL_UNIT]);
    return unit->size && in_share(v, head[HEAD_GLOBAL_SHARE], "global", 6, (u32)head[HEAD_TENANT],
                                  (u32)head[HEAD_GLOBAL_SALT], unit);
}

/* Which holdouts this unit is in; page sessions are in none. */
static u32 holdout_flags(struct visit *v) {
    const struct kernel *k = v->k;
    u32 p = v->placement;
    if (v->request.consent == CONTEXTUAL) return 0;
    if (v->everywhere < 0) v->everywhere = is_everywhere_held_out(v);
    int here = in_share(v, at(k, PLACEMENT_SHARE, p), "holdout", 7, row_at(k, PLACEMENT_NAME, p),
                        row_at(k, PLACEMENT_SHARE_SALT, p),
                        unit_of(v, at(k, PLACEMENT_SHARE_UNIT, p)));
    return (v->everywhere ? FLAG_GLOBAL_HOLDOUT : 0) | (here ? FLAG_HOLDOUT : 0);
}

#endif
