"""Learning from a synthetic shop whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from control_plane.learning.evidence import Listed, evidence_of
from control_plane.learning.shares import TOTAL, Wanted, luce_weights, whole, with_floor
from control_plane.learning.thompson import (
    FLOOR,
    LEAST_ORDERS,
    Arm,
    Learned,
    Segment,
    fit_of,
    largest_move,
    learn,
    posterior_of,
)
from control_plane.outcomes import NONE, LearningRow

ARMS: tuple[str, ...] = (NONE, "welcome/p10", "welcome/p15", "gift/set")
EVEN: dict[str, int] = dict.fromkeys(ARMS, 100)
T = 1 << 20
MARGIN_MICROS = 25_000_000


def tickets(weights: Mapping[str, int], arms: tuple[str, ...] = ARMS) -> Listed:
    """What the edge makes of an allocation's weights; the last arm takes the rest."""
    total = sum(weights[arm] for arm in arms)
    shares = [T * weights[arm] // total for arm in arms]
    shares[-1] += T - sum(shares)
    return tuple(zip(arms, shares, strict=True))


class Shop:
    """Visitors who buy with a known probability per arm; an order costs its incentive."""

    def __init__(
        self,
        seed: int,
        buys: Mapping[str, float],
        costs_micros: Mapping[str, int] | None = None,
        segment: str = "new",
    ) -> None:
        self.chance = np.random.default_rng(seed)
        self.buys = buys
        self.costs_micros = costs_micros or {}
        self.segment = segment
        self.visitors = 0
        self.looks: list[Learned] = []

    def batch(self, rows: int, listed: Listed) -> list[LearningRow]:
        shares = np.array([share for _, share in listed]) / T
        drawn = self.chance.choice(len(listed), size=rows, p=shares)
        return [self.visit(listed[number][0], listed) for number in drawn]

    def visit(self, arm: str, listed: Listed) -> LearningRow:
        self.visitors += 1
        ordered = bool(self.chance.random() < self.buys[arm])
        margin = int(MARGIN_MICROS * self.chance.lognormal(-0.08, 0.4))
        return LearningRow(
            decision=f"{self.visitors:032x}",
            bundle="",
            placement="hero",
            slot=0,
            segment=self.segment,
            unit=f"v:{self.visitors}",
            time_s=1_790_000_000 + self.visitors,
            arm=arm,
            tickets=dict(listed)[arm],
            listed=listed,
            profit_micros=(margin - self.costs_micros.get(arm, 0)) * ordered,
            orders=int(ordered),
        )

    def run(self, batches: int, rows: int) -> tuple[Learned, list[LearningRow]]:
        """Learn after each batch and draw the next one with what was learned."""
        weights: Mapping[str, int] = EVEN
        outcomes: list[LearningRow] = []
        learned = learn("hero", {self.segment: EVEN}, [])
        for _ in range(batches):
            outcomes += self.batch(rows, tickets(weights))
            learned = learn("hero", {self.segment: EVEN}, outcomes)
            weights = learned.allocation.get(self.segment, EVEN)
            self.looks.append(learned)
        return learned, outcomes


def only(learned: Learned) -> Segment:
    (segment,) = learned.segments
    return segment


def arm_of(learned: Learned, name: str) -> Arm:
    return next(arm for arm in only(learned).arms if arm.arm == name)


def shares(learned: Learned) -> dict[str, float]:
    return {arm.arm: arm.share / TOTAL for arm in only(learned).arms}


BETTER = {NONE: 0.08, "welcome/p10": 0.20, "welcome/p15": 0.09, "gift/set": 0.08}
ALIKE: dict[str, float] = dict.fromkeys(ARMS, 0.10)
COSTS = {"welcome/p10": 5_800_000, "welcome/p15": 8_700_000, "gift/set": 6_000_000}


# --- what is learned ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_allocation_moves_to_the_better_arm(seed):
    learned, _ = Shop(seed, BETTER).run(batches=10, rows=200)
    assert max(shares(learned), key=shares(learned).__getitem__) == "welcome/p10"
    assert shares(learned)["welcome/p10"] > 0.7


def test_what_costs_more_than_it_brings_loses_to_none():
    worse = {NONE: 0.15, "welcome/p10": 0.16, "welcome/p15": 0.17, "gift/set": 0.15}
    learned, _ = Shop(3, worse, dict.fromkeys(ARMS[1:], 20_000_000)).run(batches=12, rows=300)
    assert shares(learned)[NONE] > 0.8


@pytest.mark.parametrize(("costs", "misled"), [({}, 1), (COSTS, 0)], ids=["free", "costly"])
def test_where_no_arm_helps_none_keeps_its_share_at_every_look(costs, misled):
    """Free offers that change nothing are the hardest case; `FALSE_PROOFS` of shops may err."""
    lost = 0
    for seed in range(20):
        shop = Shop(seed, ALIKE, costs)
        shop.run(12, 100)
        least = min(shares(learned)[NONE] for learned in shop.looks if only(learned).learned)
        lost += least < 1 / len(ARMS) - 1e-3
    assert lost <= misled


def test_an_arm_that_is_not_proven_never_rises():
    """Whatever chance says of it; here one seems to be the best by luck."""
    shop = Shop(3, ALIKE)
    shop.run(12, 100)
    found = [only(learned) for learned in shop.looks if only(learned).learned]
    arms = [arm for segment in found for arm in segment.arms if arm.arm != NONE]
    assert not any(arm.proven for arm in arms)
    assert max(arm.share / TOTAL for arm in arms) <= 1 / len(ARMS) + 1e-3
    assert max(arm.best for arm in arms) > 0.7


def test_each_segment_learns_by_itself():
    other = {**ALIKE, "gift/set": 0.3}
    outcomes = Shop(1, BETTER).batch(1500, tickets(EVEN))
    outcomes += Shop(2, other, segment="member").batch(1500, tickets(EVEN))
    learned = learn("hero", {"new": EVEN, "member": EVEN}, outcomes)
    best = {s: max(row, key=row.__getitem__) for s, row in learned.allocation.items()}
    assert best == {"new": "welcome/p10", "member": "gift/set"}


def test_a_good_hour_of_the_shop_is_no_effect_of_its_favourite_arm():
    """Everybody buys more while the gift has most of the traffic; the gift does nothing."""
    quiet = dict.fromkeys(ARMS, 0.05)
    rush = dict.fromkeys(ARMS, 0.30)
    outcomes = Shop(4, quiet).batch(2000, tickets(EVEN))
    outcomes += Shop(5, rush).batch(2000, tickets({**EVEN, "gift/set": 2000}))
    gift = arm_of(learn("hero", {"new": EVEN}, outcomes), "gift/set")
    assert gift.mean_micros > 6_000_000
    assert gift.effect_low_micros < 0 < gift.effect_high_micros


def test_visitors_who_qualify_for_less_do_not_bend_the_comparison():
    """The gift goes only to those who hardly buy; there it is the best one."""
    poor = (NONE, "gift/set")
    rich = (NONE, "welcome/p10", "welcome/p15")
    outcomes = Shop(6, {NONE: 0.3, "welcome/p10": 0.3, "welcome/p15": 0.3}).batch(
        3000, tickets(EVEN, rich)
    )
    outcomes += Shop(7, {NONE: 0.01, "gift/set": 0.1}).batch(3000, tickets(EVEN, poor))
    learned = learn("hero", {"new": EVEN}, outcomes)
    weights = learned.allocation["new"]
    assert weights["gift/set"] / (weights["gift/set"] + weights[NONE]) > 0.9


# --- what may be learned from -------------------------------------------------


def test_kept_and_held_out_rows_change_nothing():
    fresh = Shop(8, BETTER).batch(1000, tickets(EVEN))
    rich = {"arm": "gift/set", "profit_micros": 10**9, "orders": 1}
    kept = [replace(row, tickets=0, listed=(), **rich) for row in fresh[:400]]
    ghosts = [replace(row, tickets=0, **rich) for row in fresh[:300]]
    before, after = (only(learn("hero", {"new": EVEN}, x)) for x in (fresh, fresh + kept + ghosts))
    assert after.arms == before.arms
    assert (before.left_out, after.left_out) == (0, 700)


def test_rows_of_other_placements_change_nothing():
    hero = Shop(8, BETTER).batch(500, tickets(EVEN))
    banner = [replace(row, placement="banner", profit_micros=10**9) for row in hero]
    assert learn("hero", {"new": EVEN}, hero + banner) == learn("hero", {"new": EVEN}, hero)


def test_rows_of_arms_that_the_catalog_no_longer_has_are_left_out():
    fresh = Shop(9, BETTER).batch(800, tickets(EVEN))
    fewer: dict[str, int] = dict.fromkeys(ARMS[:3], 100)
    segment = only(learn("hero", {"new": fewer}, fresh))
    assert [arm.arm for arm in segment.arms] == list(ARMS[:3])
    assert segment.left_out == sum(row.arm == "gift/set" for row in fresh)


def test_draws_that_could_not_come_out_otherwise_tell_nothing():
    certain = Shop(1, BETTER).batch(50, ((NONE, 0), ("welcome/p10", T)))
    assert evidence_of(certain, ARMS)[0].rows == 0


def test_nothing_is_learned_from_a_handful_of_orders():
    row = Shop(1, dict.fromkeys(ARMS, 1.0)).batch(LEAST_ORDERS, tickets(EVEN))
    few, enough = (only(learn("hero", {"new": EVEN}, rows)) for rows in (row[1:], row))
    assert not few.learned and few.arms == ()
    assert enough.learned


def test_the_rest_takes_the_segments_that_nobody_named_and_no_others():
    outcomes = Shop(1, BETTER, segment="new").batch(500, tickets(EVEN))
    outcomes += Shop(2, BETTER, segment="unheard of").batch(300, tickets(EVEN))
    learned = learn("hero", {"new": EVEN, "*": EVEN}, outcomes)
    assert [(s.segment, s.rows) for s in learned.segments] == [("new", 500), ("*", 300)]
    assert only(learn("hero", {"new": EVEN}, outcomes)).rows == 500


# --- how sure it is -----------------------------------------------------------


def test_the_interval_of_an_effect_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(60):
        outcomes = Shop(100 + seed, BETTER).batch(1500, tickets(EVEN))
        arm = arm_of(learn("hero", {"new": EVEN}, outcomes), "welcome/p10")
        truth = (BETTER["welcome/p10"] - BETTER[NONE]) * MARGIN_MICROS
        held += arm.effect_low_micros <= truth <= arm.effect_high_micros
    assert held >= 52


def test_rows_of_one_unit_count_as_what_they_are():
    """The same visitors, told five times, make nothing more certain."""
    once = Shop(11, BETTER).batch(600, tickets(EVEN))
    alone, again = (
        posterior_of(fit_of(evidence_of(rows, ARMS)[0])).covariance.diagonal()
        for rows in (once, once * 5)
    )
    assert np.all(again > 0.9 * alone)


def test_means_and_their_intervals_are_those_of_the_rows():
    outcomes = Shop(12, BETTER).batch(1000, tickets(EVEN))
    for arm in only(learn("hero", {"new": EVEN}, outcomes)).arms:
        profits = [row.profit_micros for row in outcomes if row.arm == arm.arm]
        assert arm.rows == len(profits)
        assert arm.mean_micros == pytest.approx(np.mean(profits), abs=2)
        error = np.std(profits, ddof=1) / np.sqrt(len(profits))
        assert arm.standard_error_micros == pytest.approx(error, rel=1e-3)


# --- weights ------------------------------------------------------------------


def test_equal_rows_give_equal_weights_in_whatever_order_they_come():
    outcomes = Shop(13, BETTER).batch(1000, tickets(EVEN))
    assert learn("hero", {"new": EVEN}, outcomes) == learn("hero", {"new": EVEN}, outcomes[::-1])


def test_another_seed_is_another_draw_from_the_same_posterior():
    outcomes = Shop(14, BETTER).batch(300, tickets(EVEN))
    one, two = (learn("hero", {"new": EVEN}, outcomes, seed=seed) for seed in (1, 2))
    assert one.seed == 1
    assert one.allocation != two.allocation
    assert largest_move(one.allocation["new"], two.allocation["new"]) < 0.02


def test_every_arm_keeps_its_floor_and_the_weights_sum_exactly():
    learned, _ = Shop(15, {**BETTER, "welcome/p10": 0.5}).run(batches=5, rows=400)
    weights = learned.allocation["new"]
    assert sum(weights.values()) == TOTAL == 1 << 20
    assert min(weights.values()) >= int(FLOOR * TOTAL) - 1
    assert weights["welcome/p10"] > 0.9 * TOTAL


def test_a_floor_above_an_even_share_is_an_even_share():
    learned = learn("hero", {"new": EVEN}, Shop(16, BETTER).batch(500, tickets(EVEN)), floor=1.0)
    assert max(learned.allocation["new"].values()) - min(learned.allocation["new"].values()) <= 1


@pytest.mark.parametrize("floor", [0.0, -0.1, 1.5, float("nan")])
def test_a_floor_that_is_no_share_is_refused(floor):
    with pytest.raises(ValueError, match="floor"):
        learn("hero", {"new": EVEN}, [], floor=floor)


def test_a_segment_that_offers_nothing_gives_all_to_none():
    rows = Shop(17, BETTER).batch(2000, tickets(EVEN))
    assert only(learn("hero", {"new": {NONE: 5}}, rows)).rows == sum(r.arm == NONE for r in rows)
    assert learn("hero", {"new": {NONE: 5}}, rows).allocation == {"new": {NONE: TOTAL}}


def test_an_arm_without_rows_gets_traffic_to_be_found_out_about():
    seen = (NONE, "welcome/p10", "welcome/p15")
    learned = learn("hero", {"new": EVEN}, Shop(18, BETTER).batch(800, tickets(EVEN, seen)))
    assert learned.allocation["new"]["gift/set"] >= FLOOR * TOTAL - 1


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=31))
def test_whole_weights_sum_to_the_total_and_none_is_zero(weights):
    numbers = whole(np.array(weights))
    assert sum(numbers) == TOTAL
    assert min(numbers) >= 1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0.001, 1))
def test_floored_shares_sum_to_one_above_the_floor(raw, floor):
    best = (np.array(raw) + 1e-9) / (np.array(raw) + 1e-9).sum()
    floored = with_floor(best, floor)
    assert floored.sum() == pytest.approx(1)
    assert floored.min() >= min(floor, 1 / len(raw)) - 1e-12


@given(st.data())
def test_over_all_candidate_sets_each_arm_gets_the_traffic_that_was_wanted(data):
    wanted = []
    for arms in [(0, 1, 2, 3), (0, 1), (0, 2, 3)]:
        size = len(arms)
        raw = np.array(data.draw(st.lists(st.floats(0.02, 1), min_size=size, max_size=size)))
        traffic = data.draw(st.floats(1, 1000))
        wanted.append(Wanted(arms=arms, traffic=traffic, shares=raw / raw.sum()))
    weights = luce_weights(4, wanted)
    got, sought = np.zeros(4), np.zeros(4)
    for each in wanted:
        members = list(each.arms)
        got[members] += each.traffic * weights[members] / weights[members].sum()
        sought[members] += each.traffic * each.shares
    assert got == pytest.approx(sought, rel=1e-3)


def test_a_move_is_the_largest_change_of_a_share():
    assert largest_move({NONE: 1, "a": 1}, {NONE: 300, "a": 100}) == 0.25
    assert largest_move({}, {NONE: 5}) == 1.0
    assert largest_move({NONE: 3}, {NONE: 9}) == 0.0
