"""From scores to exact probabilities, and from a ticket to an arm.

Among none (score 0) and the candidates, K arms in all, `tickets` gives every arm an
integer share of T = 2^20 that sums to exactly T.  The arm that is *best* (highest
score, lowest number among equals; for an allocation the heaviest) takes what the
others leave.  f = min(floor, T // K).

    greedy       T for the best
    epsilon      max(f, (T * eps >> 20) // K) for each other
    inverse-gap  max(f, T * 2^24 // (K * 2^24 + gamma * gap)) for each other, gap =
                 best score - its score (SquareCB: Foster and Rakhlin 2020,
                 arXiv 2002.04926; FALCON: Simchi-Levi and Xu 2020, arXiv 2003.12699)
    allocation   T * w // W for each other, w its weight in this segment, W their
                 sum over the arms present; W = 0 means none

`draw` walks the arms in ascending order until their shares exceed the ticket.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from . import tables as t
from .hashing import T
from .scoring import find
from .situation import Situation, bin_at
from .tables import Tables

CANDIDATE_LIMIT = 31
Q24 = 1 << 24


class Scored(Struct, frozen=True, order=True):
    """An arm that may be shown, and what it is worth."""

    arm: int
    score: int


NOTHING = Scored(0, 0)


class Candidates(Struct, frozen=True):
    """The arms that may be shown in a slot, ascending, and what each is worth."""

    arms: Sequence[int]
    scores: Sequence[int]


def best_candidates(candidates: Candidates) -> list[Scored]:
    """The at most 31 best by (score, arm), ascending by arm."""
    both = zip(candidates.arms, candidates.scores, strict=True)
    if len(candidates.arms) <= CANDIDATE_LIMIT:
        return [Scored(arm, score) for arm, score in both]
    least = sorted(candidates.scores)[-CANDIDATE_LIMIT]
    ranked = sorted((-score, arm) for arm, score in both if score >= least)
    return sorted(Scored(arm, -lost) for lost, arm in ranked[:CANDIDATE_LIMIT])


def tickets(
    tables: Tables, situation: Situation, placement: int, candidates: Sequence[Scored]
) -> list[int]:
    """Shares out of T of none and these candidates, in that order."""
    arms = [NOTHING, *candidates]
    policy = tables.placement_policy[placement]
    if policy == t.ALLOCATION:
        weights = _weights(tables, situation, tables.placement_allocation[placement], arms)
        return _allocate(weights)
    scores = [arm.score for arm in arms]
    highest = max(scores)
    others = _others(tables, placement, policy, [highest - score for score in scores])
    return _rest_to(scores.index(highest), others)


def _others(tables: Tables, placement: int, policy: int, gaps: list[int]) -> list[int]:
    count, param = len(gaps), tables.placement_param[placement]
    floor = min(tables.placement_floor[placement], T // count)
    if policy == t.GREEDY:
        return [0] * count
    if policy == t.EPSILON:
        return [max(floor, (T * param >> 20) // count)] * count
    return [max(floor, T * Q24 // (count * Q24 + param * gap)) for gap in gaps]


def _rest_to(best: int, shares: list[int]) -> list[int]:
    """Give the best what the others leave of T."""
    shares[best] = 0
    shares[best] = T - sum(shares)
    return shares


def _allocate(weights: list[int]) -> list[int]:
    total = sum(weights)
    if not total:
        return [T] + [0] * (len(weights) - 1)
    return _rest_to(weights.index(max(weights)), [T * w // total for w in weights])


def _weights(tables: Tables, situation: Situation, row: int, arms: list[Scored]) -> list[int]:
    """The weights of these arms in this situation's segment; 0 for arms it does not name."""
    first, last = tables.allocation_arm[row], tables.allocation_arm[row + 1]
    segment = segment_of(tables, situation, row)
    base = tables.allocation_share[row] + segment * (last - first) - first
    found = [find(tables.allocarm_arm, arm.arm, first, last) for arm in arms]
    return [0 if at < 0 else tables.share_weight[base + at] for at in found]


def segment_of(tables: Tables, situation: Situation, row: int) -> int:
    """Index of the segment whose weights an allocation uses in this situation."""
    attribute, bins = tables.allocation_attribute[row], tables.allocation_bin
    if attribute < 0:
        return 0
    return bin_at(tables.allocbin_row, bins[row], bins[row + 1], situation.cells[attribute])


def draw(shares: Sequence[int], ticket: int) -> int:
    """Index of the arm whose run of tickets holds this one."""
    for index, share in enumerate(shares):
        if ticket < share:
            return index
        ticket -= share
    raise AssertionError("shares sum to T and the ticket is below T")
