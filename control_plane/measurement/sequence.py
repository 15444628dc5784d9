"""Bounds that hold however often one looks: asymptotic confidence sequences.

A fixed-horizon interval (`profit.py`) is right for one look.  Whoever looks every minute and
acts on the first bad one would be wrong sooner or later for certain.  These bounds hold at
*all* looks together: the chance that a difference of 0 is ever told to be below 0 is at
most alpha, whenever and however often one looks, and whenever one stops.

    d, V     estimate of a difference of means, and its variance
    n        1 / (1/n_new + 1/n_old), the size of a sample that would be as precise
    bound    d + sqrt(V) sqrt(2 (1 + 1/(n r^2)) log(1 + sqrt(n r^2 + 1) / (2 alpha)))
    r^2      (-2 log(2 alpha) + log(1 - 2 log(2 alpha))) / TIGHTEST

This is the one-sided Robbins mixture boundary with the sample's own variance in it
(Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory and
asymptotic confidence sequences", Annals of Statistics 52).  It is narrowest, by choice of r,
where n is `TIGHTEST`, and it costs about 1.5 times the width of a fixed-horizon interval.
"Asymptotic": the normal approximation has to be good at the first look already, hence the
least sample below.  docs/reference/publishing.md says what was measured.

Strata.  Units that came while a share of 5 % was out are compared among themselves, and so
are those of 25 %: they came at other times and had other time to buy.  The estimate is the
mean of the strata's differences, each weighted by its n.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log, sqrt

from msgspec import Struct

TIGHTEST = 2_000
"""Effective sample at which the bound is narrowest."""


class Side(Struct, frozen=True, kw_only=True):
    """Units of one side of a stratum; `events` is how many have a value other than 0."""

    units: int = 0
    events: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.units if self.units else 0.0

    @property
    def variance(self) -> float:
        """Of one unit's value, from the sample; 0 for less than two units."""
        if self.units < 2:
            return 0.0
        return max(0.0, self.squares - self.total * self.total / self.units) / (self.units - 1)


class Stratum(Struct, frozen=True):
    new: Side
    old: Side

    @property
    def size(self) -> float:
        """Effective sample; 0 while a side is empty."""
        if not (self.new.units and self.old.units):
            return 0.0
        return 1 / (1 / self.new.units + 1 / self.old.units)

    @property
    def difference(self) -> float:
        return self.new.mean - self.old.mean

    @property
    def variance(self) -> float:
        """Of the difference: by the sides' own variances, or by that of all units together where
        it is more.  A side of few units tells too small a variance by chance, and two sides
        that are each all alike, and differ, tell none at all."""
        own = self.new.variance / self.new.units + self.old.variance / self.old.units
        return max(own, together((self.new, self.old)).variance / self.size)


class Estimate(Struct, frozen=True):
    """A difference (new minus old), its variance, and the effective sample behind it."""

    difference: float
    variance: float
    size: float

    def upper(self, alpha: float) -> float:
        """The difference is below this, at all looks together, with probability 1 - alpha."""
        return self.difference + self.margin(alpha)

    def lower(self, alpha: float) -> float:
        return self.difference - self.margin(alpha)

    def margin(self, alpha: float) -> float:
        scale = -2 * log(2 * alpha)
        grown = self.size * (scale + log(1 + scale)) / TIGHTEST
        return sqrt(self.variance * 2 * (1 + 1 / grown) * log(1 + sqrt(grown + 1) / (2 * alpha)))


def estimate(strata: Iterable[Stratum]) -> Estimate | None:
    """The strata together; None while none of them has units on both sides, or all are alike."""
    known = [stratum for stratum in strata if stratum.size]
    size = sum(stratum.size for stratum in known)
    if not known:
        return None
    difference = sum(s.size * s.difference for s in known) / size
    variance = sum(s.size**2 * s.variance for s in known) / size**2
    return Estimate(difference, variance, size) if variance > 0 else None


def together(sides: Iterable[Side]) -> Side:
    """The sides as one."""
    all = list(sides)
    return Side(
        units=sum(side.units for side in all),
        events=sum(side.events for side in all),
        total=sum(side.total for side in all),
        squares=sum(side.squares for side in all),
    )
