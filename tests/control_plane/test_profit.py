"""The comparison of means: against textbook values, and against chance itself."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.measurement.profit import ORDERS_MIN, incremental, student_quantile
from control_plane.outcomes import Group, Sides


def group(profits: list[float], orders: int = 100) -> Group:
    return Group(
        units=len(profits), orders=orders, total=sum(profits), squares=sum(p * p for p in profits)
    )


@pytest.mark.parametrize(
    ("df", "quantile"),
    [
        (1, 12.70620),
        (2, 4.30265),
        (3, 3.18245),
        (4, 2.77645),
        (5, 2.57058),
        (10, 2.22814),
        (30, 2.04227),
        (100, 1.98397),
        (1e9, 1.95996),
    ],
)
def test_students_quantiles_are_those_of_the_tables(df: float, quantile: float):
    assert student_quantile(0.975, df) == pytest.approx(quantile, abs=2e-5)


@given(st.floats(2, 1e5), st.floats(1.001, 2))
def test_more_data_never_widen_the_interval(df: float, factor: float):
    assert student_quantile(0.975, df * factor) <= student_quantile(0.975, df) * 1.0001


def test_a_worked_example_of_welch():
    """Two samples of Welch's test as done by hand: t(0.975, 9.886...) = 2.2316."""
    treated = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9]
    holdout = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8]
    found = incremental(Sides(treated=group(treated), holdout=group(holdout)))
    difference = statistics.mean(treated) - statistics.mean(holdout)
    a = statistics.variance(treated) / len(treated)
    b = statistics.variance(holdout) / len(holdout)
    df = (a + b) ** 2 / (a**2 / 5 + b**2 / 6)
    half = student_quantile(0.975, df) * (a + b) ** 0.5
    assert found.per_unit == pytest.approx(difference)
    assert found.low == pytest.approx(difference - half)
    assert found.high == pytest.approx(difference + half)
    assert found.total == pytest.approx(6 * difference)


@pytest.mark.parametrize(
    ("treated", "holdout"),
    [
        (Group(), Group()),
        (group([1.0] * 50), Group()),
        (group([0.0, 1.0] * 50), group([0.0, 1.0] * 50, orders=ORDERS_MIN - 1)),
        (group([0.0] * 50), group([0.0] * 50)),
    ],
    ids=["nobody", "no holdout", "too few orders", "nobody differs"],
)
def test_without_enough_to_compare_there_is_no_interval(treated: Group, holdout: Group):
    found = incremental(Sides(treated=treated, holdout=holdout))
    assert found.low is None
    assert found.high is None
    assert not found.is_known


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Orders of one visitor in eight, worth 5 to 35 each; the true effect is 0.60 a visitor."""
    chance, covered, trials = random.Random(20), 0, 400
    for _ in range(trials):
        treated = [_profit(chance, 0.155) for _ in range(600)]
        holdout = [_profit(chance, 0.125) for _ in range(200)]
        found = incremental(Sides(treated=group(treated), holdout=group(holdout)))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.6 <= found.high
    assert 0.92 <= covered / trials <= 0.98


def _profit(chance: random.Random, probability: float) -> float:
    return chance.uniform(5, 35) if chance.random() < probability else 0.0
