"""The first thing that speaks against an arm: its offer, its rule, a guardrail, its score.

Asked of the same functions that decide (`candidacy`), in their order; a rule is answered
from its tree, and with the smallest change that makes all rules of the offer true.
"""

from __future__ import annotations

from msgspec import Struct

from . import tables as t
from .candidacy import arm_objection, below_none, offer_objection, score_of
from .facts import RequestFacts
from .objections import Objection, Place, arm_objected, below_nothing, offer_objected
from .reasons import ArmReason
from .repair import Change, Sender, options, smallest
from .rule import And, Node, truth


class Against(Struct, frozen=True):
    """An objection and its reason; `flips` in words and `changes` to send would remove it."""

    reason: ArmReason
    because: str
    flips: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


def against_by(reason: ArmReason, told: Objection) -> Against:
    return Against(reason, told.because, told.flips, told.changes)


def against_offer(place: Place, offer: int) -> Against | None:
    """What speaks against all of an offer's arms."""
    if reason := offer_objection(place.visit, place.slot, place.page, offer):
        return against_by(reason, offer_objected(place, offer, reason))
    return against_rules(place, offer)


def against_rules(place: Place, offer: int) -> Against | None:
    note = place.visit.bundle.notes.offers[offer]
    tiers = (
        (note.daypart, ArmReason.OUTSIDE_WINDOW),
        (note.eligible, ArmReason.NOT_ELIGIBLE),
        (note.applicable, ArmReason.NOT_APPLICABLE),
        (note.suitable, ArmReason.NOT_SUITABLE),
    )
    rules = [rule for rule, _ in tiers if rule is not None]
    for rule, reason in tiers:
        if rule is not None and truth(rule, place.facts) is not True:
            whole = rule if len(rules) == 1 else And(parts=tuple(rules))
            return _against_rule(place, rule, whole, reason)
    return None


def _against_rule(place: Place, rule: Node, whole: Node, reason: ArmReason) -> Against:
    """`rule` is not true; `whole` is all that would have to be."""
    best = smallest(whole, Sender(place.visit.bundle, place.visit.request, place.facts))
    flips = tuple(repair.words for repair in best.repairs)
    return Against(reason, first_failure(rule, place.facts), flips, best.changes)


def first_failure(rule: Node, facts: RequestFacts) -> str:
    """The first leaf that stands in the way, in the rule's words, and what was sent."""
    found = options(rule, facts, True)
    if not found:
        return "The rule cannot be true."
    repair = found[0][0]
    name, value = repair.leaf.attribute, facts.value(repair.leaf.attribute)
    sent = facts.state(name) if value is None else facts.written(name, value)
    return f"{repair.words}: {name} is {sent}."


def against_arm(place: Place, arm: int) -> Against | None:
    """What speaks against one arm of an offer that nothing speaks against."""
    visit = place.visit
    if reason := arm_objection(visit, place.page, arm):
        return against_by(reason, arm_objected(place, arm, reason))
    value = score_of(visit, place.slot, arm)
    if not below_none(visit, place.slot, value):
        return None
    loss = visit.bundle.tables.placement_loss[place.slot.placement]
    unit = visit.bundle.head(t.HEAD_SCORE_UNIT)
    return against_by(ArmReason.BELOW_NONE, below_nothing(value, loss, unit))
