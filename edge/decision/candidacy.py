"""Which arms may be shown in a slot: the checks between eligibility and score.

`objection` names the first thing that speaks against an arm, in the order of
DESIGN section 7.4a; explanations ask the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import tables as t
from .arbitration import Page, exclusion
from .choosing import Candidates
from .guardrails import guard
from .reasons import ArmReason
from .request import CONTEXTUAL
from .scoring import score
from .state import window_index
from .visit import Slot, Visit


def candidates_for(visit: Visit, slot: Slot, page: Page) -> Candidates:
    """All arms that may be shown here, with their scores."""
    arms = open_arms(visit, slot, page, visit.eligible)
    return worthy(visit, slot, arms, [score_of(visit, slot, arm) for arm in arms])


def open_arms(visit: Visit, slot: Slot, page: Page, offers: Iterable[int]) -> list[int]:
    """The arms of these eligible offers that nothing speaks against."""
    return [
        arm
        for offer in offers
        if not offer_objection(visit, slot, page, offer)
        for arm in visit.bundle.arms(offer)
        if not arm_objection(visit, page, arm)
    ]


def worthy(visit: Visit, slot: Slot, arms: Sequence[int], scores: Sequence[int]) -> Candidates:
    """Without the arms whose exploration would lose more than the placement may."""
    if scores and below_none(visit, slot, min(scores)):
        both = zip(arms, scores, strict=True)
        kept = [(arm, score) for arm, score in both if not below_none(visit, slot, score)]
        arms, scores = [arm for arm, _ in kept], [score for _, score in kept]
    return Candidates(arms, scores)


def offer_objection(visit: Visit, slot: Slot, page: Page, offer: int) -> ArmReason:
    """What speaks against all arms of an eligible offer here; CANDIDATE (0) if nothing."""
    for objection in (_place, _window, _age, _pause, _caps, _identity):
        if reason := objection(visit, slot, offer):
            return reason
    return exclusion(visit.bundle, page, offer)


def arm_objection(visit: Visit, page: Page, arm: int) -> ArmReason:
    """What speaks against one arm of an offer that nothing speaks against."""
    tables = visit.bundle.tables
    if tables.rung_key[arm - 1] in visit.manifest.paused_rungs:
        return ArmReason.ARM_PAUSED
    return guard(tables, visit.cart, arm, visit.incentive(arm), page.micros, page.floor)


def score_of(visit: Visit, slot: Slot, arm: int) -> int:
    tables = visit.bundle.tables
    model, incentive = tables.placement_model[slot.placement], visit.incentive(arm) or 0
    multiplier = visit.multiplier(arm)
    return score(visit.bundle, visit.situation, visit.cart, model, arm, incentive, multiplier)


def below_none(visit: Visit, slot: Slot, value: int) -> bool:
    """Whether exploring this arm would lose more than the placement may."""
    tables = visit.bundle.tables
    explores = tables.placement_policy[slot.placement] in (t.EPSILON, t.INVERSE_GAP)
    return explores and value < -tables.placement_loss[slot.placement]


def _place(visit: Visit, slot: Slot, offer: int) -> ArmReason:
    tables = visit.bundle.tables
    places = tables.place_placement[tables.offer_place[offer] : tables.offer_place[offer + 1]]
    return ArmReason.CANDIDATE if slot.placement in places else ArmReason.NOT_OFFERED_HERE


def _window(visit: Visit, slot: Slot, offer: int) -> ArmReason:
    tables, now_s = visit.bundle.tables, visit.request.now_s
    inside = tables.offer_from_s[offer] <= now_s < tables.offer_until_s[offer]
    return ArmReason.CANDIDATE if inside else ArmReason.OUTSIDE_WINDOW


def _age(visit: Visit, slot: Slot, offer: int) -> ArmReason:
    age_s = visit.request.now_s - visit.manifest.issued_s
    fresh = age_s <= visit.bundle.tables.offer_max_age_s[offer]
    return ArmReason.CANDIDATE if fresh else ArmReason.POLICY_TOO_OLD


def _pause(visit: Visit, slot: Slot, offer: int) -> ArmReason:
    paused = visit.bundle.tables.offer_key[offer] in visit.manifest.paused_offers
    return ArmReason.ARM_PAUSED if paused else ArmReason.CANDIDATE


def _caps(visit: Visit, slot: Slot, offer: int) -> ArmReason:
    tables, state = visit.bundle.tables, visit.state
    for cap in tables.limit_cap[tables.offer_limit[offer] : tables.offer_limit[offer + 1]]:
        if tables.cap_placement[cap] not in (-1, slot.placement):
            continue
        if tables.cap_strict[cap] and (state is None or state.overflow):
            return ArmReason.CAP_UNKNOWN
        window = window_index(visit.request.now_s, tables.cap_period_s[cap])
        if state and state.count(tables.cap_key[cap], window) >= tables.cap_count[cap]:
            return ArmReason.CAP_REACHED
    return ArmReason.CANDIDATE


def _identity(visit: Visit, slot: Slot, offer: int) -> ArmReason:
    tables = visit.bundle.tables
    flags = tables.offer_flags[offer]
    if visit.request.consent != CONTEXTUAL or flags & t.WITHOUT_IDENTITY:
        return ArmReason.CANDIDATE
    capped = tables.offer_limit[offer + 1] > tables.offer_limit[offer]
    return ArmReason.NEEDS_IDENTITY if capped or flags & t.TOKEN else ArmReason.CANDIDATE


def disclosure(visit: Visit, arm: int) -> bool:
    """Whether the law where the visitor is asks for a notice on personalised prices."""
    tables = visit.bundle.tables
    country = tables.head[t.HEAD_COUNTRY]
    if not arm or country < 0:
        return False
    offer = tables.rung_offer[arm - 1]
    texts = tables.disclosure_text[
        tables.offer_disclosure[offer] : tables.offer_disclosure[offer + 1]
    ]
    cell = visit.situation.cells[country]
    words = visit.bundle.gauges[country].words
    places = {words.get(visit.bundle.text(text).encode()) for text in texts}
    return cell in places or (len(texts) > 0 and cell < 0)
