"""From "how likely is each arm the best" to the weights of an allocation.

The edge gives an arm the share weight / (sum of the weights of the arms present).  Not
every visitor qualifies for every arm, so one segment meets several *candidate sets*, and
the arm that is best in one may be missing in another.  Wanted is, in each set, the share
floor + (1 - arms x floor) x P(best in that set).  One weight per arm cannot say that for
every set at once.  The weights here come closest: they are the maximum-likelihood weights
of Luce's choice model (Luce 1959; minorisation-maximisation after Hunter 2004, "MM
algorithms for generalized Bradley-Terry models").  At their optimum every arm's traffic,
summed over the sets, is exactly what was wanted; with one candidate set, so is each share.
So an arm keeps at least `floor` of the traffic that could show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from control_plane.learning.evidence import Numbers

TOTAL = 1 << 20
"""Sum of the weights of a segment."""
ROUNDS = 2000
CLOSE = 1e-9


class Wanted(Struct, frozen=True, kw_only=True):
    """A candidate set (indices of arms), its traffic, and the wanted share of each arm."""

    arms: tuple[int, ...]
    traffic: float
    shares: Numbers


def with_floor(best: Numbers, floor: float) -> Numbers:
    """Shares that keep every arm at `floor` or above; `best` sums to 1."""
    kept = min(floor, 1 / len(best))
    return kept + (1 - kept * len(best)) * best


def luce_weights(arms: int, wanted: Sequence[Wanted]) -> Numbers:
    """Weights, summing to 1, under which traffic is what was wanted.

    Every arm must be in a set in which it is wanted at all, and the sets must share an arm.
    """
    weights = np.full(arms, 1 / arms)
    for _ in range(ROUNDS):
        better = _improved(weights, wanted)
        close = np.max(np.abs(better - weights)) < CLOSE
        weights = better
        if close:
            break
    return weights


def _improved(weights: Numbers, wanted: Sequence[Wanted]) -> Numbers:
    won, met = np.zeros_like(weights), np.zeros_like(weights)
    for each in wanted:
        members = list(each.arms)
        won[members] += each.traffic * each.shares
        met[members] += each.traffic / weights[members].sum()
    better = won / met
    return better / better.sum()


def whole(weights: Numbers) -> list[int]:
    """Whole numbers, each at least 1, that sum to `TOTAL`; the largest remainders round up."""
    exact = weights / weights.sum() * (TOTAL - len(weights))
    numbers = np.floor(exact).astype(np.int64)
    missing = TOTAL - len(weights) - int(numbers.sum())
    # `stable`: among equal remainders the first arms win, on every machine.
    numbers[np.argsort(numbers - exact, kind="stable")[:missing]] += 1
    return [int(number) + 1 for number in numbers]
