"""The same candidates as `candidacy.py` defines, found faster where there are many.

Objections to whole offers are sets of clauses (`offersets.py`), so the offers that may
be shown are a few ANDs away from the clauses that hold.  An arm whose guardrails cannot
be broken (no floor; a cost with a bound below its ceiling) is not asked for them.
Scores come from lanes (`lanes.py`) where more than a few arms are left.

A differential test holds this equal to the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from . import tables as t
from .arbitration import Page
from .candidacy import arm_objection, score_of, worthy
from .choosing import Candidates
from .guardrails import NO_FLOOR
from .request import CONTEXTUAL
from .scoring import Shared, clamped, economics_of
from .tables import Tables
from .visit import Slot, Visit

FEW = 512
"""Lanes pay as soon as one arm in so many is left."""


def quick_candidates(visit: Visit, slot: Slot, page: Page) -> Candidates:
    """`candidacy.candidates_for`, faster."""
    arms = _arms(visit, slot, page)
    return worthy(visit, slot, arms, _scores(visit, slot, arms))


def _arms(visit: Visit, slot: Slot, page: Page) -> list[int]:
    sets = visit.bundle.offer_sets
    offers = visit.bundle.clauses.offers(_clauses(visit, slot, page))
    arms = chain.from_iterable(map(sets.arms.__getitem__, offers))
    if visit.manifest.paused_rungs or visit.cart.value is None or page.floor != NO_FLOOR:
        return [arm for arm in arms if not arm_objection(visit, page, arm)]
    safe = sets.safe
    return [arm for arm in arms if safe[arm] or _keeps_guardrails(visit, page, arm)]


def _keeps_guardrails(visit: Visit, page: Page, arm: int) -> bool:
    ceiling = visit.bundle.offer_sets.fixed_ceiling[arm]
    if ceiling is None:
        return not arm_objection(visit, page, arm)
    cost = visit.incentive(arm)
    return cost is not None and cost <= ceiling


def _clauses(visit: Visit, slot: Slot, page: Page) -> int:
    """The clauses that hold, of offers that nothing speaks against."""
    sets, request, manifest = visit.bundle.offer_sets, visit.request, visit.manifest
    left = visit.holding & sets.here[slot.placement]
    left &= sets.open(request.now_s, request.now_s - manifest.issued_s)
    against = sets.capped(visit.state, slot.placement, request.now_s) | sets.excluded(page)
    if manifest.paused_offers:
        against |= sets.paused(manifest.paused_offers)
    if request.consent == CONTEXTUAL:
        against |= sets.needing_identity
    return left & ~against


def _scores(visit: Visit, slot: Slot, arms: Sequence[int]) -> Sequence[int]:
    tables, model = visit.bundle.tables, visit.bundle.tables.placement_model[slot.placement]
    if model < 0:
        return [0] * len(arms)
    lanes = visit.bundle.lanes[model]
    if len(arms) * FEW < lanes.arms or not lanes.fit:
        return [score_of(visit, slot, arm) for arm in arms]
    raised, by = lanes.deviations(visit.situation)
    shared = lanes.shared(visit.situation)
    owns = _with_depth(tables, shared.sensitivity, arms, raised, by)
    if tables.model_link[model] == t.IDENTITY:
        return _less_budget(visit, arms, owns)
    return _economics(visit, shared, arms, owns)


def _with_depth(
    tables: Tables, sensitivity: int, arms: Sequence[int], raised: Sequence[int], by: int
) -> list[int]:
    if not sensitivity:
        return [raised[arm - 1] - by for arm in arms]
    depths = tables.rung_depth
    return [raised[arm - 1] - by + (sensitivity * depths[arm - 1] >> 8) for arm in arms]


def _less_budget(visit: Visit, arms: Sequence[int], owns: list[int]) -> list[int]:
    if visit.multipliers:
        costs = visit.bundle.tables.rung_expected_cost
        both = zip(arms, owns, strict=True)
        owns = [own - (visit.multiplier(arm) * costs[arm - 1] >> 16) for arm, own in both]
    return clamped(owns)


def _economics(visit: Visit, shared: Shared, arms: Sequence[int], owns: list[int]) -> list[int]:
    tables, unit = visit.bundle.tables, visit.bundle.head(t.HEAD_SCORE_UNIT)
    economics = economics_of(tables, (visit.cart.margin or 0) // unit, shared.none)
    handling = visit.bundle.offer_sets.handling
    multiplier = visit.multiplier if visit.multipliers else None
    return [
        economics(
            own, (visit.incentive(arm) or 0) // unit, handling[arm],
            multiplier(arm) if multiplier else 0,
        )
        for arm, own in zip(arms, owns, strict=True)
    ]  # fmt: skip
