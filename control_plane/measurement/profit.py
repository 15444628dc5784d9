"""Incremental profit: units that saw offers against units that were held out.

Who is held out is decided by chance alone, so the difference of the mean profit per
unit is the effect of showing offers (intention to treat).  A unit is one observation,
however often it came: its decisions and orders are summed up first, so the interval is
clustered by unit.

    difference = mean(treated) - mean(holdout)
    variance   = s_t^2 / n_t + s_h^2 / n_h                        (Welch 1947)
    interval   = difference +- t(0.975, df) * sqrt(variance)
    df         = variance^2 / (s_t^4/(n_t^2 (n_t-1)) + s_h^4/(n_h^2 (n_h-1)))

It is a fixed-horizon interval: right for one look at a time that was chosen
beforehand, too narrow for somebody who watches it every day.
"""

from __future__ import annotations

from math import expm1, pi, sqrt, tan
from statistics import NormalDist

from msgspec import Struct

from control_plane.outcomes import Group, Sides

CONFIDENCE = 0.95
ORDERS_MIN = 5
"""Orders on each side below which no interval is told: their mean is not near normal yet."""
METHOD = "Welch's t, 95 %, one observation per unit; fixed horizon, not for daily peeking"


class Incremental(Struct, frozen=True, kw_only=True):
    """Profit per unit in currency units, and its sum over the treated units.

    `low` and `high` are None while a side has fewer than `ORDERS_MIN` orders.
    """

    treated: Group
    holdout: Group
    per_unit: float
    low: float | None
    high: float | None

    @property
    def total(self) -> float:
        return self.per_unit * self.treated.units

    @property
    def is_known(self) -> bool:
        return self.low is not None


def incremental(sides: Sides) -> Incremental:
    """The comparison of two sides."""
    treated, holdout = sides.treated, sides.holdout
    difference = _mean(treated) - _mean(holdout)
    margin = _margin(treated, holdout)
    return Incremental(
        treated=treated,
        holdout=holdout,
        per_unit=difference,
        low=None if margin is None else difference - margin,
        high=None if margin is None else difference + margin,
    )


def _mean(group: Group) -> float:
    return group.total / group.units if group.units else 0.0


def _variance(group: Group) -> float:
    """The sample variance of a unit's profit."""
    centred = group.squares - group.total * group.total / group.units
    return max(0.0, centred) / (group.units - 1)


def _margin(treated: Group, holdout: Group) -> float | None:
    least = min(treated.orders, holdout.orders, treated.units - 1, holdout.units - 1)
    if least < ORDERS_MIN:
        return None
    a, b = _variance(treated) / treated.units, _variance(holdout) / holdout.units
    if a + b == 0:
        return None  # nobody differs from anybody yet: that is no certainty
    df = (a + b) ** 2 / (a * a / (treated.units - 1) + b * b / (holdout.units - 1))
    return student_quantile((1 + CONFIDENCE) / 2, df) * sqrt(a + b)


def student_quantile(probability: float, df: float) -> float:
    """Upper quantile of Student's t for df >= 1 (Hill 1970, CACM algorithm 396)."""
    tails = 2 * (1 - probability)
    if df == 1:
        return 1 / tan(tails * pi / 2)
    if df == 2:
        return sqrt(2 / (tails * (2 - tails)) - 2)
    return sqrt(df * _hill(tails, df))


def _hill(tails: float, n: float) -> float:
    """t^2 / n, from the algorithm's two expansions; its names are kept."""
    a = 1 / (n - 0.5)
    b = 48 / (a * a)
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * sqrt(a * pi / 2) * n
    y = (d * tails) ** (2 / n)
    if y <= 0.05 + a:
        tail = 1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)
        return (tail * y - 1) * (n + 1) / (n + 2) + 1 / y
    x = NormalDist().inv_cdf(tails / 2)
    if n < 5:
        c += 0.3 * (n - 4.5) * (x + 0.6)
    c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b
    y = x * x
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return expm1(a * y * y)
