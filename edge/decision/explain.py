"""Why each offer is, or is not, what a slot shows.

Explanations ask the same functions that decide (`candidacy`, `guardrails`,
`scoring`, `choosing`), for every offer and without stopping at the first.  A rule
that is not true is answered in its own words: the fewest leaves that would have to
change (`repairs`), each with what was sent.  A guardrail is answered with its
numbers, and a score with each of its terms.
"""

from __future__ import annotations

from msgspec import Struct

from . import beacon
from . import tables as t
from .arbitration import Page
from .beacon import Row
from .bundle import Bundle
from .candidacy import arm_objection, below_none, offer_objection, score_of
from .decide import verdict_on
from .facts import RequestFacts, decimal_text
from .guardrails import ceiling_of, floor_of
from .manifest import ManifestBlock
from .reasons import ArmReason, Reason
from .request import Request
from .rule import And, Conditional, Constant, Has, Leaf, Node, Not, Or, truth
from .scoring import bias, find, term_bin
from .visit import Slot, Visit, begin

UNDECIDED = (Reason.NO_CONSENT, Reason.STALE, Reason.PAUSED, Reason.NO_CUSTOMER)
"""Reasons of slots for which no arm was asked."""


class Part(Struct, frozen=True):
    """One summand of a score: what it is, and its weight (score units, or 1/64 logits)."""

    name: str
    weight: int


class ArmExplained(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One arm in one slot.  Money in micros, tickets out of 2^20."""

    arm: str
    title: str = ""
    reason: str
    because: str = ""
    """What speaks against it, in words and numbers."""
    flips: tuple[str, ...] = ()
    """The smallest change that would remove the objection."""
    score_micros: int | None = None
    incentive_micros: int | None = None
    tickets: int = 0
    parts: tuple[Part, ...] = ()


class SlotExplained(Struct, frozen=True, kw_only=True):
    """What a slot shows and why; for a held-out unit `arms` tell the ghost track.

    `arms` is empty where no choice was made at all; `reason` then says why.
    """

    placement: str
    slot: int
    reason: str
    shown: str
    would_show: str
    arms: tuple[ArmExplained, ...]


def explain(bundle: Bundle, manifest: ManifestBlock, request: Request) -> list[SlotExplained]:
    """Explain the verdict on these inputs.  Raises `RequestError` as `decide` does."""
    visit = begin(bundle, manifest, request)
    page, explained = visit.page(), []
    facts = RequestFacts(bundle, request, visit.situation)
    for row in verdict_on(bundle, manifest, request):
        slot = Slot(row.placement, row.slot)
        offers = range(0 if row.ghost.reason in UNDECIDED else bundle.rows["offer"])
        arms = [
            each
            for offer in offers
            for each in _explain_offer(visit, facts, slot, page, offer, row)
        ]
        explained.append(_slot(bundle, row, arms))
        visit.take(page, row.ghost.arm)
    return explained


def _slot(bundle: Bundle, row: Row, arms: list[ArmExplained]) -> SlotExplained:
    return SlotExplained(
        placement=bundle.placement_name(row.placement),
        slot=row.slot,
        reason=Reason(row.shown.reason).name,
        shown=bundle.arm_name(row.shown.arm),
        would_show=bundle.arm_name(row.ghost.arm),
        arms=tuple(arms),
    )


def _explain_offer(
    visit: Visit, facts: RequestFacts, slot: Slot, page: Page, offer: int, row: Row
) -> list[ArmExplained]:
    note = visit.bundle.notes.offers[offer]
    reason, because, flips = _offer_reason(visit, facts, slot, page, offer)
    names = [visit.bundle.arm_name(arm) for arm in visit.bundle.arms(offer)]
    if reason:
        return [
            ArmExplained(
                arm=name, title=note.title, reason=reason.name, because=because, flips=flips
            )
            for name in names
        ]
    arms = zip(visit.bundle.arms(offer), names, strict=True)
    return [_explain_arm(visit, slot, page, arm, name, note.title, row) for arm, name in arms]


def _offer_reason(
    visit: Visit, facts: RequestFacts, slot: Slot, page: Page, offer: int
) -> tuple[ArmReason, str, tuple[str, ...]]:
    if reason := offer_objection(visit, slot, page, offer):
        return reason, OBJECTIONS[reason], ()
    note = visit.bundle.notes.offers[offer]
    tiers = (
        (note.daypart, ArmReason.OUTSIDE_WINDOW),
        (note.eligible, ArmReason.NOT_ELIGIBLE),
        (note.applicable, ArmReason.NOT_APPLICABLE),
        (note.suitable, ArmReason.NOT_SUITABLE),
    )
    for rule, reason in tiers:
        if rule is not None and truth(rule, facts) is not True:
            flips = tuple(text for _, text in repairs(rule, facts, True) or ())
            return reason, first_failure(rule, facts), flips
    return ArmReason.CANDIDATE, "", ()


def _explain_arm(
    visit: Visit, slot: Slot, page: Page, arm: int, name: str, title: str, row: Row
) -> ArmExplained:
    reason = arm_objection(visit, page, arm)
    value, incentive = score_of(visit, slot, arm), visit.incentive(arm)
    because = _guardrail(visit, page, arm, reason) if reason else ""
    listed = dict(row.ghost.listed)
    if not reason and below_none(visit, slot, value):
        reason, because = ArmReason.BELOW_NONE, OBJECTIONS[ArmReason.BELOW_NONE]
    elif not reason and row.ghost.draw == beacon.FRESH and arm not in listed:
        reason, because = ArmReason.NOT_AMONG_BEST, OBJECTIONS[ArmReason.NOT_AMONG_BEST]
    return ArmExplained(
        arm=name,
        title=title,
        reason=reason.name,
        because=because,
        score_micros=value * visit.bundle.head(t.HEAD_SCORE_UNIT),
        incentive_micros=incentive,
        tickets=listed.get(arm, 0),
        parts=parts_of(visit, slot, arm),
    )


OBJECTIONS = {
    ArmReason.NOT_OFFERED_HERE: "The offer is not made at this placement.",
    ArmReason.OUTSIDE_WINDOW: "Now is outside the offer's window.",
    ArmReason.POLICY_TOO_OLD: "The policy is older than the offer allows.",
    ArmReason.ARM_PAUSED: "It is paused.",
    ArmReason.CAP_REACHED: "This unit has seen it as often as its cap allows.",
    ArmReason.CAP_UNKNOWN: "Its strict cap cannot be checked: the state is missing or shortened.",
    ArmReason.NEEDS_IDENTITY: "It is capped or worth money, and there is no identity to hold it.",
    ArmReason.OFFER_TAKEN: "The same offer is on this page already.",
    ArmReason.GROUP_TAKEN: "An offer of the same exclusivity group is on this page already.",
    ArmReason.NOT_STACKABLE: "It does not combine with an offer that is on this page already.",
    ArmReason.TAKEN_UNKNOWN: "An earlier call took an offer that this policy does not know.",
    ArmReason.COST_UNKNOWN: "Its cost or the cart's margin cannot be computed.",
    ArmReason.BELOW_NONE: "It scores worse than showing nothing by more than may be lost here.",
    ArmReason.NOT_AMONG_BEST: "31 other candidates score better.",
}


def _guardrail(visit: Visit, page: Page, arm: int, reason: ArmReason) -> str:
    incentive = visit.incentive(arm)
    if reason == ArmReason.OVER_CEILING and incentive is not None:
        ceiling = ceiling_of(visit.bundle.tables, visit.cart, arm) or 0
        return f"It costs {_money(incentive)}; at most {_money(ceiling)} is allowed."
    if reason == ArmReason.UNDER_FLOOR and incentive is not None:
        floor = max(floor_of(visit.bundle.tables, visit.cart, arm), page.floor)
        taken, margin = page.micros or 0, visit.cart.margin or 0
        return (
            f"The cart's margin of {_money(margin)} less {_money(incentive)} for this and "
            f"{_money(taken)} for what is taken leaves {_money(margin - incentive - taken)}; "
            f"at least {_money(floor)} must be left."
        )
    return OBJECTIONS[reason]


def _money(micros: int) -> str:
    return decimal_text(micros // 10_000, 2)


def parts_of(visit: Visit, slot: Slot, arm: int) -> tuple[Part, ...]:
    """The summands of the arm's score in the placement's model."""
    tables = visit.bundle.tables
    model = tables.placement_model[slot.placement]
    if model < 0:
        return ()
    parts = [Part("constant", tables.model_constant[model]), Part("arm", bias(tables, model, arm))]
    for term in range(tables.model_term[model], tables.model_term[model + 1]):
        role = tables.term_role[term]
        first, last = tables.term_row[term], tables.term_row[term + 1]
        row = find(tables.row_arm, arm if role == t.ARM else 0, first, last)
        if row >= 0:
            at = tables.row_weight[row] + term_bin(tables, visit.situation, term)
            parts.append(Part(_term_name(visit.bundle, term, role), tables.weight_value[at]))
    return tuple(part for part in parts if part.weight)


def _term_name(bundle: Bundle, term: int, role: int) -> str:
    tables = bundle.tables
    names = [bundle.text(tables.attribute_name[tables.term_left[term]])]
    if tables.term_right[term] >= 0:
        names.append(bundle.text(tables.attribute_name[tables.term_right[term]]))
    return f"{('base', 'sensitivity', 'arm')[role]}: {' x '.join(names)}"


Repair = tuple[Node, str]


def repairs(node: Node, facts: RequestFacts, wanted: bool) -> list[Repair] | None:
    """The fewest leaves whose change makes a rule what is wanted; None if none can."""
    if truth(node, facts) is wanted:
        return []
    match node:
        case Not():
            return repairs(node.part, facts, not wanted)
        case And() | Or():
            options = [repairs(part, facts, wanted) for part in node.parts]
            return _all(options) if isinstance(node, And) == wanted else _fewest(options)
        case Conditional():
            then = [repairs(node.test, facts, True), repairs(node.then, facts, wanted)]
            otherwise = [repairs(node.test, facts, False), repairs(node.otherwise, facts, wanted)]
            return _fewest([_all(then), _all(otherwise)])
        case Constant():
            return None
        case _:
            return [(node, _change(node, facts, wanted))]


def _all(options: list[list[Repair] | None]) -> list[Repair] | None:
    if any(option is None for option in options):
        return None
    return [repair for option in options for repair in option or ()]


def _fewest(options: list[list[Repair] | None]) -> list[Repair] | None:
    possible = [option for option in options if option is not None]
    return min(possible, key=len) if possible else None


def _change(leaf: Leaf, facts: RequestFacts, wanted: bool) -> str:
    if isinstance(leaf, Has):
        return f"{leaf.attribute} must {'be' if wanted else 'not be'} sent"
    need = leaf.text or leaf.attribute
    return f"{need} must hold" if wanted else f"{need} must not hold"


def first_failure(rule: Node, facts: RequestFacts) -> str:
    """The first leaf that stands in the way, in the rule's words, and what was sent."""
    found = repairs(rule, facts, True)
    if not found:
        return "The rule cannot be true."
    leaf, change = found[0]
    assert isinstance(leaf, Leaf)
    value = facts.value(leaf.attribute)
    if value is None:
        return f"{change}: {leaf.attribute} is {facts.state(leaf.attribute)}."
    return f"{change}: {leaf.attribute} is {facts.written(leaf.attribute, value)}."
