"""When a canary is rolled back: where it truly does harm, and hardly ever where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.measurement.sequence import Estimate, Side, Stratum, estimate
from control_plane.releasing.guardrails import (
    ALPHA,
    ORDERS_LEAST,
    UNITS_LEAST,
    Guard,
    MetricName,
    breached,
    compare,
)
from tests.control_plane.canary import GENEROUS, NOTHING, first_breach, side_of

HARM_SEEDS, EQUAL_SEEDS = range(4), range(4)
LOOKS = 60


def test_a_canary_that_truly_costs_is_rolled_back():
    """The synthetic store where offers make nobody buy, and the canary gives them to all."""
    found = [
        first_breach(GENEROUS, seed=seed, share=0.5, visitors=4000, looks=40) for seed in HARM_SEEDS
    ]
    assert sum(at is not None for at in found) >= 3, found
    assert all(at >= 2 * UNITS_LEAST for at in found if at is not None)


def test_a_canary_that_is_equal_is_not():
    found = [
        first_breach(NOTHING, seed=seed, share=0.3, visitors=1500, looks=30) for seed in EQUAL_SEEDS
    ]
    assert found == [None] * len(EQUAL_SEEDS)


def test_a_canary_that_earns_more_is_not_although_each_order_earns_less():
    found = first_breach(GENEROUS, seed=0, truth="helpful", share=0.5, visitors=1500, looks=20)
    assert found is None


def ever_breached(seed: int, lost: float, units: int = 6000) -> bool:
    """Order values have a heavy tail; a canary of a fifth makes people buy so much less often."""
    chance = np.random.default_rng(seed)
    is_new = chance.random(units) < 0.2
    buys = chance.random(units) < np.where(is_new, 0.08 * (1 - lost), 0.08)
    worth = np.where(buys, np.exp(chance.normal(3, 1, units)), 0.0)
    sides = {side: running_sides(worth, is_new == side) for side in (True, False)}
    looks = range(units // LOOKS - 1, units, units // LOOKS)
    return any(
        breached(compare(strata(sides[True][at], sides[False][at]), Guard())) for at in looks
    )


def running_sides(worth: np.ndarray, mine: np.ndarray) -> list[Side]:
    """The side as it is after each unit that came."""
    units, events = np.cumsum(mine), np.cumsum(mine & (worth != 0))
    total, squares = np.cumsum(worth * mine), np.cumsum(worth**2 * mine)
    columns = (each.tolist() for each in (units, events, total, squares))
    return [
        Side(units=n, events=k, total=x, squares=xx) for n, k, x, xx in zip(*columns, strict=True)
    ]


def test_of_hundreds_of_equal_canaries_looked_at_sixty_times_hardly_any_goes_back():
    wrong = sum(ever_breached(seed, 0.0) for seed in range(200))
    assert wrong <= 200 * ALPHA, wrong


def test_of_canaries_that_sell_two_thirds_less_most_go_back():
    right = sum(ever_breached(seed, 0.67) for seed in range(40))
    assert right >= 32, right


# --- the rule -----------------------------------------------------------------


def strata(new: Side, old: Side) -> dict[MetricName, list[Stratum]]:
    quiet = [Stratum(Side(units=new.units), Side(units=old.units))]
    return {"profit": [Stratum(new, old)], "withheld": quiet, "refused": quiet}


def test_nothing_is_told_before_the_least_sample():
    ruin = side_of([0.0] * (UNITS_LEAST - 1))
    rich = side_of([100.0] * ORDERS_LEAST + [0.0] * 900)
    assert {m.state for m in compare(strata(ruin, rich), Guard())} == {"too-early"}
    more = side_of([0.0] * UNITS_LEAST)
    (profit, *_) = compare(strata(more, rich), Guard())
    assert (profit.state, profit.metric) == ("breached", "profit")
    assert "per unit is 0 under the canary" in profit.told


def test_orders_of_both_sides_count_so_that_a_canary_that_sells_nothing_is_caught():
    nothing = side_of([0.0] * 400)
    some = side_of([50.0] * (ORDERS_LEAST - 1) + [0.0] * 300)
    assert compare(strata(nothing, some), Guard())[0].state == "too-early"
    enough = side_of([50.0] * ORDERS_LEAST + [0.0] * 300)
    assert compare(strata(nothing, enough), Guard())[0].state == "breached"


def test_what_is_tolerated_is_no_breach():
    worse, better = side_of([9.0, 10.0] * 500), side_of([10.0, 11.0] * 500)
    assert compare(strata(worse, better), Guard())[0].state == "breached"
    assert compare(strata(worse, better), Guard(profit=2.0))[0].state == "in-bounds"


@pytest.mark.parametrize("metric", ["withheld", "refused"])
def test_a_share_that_rises_is_a_breach_of_its_own(metric: MetricName):
    new, old = side_of([1.0] * 150 + [0.0] * 850), side_of([1.0] * 10 + [0.0] * 990)
    found = strata(side_of([1.0] * 1000), side_of([1.0] * 1000))
    found[metric] = [Stratum(new, old)]
    assert [m.metric for m in breached(compare(found, Guard()))] == [metric]
    found[metric] = [Stratum(old, new)]
    assert breached(compare(found, Guard())) == []


def test_steps_are_compared_within_themselves():
    """Early units had more time to buy.  Mixed together, the canary, most of whose units are
    late, would look like ruin."""
    early = Stratum(side_of([3.0, 4.0] * 50), side_of([3.0, 4.0] * 950))
    late = Stratum(side_of([0.0, 1.0] * 500), side_of([0.0, 1.0] * 500))
    found = estimate([early, late])
    assert found is not None and found.difference == 0
    mixed = estimate([Stratum(side_of([3.0, 4.0] * 50 + [0.0, 1.0] * 500),
                              side_of([3.0, 4.0] * 950 + [0.0, 1.0] * 500))])  # fmt: skip
    assert mixed is not None and mixed.upper(ALPHA) < 0


@given(st.floats(1, 1e6), st.floats(1e-6, 1e3))
def test_the_bound_is_wider_than_a_single_look_needs_and_shrinks(size: float, variance: float):
    one = Estimate(0.0, variance / size, size)
    assert one.margin(0.05) > 1.96 * (variance / size) ** 0.5
    four = Estimate(0.0, variance / (4 * size), 4 * size)
    assert four.margin(0.05) < one.margin(0.05)


def test_sides_that_are_each_alike_and_differ_tell_a_lot():
    everyone, nobody = side_of([1.0] * 300), side_of([0.0] * 300)
    found = estimate([Stratum(everyone, nobody)])
    assert found is not None and found.lower(0.01) > 0.5


def test_sides_that_are_all_alike_tell_nothing():
    same = side_of([1.0] * 500)
    assert estimate([Stratum(same, same)]) is None
    assert estimate([]) is None
    assert estimate([Stratum(Side(), same)]) is None
