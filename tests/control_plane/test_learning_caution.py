"""What may take weight from "none": the bet against it, and the shipped truths as judges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.learning.caution import (
    FALSE_PROOFS,
    Fit,
    cautious,
    evidence_values,
    is_proof,
    starting_shares,
)
from control_plane.learning.loop import allocations_of
from control_plane.outcomes import NONE
from control_plane.truth import read_truth
from edge.decision.bundle import Bundle
from policy_compiler.compiling import compile_catalog
from policy_compiler.weigh import Allocation
from tests.control_plane.synthetic import Synthetic
from tests.support.parts import ROOT

STORE = ROOT / "examples" / "store"
LOOKS, VISITORS = 12, 200
"""Two minutes of `proffer demo`: 20 visitors per second, a look every 10 seconds."""
BEST = {
    ("new", "welcome-first-order/p10"),
    ("returning", "free-delivery/standard"),
    ("member", "double-points/x2"),
}


@pytest.fixture(scope="module")
def store() -> tuple[Bundle, Allocation]:
    compiled = compile_catalog(STORE / "catalog")
    return compiled.bundle, allocations_of(compiled.plan.catalog)["home_hero"]


def opened(store: tuple[Bundle, Allocation], truth: str, seed: int) -> Synthetic:
    bundle, authored = store
    shop = Synthetic(bundle, read_truth(STORE / "truth" / f"{truth}.yaml").truth, authored, seed)
    shop.run(LOOKS, VISITORS)
    return shop


# --- the shipped truths -------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_where_the_truth_is_that_nothing_helps_nothing_but_none_rises(
    store: tuple[Bundle, Allocation], seed: int
):
    shop = opened(store, "null", seed)
    assert shop.proofs() == set()
    for segment in ("new", "returning", "member"):
        weights = shop.authored[segment]
        for look in range(LOOKS):
            for arm, weight in weights.items():
                start, share = weight / sum(weights.values()), shop.share(segment, arm, look)
                if arm == NONE:
                    assert share >= start - 1e-3
                elif segment != "returning":  # whose visitors do not all have the same arms
                    assert share <= start + 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_where_offers_help_the_right_ones_take_over_within_two_minutes(
    store: tuple[Bundle, Allocation], seed: int
):
    shop = opened(store, "helpful", seed)
    assert shop.proofs() <= BEST
    assert shop.share("new", "welcome-first-order/p10") > 0.5


# --- the bet ------------------------------------------------------------------


def fit(rows: float, effect: float, noise: float = 100.0, scale: float = 2.0) -> Fit:
    """One arm and none, `rows` each."""
    information = np.array([[rows / 2]])
    return Fit(information=information, surplus=information[0] * effect, noise=noise, scale=scale)


def test_evidence_grows_with_rows_and_none_is_evidence_for_nothing():
    values = [evidence_values(fit(rows, 3.0))[0] for rows in (0, 10, 100, 1000)]
    assert values[0] == pytest.approx(1.0, rel=1e-3)
    assert values == sorted(values)
    assert is_proof(values[-1], 1) and not is_proof(values[1], 1)
    assert evidence_values(fit(1000, -3.0))[0] < 0.1
    assert evidence_values(fit(1e6, 30.0))[0] == float("inf")


def test_chance_passes_the_bet_as_rarely_as_it_promises_at_any_of_many_looks():
    """Runs without an effect, each looked at 200 times."""
    chance = np.random.default_rng(7)
    effects = np.cumsum(chance.normal(0, 10, (2000, 200)), axis=1) / np.arange(1, 201)
    ever = sum(
        any(is_proof(evidence_values(fit(2 * n, mean))[0], 1) for n, mean in enumerate(run, 1))
        for run in effects[:200]
    )
    assert ever / 200 <= FALSE_PROOFS
    once = np.mean(np.max(effects * np.sqrt(np.arange(1, 201)) / 10, axis=1) > 1.645)
    assert once > 0.2  # while a threshold of 5 % per look is passed by chance soon


def test_more_arms_ask_for_more_evidence():
    assert is_proof(1 / FALSE_PROOFS, 1)
    assert not is_proof(1 / FALSE_PROOFS, 2)


# --- shares -------------------------------------------------------------------

numbers = st.lists(st.floats(0.001, 1), min_size=5, max_size=5)


@given(numbers, numbers, numbers, st.lists(st.booleans(), min_size=5, max_size=5))
def test_shares_sum_to_one_and_what_is_not_proven_never_rises(best, start, beats, proven):
    likely, before = np.array(best) / sum(best), np.array(start) / sum(start)
    shares = cautious(likely, before, np.array(beats), proven)
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0
    for number in range(1, 5):
        if not proven[number]:
            assert shares[number] <= before[number] + 1e-12
    if not any(proven[1:]):
        assert shares[0] >= before[0] - 1e-12


def test_a_segment_without_weights_begins_with_none():
    assert starting_shares({}, [NONE, "a/b"]).tolist() == [1.0, 0.0]
    assert starting_shares({NONE: 1, "a/b": 3}, [NONE, "a/b"]).tolist() == [0.25, 0.75]
