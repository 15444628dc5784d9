"""When an arm may take weight from "none": on evidence only, however often one looks.

To show an offer costs money, and to show nothing does not; so "none" keeps its share
until an arm has *proved* that it earns more.  The proof is a bet against "this arm earns
exactly what none earns": with b the least-squares effect of the arm and v its variance,

    evidence = density of b if the effect were |N(0, t^2)|  /  density of b if it were 0
             = 2 Phi(b t / sqrt(v (v + t^2))) sqrt(v / (v + t^2)) exp(b^2 t^2 / (2 v (v + t^2)))

If the arm earns nothing more, this ratio is a martingale that begins at 1: the chance that
it *ever* reaches x, at any of however many looks, is at most 1 / x (Ville 1939; Robbins
1970, "Statistical methods related to the law of the iterated logarithm"; Johari, Koomen,
Pekelis and Walsh 2022, "Always valid inference").  An ordinary threshold on the posterior
has no such promise: learning looks every few seconds, and chance would pass it some day.
The ratio is damped by sample size by itself: with few rows v is large and it stays near 1.
An arm is proven from (arms of the segment) / `FALSE_PROOFS` on: at most that share of
segments, in which nothing helps, ever sees a proof.

    proven arms and none   share what is left like Thompson sampling says
    any other arm          at most its share in the catalog, times twice the probability
                           (at most 1) that it beats none: it can fall, and never rise

With nothing proven, what the arms lose goes to none.  v is plugged in and rows are only
roughly normal, so the promise holds nearly and not exactly; docs/reference/learning.md
says what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import erf, exp, inf, log, sqrt

import numpy as np
from msgspec import Struct

from control_plane.learning.evidence import Numbers

FALSE_PROOFS = 0.05
"""Of segments in which nothing helps, the share in which something ever counts as proven."""
RIDGE = 1e-9
"""Keeps arms without rows from being divided by: their variance is as good as infinite."""


class Fit(Struct, frozen=True, kw_only=True):
    """Least squares within strata: information / noise is the precision of the effects.

    Arms without none; `surplus` is what an arm's rows brought above their strata's levels.
    `noise` is the variance of profit per row, `scale` the prior's standard deviation of an
    effect, both in currency units.
    """

    information: Numbers
    surplus: Numbers
    noise: float
    scale: float


def evidence_values(fit: Fit) -> list[float]:
    """Per arm without none: how many times likelier its profit is if it helps."""
    precise = fit.information + RIDGE * np.eye(len(fit.surplus))
    inverse = np.linalg.inv(precise)
    effects = inverse @ fit.surplus
    variances = fit.noise * inverse.diagonal()
    return [_ratio(float(b), float(v), fit.scale) for b, v in zip(effects, variances, strict=True)]


def _ratio(effect: float, variance: float, scale: float) -> float:
    wide = variance + scale**2
    z = effect * scale / sqrt(variance * wide)
    side = 1.0 + erf(z / sqrt(2.0))
    size = z * z / 2 + log(variance / wide) / 2
    return side * exp(size) if size < 700 else inf


def is_proof(value: float, arms: int) -> bool:
    """Whether this much evidence, for one of so many arms, counts as proven."""
    return value * FALSE_PROOFS >= arms


def starting_shares(weights: Mapping[str, int], arms: Sequence[str]) -> Numbers:
    """The catalog's shares among these arms, none first; all to none where it says nothing."""
    found = np.array([max(0, weights.get(arm, 0)) for arm in arms], dtype=np.float64)
    if found.sum() == 0:
        found[0] = 1.0
    return found / found.sum()


def cautious(best: Numbers, start: Numbers, beats: Numbers, proven: Sequence[bool]) -> Numbers:
    """Shares of one candidate set, none first.

    `best`: probability to be the best of the set; `start`: the catalog's shares; `beats`:
    probability to earn more than none; `proven`: whose evidence suffices (none's is ignored).
    """
    free = np.array([True, *proven[1:]])
    most = start * np.minimum(1.0, 2.0 * beats)
    shares = np.where(free, best, np.minimum(best, most) if free[1:].any() else most)
    left = 1.0 - shares[~free].sum()
    wants = best * free
    if not free[1:].any() or wants.sum() == 0:
        wants = np.eye(len(best))[0]
    shares[free] = (left * wants / wants.sum())[free]
    return shares
