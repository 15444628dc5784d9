"""Thompson sampling per placement and segment: weights = how likely each arm is the best.

Reward is the profit of a decision's unit in the attribution window, 0 without an order.
With `none` as the yardstick, the profit of row i in stratum s (`evidence.py`) is

    profit_i = level_s + effect_arm(i) + noise,      effect_none = 0

`level_s` is free, so nothing is learned from the difference between two strata: neither
a good hour, nor a campaign, nor the past of the allocation itself can pass for an effect.
Within strata, effects have a normal prior and a normal posterior (noise variance plugged
in: it is that of profit within strata, times how much rows of one unit go together):

    effect_a = common + own_a,   common ~ N(0, p^2),   own_a ~ N(0, p^2)

so all arms share a prior whose mean is itself learned: an arm with few rows is drawn
towards the others, and all of them towards none.  Seen from the side, this is one prior
N(0, p^2) for what each arm earns, none included: before there are rows every arm is as
likely to be the best as any other.  p = `PRIOR` times the average size of profit per row:
that an offer changes by half what a visit earns is one standard deviation.

What an arm is wanted for is the posterior probability that it has the largest effect, by
Monte Carlo with a fixed seed, so that equal rows give equal weights.  To draw from a
posterior and take the best arm (Thompson 1933) is to draw arms with these probabilities:
Chapelle and Li 2011, "An empirical evaluation of Thompson sampling"; Russo, Van Roy,
Kazerouni, Osband and Wen 2018, "A tutorial on Thompson sampling", arXiv 1707.02038.
The edge cannot learn between two publishes, so this is its batched form (section 8 there:
fine for delayed rewards).  On top of it, no arm takes weight from none before its profit is
proven (`caution.py`), and a floor per arm keeps exploration alive for ever (`shares.py`).

Kept simple, on purpose: effects are constant in time, noise is equal for all arms, an
order counts for every fresh row of its unit in the window, and rows too young to have
brought their order count as 0, which shrinks all effects alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np
from msgspec import Struct

from control_plane.learning.caution import (
    Fit,
    cautious,
    evidence_values,
    is_proof,
    starting_shares,
)
from control_plane.learning.evidence import MICROS, Evidence, Indices, Numbers, evidence_of
from control_plane.learning.shares import Wanted, luce_weights, whole, with_floor
from control_plane.outcomes import NONE, LearningRow
from control_plane.recording import REST

SEED = 1707_02038
DRAWS = 20_000
FLOOR = 0.02
PRIOR = 0.5
LEAST_ORDERS = 20
"""Rows with an order that a segment needs before anything is learned from it."""
NORMAL_95 = 1.959964
MOST_EVIDENCE = 1e12
"""What is told of an arm at most; JSON has no infinity."""


class Arm(Struct, frozen=True, kw_only=True):
    """What is known of one arm in one segment; intervals hold 95 %.

    `mean_micros` is profit per row as it came (0 with `rows` 0), its interval clustered
    by unit.  `effect_micros` is what learning believes: profit per row against none.
    `best` is the probability to be the best arm where all are to be had, `evidence` how many
    times likelier its profit is if it helps than if it does not (`caution.py`), `proven`
    whether that suffices to take weight from none.  `share` is the weight out of 2^20.
    """

    arm: str
    rows: int
    orders: int
    mean_micros: int
    mean_low_micros: int
    mean_high_micros: int
    standard_error_micros: int
    effect_micros: int
    effect_low_micros: int
    effect_high_micros: int
    best: float
    evidence: float
    proven: bool
    share: int


class Segment(Struct, frozen=True, kw_only=True):
    """One segment.  `learned` is false while it has too few orders: its weights stay.

    `rows` is evidence, `left_out` what was none (kept, held out, of other arms).
    """

    segment: str
    rows: int
    orders: int
    left_out: int
    learned: bool
    arms: tuple[Arm, ...] = ()


class Learned(Struct, frozen=True, kw_only=True):
    """One placement: what was found, and with what it can be found again."""

    placement: str
    segments: tuple[Segment, ...]
    seed: int = SEED
    draws: int = DRAWS
    floor: float = FLOOR

    @property
    def allocation(self) -> dict[str, dict[str, int]]:
        """Segment -> arm -> weight, for those segments that were learned."""
        return {s.segment: {a.arm: a.share for a in s.arms} for s in self.segments if s.learned}


class Posterior(Struct, frozen=True):
    """Mean and covariance of the arms' effects in currency units, without none."""

    mean: Numbers
    covariance: Numbers


def learn(
    placement: str,
    allocation: Mapping[str, Mapping[str, int]],
    draws: Sequence[LearningRow],
    *,
    seed: int = SEED,
    floor: float = FLOOR,
) -> Learned:
    """Weights for a placement's segments, from `control_plane.outcomes.learning_rows`.

    `allocation` is the catalog's: it names the segments and the arms that may be drawn in
    each; "*" takes the rows of all segments that it does not name.  Raises `ValueError`
    for a floor outside 0 (without) to 1.
    """
    if not 0 < floor <= 1:
        raise ValueError(f"a floor of {floor}: it must be a share, more than 0")
    by_segment: dict[str, list[LearningRow]] = {segment: [] for segment in allocation}
    for row in draws:
        segment = row.segment if row.segment in by_segment else REST
        if row.placement == placement and segment in by_segment:
            by_segment[segment].append(row)
    segments = tuple(
        _segment(placement, segment, allocation[segment], rows, seed=seed, floor=floor)
        for segment, rows in by_segment.items()
    )
    return Learned(placement=placement, segments=segments, seed=seed, floor=floor)


def _segment(
    placement: str,
    segment: str,
    weights: Mapping[str, int],
    rows: Sequence[LearningRow],
    *,
    seed: int,
    floor: float,
) -> Segment:
    evidence, left_out = evidence_of(rows, list(weights))
    orders = int(evidence.ordered.sum())
    enough = orders >= LEAST_ORDERS
    stream = _stream(seed, placement, segment)
    return Segment(
        segment=segment,
        rows=evidence.rows,
        orders=orders,
        left_out=left_out,
        learned=enough,
        arms=_arms(evidence, weights, stream, floor) if enough else (),
    )


def _stream(seed: int, placement: str, segment: str) -> np.random.Generator:
    """A stream of chance of its own, so that one segment's rows leave the others' alone."""
    name = sha256(f"{placement}\x1f{segment}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(name[:8], "big")])


def _arms(
    evidence: Evidence, weights: Mapping[str, int], stream: np.random.Generator, floor: float
) -> tuple[Arm, ...]:
    fit = fit_of(evidence)
    posterior = posterior_of(fit)
    values = [0.0, *evidence_values(fit)]
    proven = [is_proof(value, len(values) - 1) for value in values]
    effects = draw_effects(posterior, stream)
    best = probability_best(effects, range(len(evidence.arms)))
    wanted = _wanted(evidence, effects, weights, proven, floor)
    shares = whole(luce_weights(len(evidence.arms), wanted))
    return tuple(
        _arm(
            evidence,
            posterior,
            number,
            best=float(best[number]),
            evidence_value=values[number],
            proven=proven[number],
            share=shares[number],
        )
        for number in range(len(evidence.arms))
    )


# --- the model ----------------------------------------------------------------


def fit_of(evidence: Evidence) -> Fit:
    """Least squares after taking each stratum's mean out of profit and of every arm's column."""
    count, total = _by_stratum_and_arm(evidence)
    size = count.sum(axis=1)
    level = total.sum(axis=1) / size
    information = np.diag(count.sum(axis=0)) - count.T @ (count / size[:, None])
    surplus = total.sum(axis=0) - count.T @ level
    return Fit(
        information=information[1:, 1:],
        surplus=surplus[1:],
        noise=_noise_variance(evidence, level),
        scale=PRIOR * float(np.abs(evidence.profit).mean()) or 1.0,
    )


def posterior_of(fit: Fit) -> Posterior:
    """The effects against none, given rows of which at least one is not like the others."""
    prior = np.linalg.inv(fit.scale**2 * (np.eye(len(fit.surplus)) + 1.0))
    covariance = np.linalg.inv(prior + fit.information / fit.noise)
    return Posterior(covariance @ fit.surplus / fit.noise, (covariance + covariance.T) / 2)


def _by_stratum_and_arm(evidence: Evidence) -> tuple[Numbers, Numbers]:
    """Rows, and profit, per stratum and arm."""
    shape = (len(evidence.candidates), len(evidence.arms))
    cell = evidence.stratum * shape[1] + evidence.arm
    cells = shape[0] * shape[1]
    count = np.bincount(cell, minlength=cells).astype(np.float64)
    total: Numbers = np.bincount(cell, evidence.profit, cells).astype(np.float64)
    return count.reshape(shape), total.reshape(shape)


def _noise_variance(evidence: Evidence, level: Numbers) -> float:
    """Variance of profit within strata, raised if rows of one unit go together."""
    rest = evidence.profit - level[evidence.stratum]
    squares = float(rest @ rest)
    free = max(evidence.rows - len(level), 1)
    together = float((np.bincount(evidence.unit, weights=rest) ** 2).sum())
    return max(squares, together) / free or 1.0


def draw_effects(posterior: Posterior, stream: np.random.Generator, draws: int = DRAWS) -> Numbers:
    """Draws x arms, none (0) first."""
    root = np.linalg.cholesky(posterior.covariance)
    noise = stream.standard_normal((draws, len(posterior.mean)))
    effects = posterior.mean + noise @ root.T
    return np.concatenate([np.zeros((draws, 1)), effects], axis=1)


def probability_best(effects: Numbers, arms: Sequence[int]) -> Numbers:
    """How often each of these arms is the best among them."""
    winners: Indices = np.argmax(effects[:, list(arms)], axis=1)
    return np.bincount(winners, minlength=len(arms)) / len(effects)


def _wanted(
    evidence: Evidence,
    effects: Numbers,
    weights: Mapping[str, int],
    proven: Sequence[bool],
    floor: float,
) -> list[Wanted]:
    """A target per candidate set that was met, and a faint one for all arms together."""
    traffic: dict[tuple[int, ...], float] = {tuple(range(len(evidence.arms))): 1.0}
    for arms, rows in zip(evidence.candidates, np.bincount(evidence.stratum), strict=True):
        traffic[arms] = traffic.get(arms, 0.0) + float(rows)
    beats = (effects > 0).mean(axis=0)

    def shares(arms: tuple[int, ...]) -> Numbers:
        members = list(arms)
        start = starting_shares(weights, [evidence.arms[number] for number in members])
        best = probability_best(effects, arms)
        return cautious(best, start, beats[members], [proven[number] for number in members])

    return [
        Wanted(arms=arms, traffic=rows, shares=with_floor(shares(arms), floor))
        for arms, rows in traffic.items()
    ]


# --- the table ----------------------------------------------------------------


def _arm(
    evidence: Evidence,
    posterior: Posterior,
    number: int,
    *,
    best: float,
    evidence_value: float,
    proven: bool,
    share: int,
) -> Arm:
    own = evidence.arm == number
    mean, error = _mean(evidence.profit[own], evidence.unit[own])
    effect, spread = _effect(posterior, number)
    return Arm(
        arm=evidence.arms[number],
        rows=int(own.sum()),
        orders=int(evidence.ordered[own].sum()),
        mean_micros=_micros(mean),
        mean_low_micros=_micros(mean - NORMAL_95 * error),
        mean_high_micros=_micros(mean + NORMAL_95 * error),
        standard_error_micros=_micros(error),
        effect_micros=_micros(effect),
        effect_low_micros=_micros(effect - NORMAL_95 * spread),
        effect_high_micros=_micros(effect + NORMAL_95 * spread),
        best=best,
        evidence=min(evidence_value, MOST_EVIDENCE),
        proven=proven,
        share=share,
    )


def _mean(profit: Numbers, unit: Indices) -> tuple[float, float]:
    """Mean and its standard error, clustered by unit; zeros for no rows."""
    if not len(profit):
        return 0.0, 0.0
    mean = float(profit.mean())
    sums = np.bincount(unit, weights=profit - mean)
    clusters = len(np.unique(unit))
    return mean, float(np.sqrt((sums**2).sum() * clusters / max(clusters - 1, 1))) / len(profit)


def _effect(posterior: Posterior, number: int) -> tuple[float, float]:
    if number == 0:
        return 0.0, 0.0
    variance = posterior.covariance[number - 1, number - 1]
    return float(posterior.mean[number - 1]), float(np.sqrt(variance))


def _micros(amount: float) -> int:
    return round(amount * MICROS)


def largest_move(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """The largest change of an arm's share (0 to 1) between two rows of weights."""
    totals = sum(before.values()) or 1, sum(after.values()) or 1
    return max(
        (
            abs(before.get(arm, 0) / totals[0] - after.get(arm, 0) / totals[1])
            for arm in {*before, *after, NONE}
        ),
        default=0.0,
    )
