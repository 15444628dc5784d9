"""Why each offer is, or is not, what a slot shows.

Explanations ask the same functions that decide (`candidacy`, `guardrails`,
`scoring`, `choosing`), for every offer and without stopping at the first.  A rule
that is not true is answered in its own words, with what was sent and the smallest
change that makes it true (`repair.py`).  Any other objection is answered with its
numbers (`objections.py`), and a score with each of its terms, which add up to it.
What would help is tried, and whatever speaks against the arm then is told too (`remedy.py`).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from . import beacon
from . import tables as t
from .against import Against, against_arm, against_by, against_offer
from .beacon import Row
from .bundle import Bundle
from .candidacy import score_of
from .decide import verdict_on
from .facts import RequestFacts, check_readable
from .manifest import ManifestBlock
from .objections import Place, not_among_best, not_shown
from .reasons import ArmReason, Reason
from .remedy import Remedies
from .repair import Change
from .request import Request
from .scoring import Shared, bias, shared_by_arms, terms_of, weight, worth
from .visit import Slot, Visit, begin

UNDECIDED = (Reason.NO_CONSENT, Reason.STALE, Reason.PAUSED, Reason.NO_CUSTOMER)
"""Reasons of slots for which no arm was asked."""


class Part(Struct, frozen=True, omit_defaults=True):
    """One summand of a score: what it is, its weight in the model (score units, or 1/64 of
    a logit), and what it adds to the score.  What showing nothing has too adds nothing.
    """

    name: str
    weight: int
    micros: int = 0


class ArmExplained(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One arm in one slot.  Money in micros, tickets out of 2^20."""

    arm: str
    title: str = ""
    reason: str
    because: str = ""
    """What speaks against it, or why another candidate is shown; in words and numbers."""
    flips: tuple[str, ...] = ()
    """The smallest change that would remove that, and what would speak against it then, one
    after the other; all of it must happen."""
    changes: tuple[Change, ...] = ()
    """Where attributes can do that: values that were tried."""
    still: str = ""
    """What speaks against it even so; if empty and `changes` are not, it is a candidate."""
    score_micros: int | None = None
    incentive_micros: int | None = None
    tickets: int = 0
    parts: tuple[Part, ...] = ()
    """They add up to `score_micros`."""


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
    """Explain the verdict on these inputs.  Raises `RequestError` as `decide` does, and
    `BundleError` for notes that do not fit the bundle."""
    check_readable(bundle)
    visit = begin(bundle, manifest, request)
    page, explained = visit.page(), []
    facts = RequestFacts(bundle, request, visit.situation)
    for position, row in enumerate(verdict_on(bundle, manifest, request)):
        place = Place(visit, facts, Slot(row.placement, row.slot), page)
        remedies = Remedies(manifest, place, position)
        offers = range(0 if row.ghost.reason in UNDECIDED else bundle.rows["offer"])
        arms = [each for offer in offers for each in _explain_offer(place, remedies, offer, row)]
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


def _explain_offer(place: Place, remedies: Remedies, offer: int, row: Row) -> list[ArmExplained]:
    against = against_offer(place, offer)
    return [
        _explain_arm(place, remedies, against, arm, row) for arm in place.visit.bundle.arms(offer)
    ]


def _explain_arm(
    place: Place, remedies: Remedies, against: Against | None, arm: int, row: Row
) -> ArmExplained:
    """`against`: what speaks against all of the offer's arms."""
    bundle, scored = place.visit.bundle, against is None
    against = against or against_arm(place, arm) or _not_chosen(place, arm, row)
    remedy = remedies.remedy(arm, against)
    told = ArmExplained(
        arm=bundle.arm_name(arm),
        title=bundle.notes.offers[bundle.tables.rung_offer[arm - 1]].title,
        reason=against.reason.name,
        because=against.because,
        flips=remedy.flips,
        changes=remedy.changes,
        still=remedy.still,
    )
    return _with_score(place, told, arm, row) if scored else told


def _with_score(place: Place, told: ArmExplained, arm: int, row: Row) -> ArmExplained:
    visit = place.visit
    return msgspec.structs.replace(
        told,
        score_micros=score_of(visit, place.slot, arm) * visit.bundle.head(t.HEAD_SCORE_UNIT),
        incentive_micros=visit.incentive(arm),
        tickets=dict(row.ghost.listed).get(arm, 0),
        parts=parts_of(visit, place.slot, arm),
    )


def _not_chosen(place: Place, arm: int, row: Row) -> Against:
    """Why a candidate was not among those drawn from, or not drawn; because "": it was."""
    visit, unit = place.visit, place.visit.bundle.head(t.HEAD_SCORE_UNIT)
    value = score_of(visit, place.slot, arm)
    if row.ghost.draw == beacon.FRESH and arm not in dict(row.ghost.listed):
        least = min(score_of(visit, place.slot, each) for each, _ in row.ghost.listed if each)
        return against_by(ArmReason.NOT_AMONG_BEST, not_among_best(value, least, unit))
    return against_by(ArmReason.CANDIDATE, not_shown(place, row.ghost, arm, value))


# --- scores -------------------------------------------------------------------


def parts_of(visit: Visit, slot: Slot, arm: int) -> tuple[Part, ...]:
    """The summands of the arm's score in the placement's model.

    Each adds what the score rises by when it is put on top of those before it.
    """
    tables = visit.bundle.tables
    model = tables.placement_model[slot.placement]
    if model < 0:
        return ()
    tower = _Tower(visit, model, arm)
    parts = [
        Part("constant", tables.model_constant[model]),
        Part("incentive", 0, tower.rise()),
        tower.part("arm", bias(tables, model, arm), t.ARM),
    ]
    for term in terms_of(tables, model):
        role = tables.term_role[term]
        at = weight(tables, visit.situation, term, arm if role == t.ARM else 0)
        parts.append(tower.part(_term_name(visit.bundle, term, role), at, role))
    tower.multiplier = visit.multiplier(arm)
    parts.append(Part("budget", 0, tower.rise()))
    return tuple(part for part in parts if part.weight or part.micros)


class _Tower:
    """A score that grows by one weight after the other, on what showing nothing is worth."""

    def __init__(self, visit: Visit, model: int, arm: int) -> None:
        self.visit, self.model, self.arm = visit, model, arm
        self.none = shared_by_arms(visit.bundle.tables, visit.situation, model).none
        self.sensitivity = self.own = self.multiplier = self.height = 0

    def part(self, name: str, weight: int, role: int) -> Part:
        self.sensitivity += weight * (role == t.SENSITIVITY)
        self.own += weight * (role == t.ARM)
        return Part(name, weight, self.rise())

    def rise(self) -> int:
        """What the score, in micros, is more than when this was last asked."""
        visit, shared = self.visit, Shared(self.none, self.sensitivity)
        incentive, before = visit.incentive(self.arm) or 0, self.height
        self.height = worth(
            visit.bundle.tables, visit.cart, self.model, self.arm, shared, self.own, incentive,
            self.multiplier,
        )  # fmt: skip
        return (self.height - before) * visit.bundle.head(t.HEAD_SCORE_UNIT)


def _term_name(bundle: Bundle, term: int, role: int) -> str:
    tables = bundle.tables
    names = [bundle.text(tables.attribute_name[tables.term_left[term]])]
    if tables.term_right[term] >= 0:
        names.append(bundle.text(tables.attribute_name[tables.term_right[term]]))
    return f"{('base', 'sensitivity', 'arm')[role]}: {' x '.join(names)}"
