/* From candidates to an arm: the best 31, their exact shares of T, and the draw
 * (edge/decision/choosing.py, and `choose` of decide.py). */
#ifndef PROFFER_CHOOSING_H
#define PROFFER_CHOOSING_H

#include "visit.h"

#define T (1LL << 20)

struct scored {
    u32 arm;
    i32 score;
};

/* None and the best candidates, ascending by arm, with their tickets. */
struct choice {
    u32 count;
    struct scored arms[BEST_LIMIT + 1];
    i64 shares[BEST_LIMIT + 1];
};

/* What became of a slot on one track. */
struct outcome {
    u32 arm, tickets, draw, reason, listed, candidates;
    u32 redraw;
    const u8 *drawn_by; /* 0: nobody */
    struct choice choice;
};

enum { DEFAULT, FRESH, KEPT };

/* Puts a candidate among the best, which descend by score from arms[1] on.  Arms come in
 * ascending order, so that one stays behind those of equal score. */
static void rank(struct choice *choice, u32 arm, i32 score) {
    u32 i = choice->count;
    if (i > BEST_LIMIT) {
        if (score <= choice->arms[BEST_LIMIT].score) return;
        i = BEST_LIMIT;
    } else choice->count++;
    for (; i > 1 && choice->arms[i - 1].score < score; i--) choice->arms[i] = choice->arms[i - 1];
    choice->arms[i].arm = arm;
    choice->arms[i].score = score;
}

static void by_arm(struct choice *choice) {
    for (u32 i = 2; i < choice->count; i++) {
        struct scored one = choice->arms[i];
        u32 j = i;
        for (; choice->arms[j - 1].arm > one.arm; j--) choice->arms[j] = choice->arms[j - 1];
        choice->arms[j] = one;
    }
}

/* Ranks all arms that may be shown here on this page; returns how many, and whether `kept`
 * is one of them. */
static u32 rank_candidates(const struct visit *v, const struct page *page, i64 kept, int *is_kept,
                           struct choice *choice) {
    const struct kernel *k = v->k;
    u32 candidates = 0, offer = ~0u, excluded = 0;
    choice->count = 1;
    choice->arms[0].arm = 0;
    choice->arms[0].score = 0;
    for (u32 i = 0; i < k->live_count; i++) {
        const struct live *live = &k->live[i];
        if (!live->here) continue;
        if (live->offer != offer) excluded = (u32)excludes(k, page, offer = live->offer);
        if (excluded || !floor_holds(&v->cart, page, live->incentive, live->floor)) continue;
        candidates++;
        *is_kept |= live->arm == kept;
        rank(choice, live->arm, (i32)live->worth);
    }
    by_arm(choice);
    return candidates;
}

/* --- shares ------------------------------------------------------------------------------ */

/* Gives the best what the others leave of T. */
static void rest_to(struct choice *choice, u32 best) {
    i64 rest = T;
    for (u32 i = 0; i < choice->count; i++)
        if (i != best) rest -= choice->shares[i];
    choice->shares[best] = rest;
}

static void share_by_score(const struct visit *v, struct choice *choice) {
    const struct kernel *k = v->k;
    i64 policy = at(k, PLACEMENT_POLICY, v->placement), count = choice->count;
    i64 param = at(k, PLACEMENT_PARAM, v->placement);
    i64 floor = least(at(k, PLACEMENT_FLOOR, v->placement), T / count);
    u32 best = 0;
    for (u32 i = 1; i < count; i++)
        if (choice->arms[i].score > choice->arms[best].score) best = i;
    for (u32 i = 0; i < count; i++) {
        i64 gap = (i64)choice->arms[best].score - choice->arms[i].score, share = 0;
        if (policy == EPSILON) share = most(floor, param / count);
        if (policy == INVERSE_GAP)
            share = most(floor, (T << 24) / ((count << 24) + param * gap));
        choice->shares[i] = share;
    }
    rest_to(choice, best);
}

/* The weights of these arms in this situation's segment; 0 for arms it does not name. */
static i64 find_weights(const struct visit *v, struct choice *choice) {
    const struct kernel *k = v->k;
    u32 row = row_at(k, PLACEMENT_ALLOCATION, v->placement), segment = 0;
    i64 attribute = at(k, ALLOCATION_ATTRIBUTE, row), total = 0;
    struct run arms = run_at(k, ALLOCATION_ARM, row), bins = run_at(k, ALLOCATION_BIN, row);
    if (attribute >= 0) segment = row_at(k, ALLOCBIN_ROW, bin_row(k, bins, attribute));
    u32 shares = row_at(k, ALLOCATION_SHARE, row) + segment * (arms.last - arms.first);
    for (u32 i = 0; i < choice->count; i++) {
        u32 found = find(k, ALLOCARM_ARM, arms, choice->arms[i].arm);
        i64 weight = found < arms.last ? at(k, SHARE_WEIGHT, shares + found - arms.first) : 0;
        choice->shares[i] = weight;
        total += weight;
    }
    return total;
}

static void share_by_weight(const struct visit *v, struct choice *choice) {
    i64 total = find_weights(v, choice);
    u32 heaviest = 0;
    for (u32 i = 1; i < choice->count; i++)
        if (choice->shares[i] > choice->shares[heaviest]) heaviest = i;
    for (u32 i = 0; i < choice->count; i++)
        if (total) choice->shares[i] = T * choice->shares[i] / total;
    rest_to(choice, heaviest);
}

/* The arm whose run of tickets holds this one. */
static u32 draw(const struct choice *choice, i64 ticket) {
    u32 i = 0;
    while (i + 1 < choice->count && ticket >= choice->shares[i]) ticket -= choice->shares[i++];
    return i;
}

static u32 reason_of(const struct choice *choice, u32 drawn) {
    if (!drawn) return REASON_NONE_WON;
    for (u32 i = 0; i < choice->count; i++)
        if (choice->shares[i] > choice->shares[drawn]) return REASON_EXPLORED;
    return REASON_BEST;
}

/* --- the choice on one track --------------------------------------------------------------- */

static void set_outcome(struct outcome *o, u32 reason) {
    o->arm = o->tickets = o->listed = o->candidates = o->redraw = 0;
    o->draw = DEFAULT;
    o->reason = reason;
    o->drawn_by = 0;
}

/* The entry of the state that keeps a choice of this slot in the current epoch, or 0. */
static const u8 *kept_choice(const struct visit *v) {
    const struct request *r = &v->request;
    u32 key = row_at(v->k, PLACEMENT_KEY, v->placement);
    for (u32 i = 0; v->has_state && i < r->kept_count; i++) {
        const u8 *entry = r->kept + i * KEPT_BYTES;
        if (load32(entry) == key && load16(entry + 4) == v->slot && load32(entry + 8) == v->epoch)
            return entry;
    }
    return 0;
}

static void draw_fresh(const struct visit *v, struct outcome *o, const u8 *kept) {
    struct choice *choice = &o->choice;
    if (at(v->k, PLACEMENT_POLICY, v->placement) == ALLOCATION) share_by_weight(v, choice);
    else share_by_score(v, choice);
    u32 redraw = kept ? (u32)least(load16(kept + 6) + 1, 0xffff) : 0;
    u32 drawn = draw(choice, draw_ticket(v, redraw));
    o->arm = choice->arms[drawn].arm;
    o->tickets = (u32)choice->shares[drawn];
    o->draw = FRESH;
    o->reason = reason_of(choice, drawn);
    o->listed = choice->count;
    o->redraw = redraw;
}

static void choose(const struct visit *v, const struct page *page, struct outcome *o) {
    const u8 *kept = kept_choice(v);
    i64 arm = kept ? arm_of_key(v->k, load32(kept + 12)) : -1;
    int is_kept = arm == 0;
    u32 candidates = rank_candidates(v, page, arm, &is_kept, &o->choice);
    set_outcome(o, REASON_NO_CANDIDATE);
    o->candidates = candidates;
    if (is_kept) {
        o->arm = (u32)arm;
        o->draw = KEPT;
        o->reason = REASON_KEPT;
        o->redraw = load16(kept + 6);
        o->drawn_by = kept + 16;
    } else if (candidates) draw_fresh(v, o, kept);
}

static int tracks_are_equal(const struct outcome *a, const struct outcome *b) {
    if (a->arm != b->arm || a->tickets != b->tickets || a->draw != b->draw ||
        a->reason != b->reason || a->listed != b->listed || a->candidates != b->candidates)
        return 0;
    for (u32 i = 0; i < a->listed; i++)
        if (a->choice.arms[i].arm != b->choice.arms[i].arm ||
            a->choice.shares[i] != b->choice.shares[i])
            return 0;
    return 1;
}

#endif
