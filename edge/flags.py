"""Decisions as feature flags: what OpenFeature's SDKs make of an offer.

A placement is a flag, and every flag has two faces:

    home_hero       object   the first slot as `/_proffer/decide` tells it, `more` of them behind
    home_hero.arm   string   "offer/rung", or "none"

A flag without `value` is *code default* in OFREP: the application shows its own.  So it
is wherever the decision is to show nothing of ours; only the string says "none", if that
was decided and not merely for want of a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from edge.answering import PolicyName
from edge.deciding import Decided
from edge.decision.notes import Creative
from edge.decision.reasons import Reason
from edge.decision.token import SubjectKind
from edge.vouching import Ignored

ARM = ".arm"

REASONS: Mapping[Reason, str] = {
    Reason.BEST: "TARGETING_MATCH",
    Reason.EXPLORED: "SPLIT",
    Reason.KEPT: "SPLIT",
    Reason.NONE_WON: "DEFAULT",
    Reason.NO_CANDIDATE: "DEFAULT",
    Reason.HOLDOUT: "SPLIT",
    Reason.GLOBAL_HOLDOUT: "SPLIT",
    Reason.NO_CONSENT: "DISABLED",
    Reason.NO_CUSTOMER: "DEFAULT",
    Reason.STALE: "STALE",
    Reason.PAUSED: "DISABLED",
    Reason.UNKNOWN_PLACEMENT: "ERROR",
    Reason.NO_POLICY: "ERROR",
    Reason.BAD_REQUEST: "ERROR",
    Reason.FAILED: "ERROR",
    Reason.NOT_CONFIRMED: "DEFAULT",
}
"""Ours -> OpenFeature's; ours stands in the metadata."""


class Offered(Struct, frozen=True, kw_only=True):
    """One slot; the fields are those of `Decided`."""

    slot: int
    offer: str
    rung: str
    creative: Creative
    token: str | None
    subject_kind: SubjectKind | None
    expires_s: int | None
    disclosure: bool
    decision: str
    track: str
    receipt: str


class Offer(Offered, frozen=True, kw_only=True):
    """The value of a flag: its first slot, and the placement's other slots."""

    more: list[Offered] = []


class Metadata(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Flat, as OFREP wants it: what to report an exposure with, and who decided.

    `ignored` are context fields that were not used, and why.
    """

    reason: str = ""
    decision: str = ""
    slot: int = 0
    track: str = ""
    receipt: str = ""
    sequence: int = 0
    bundle: str = ""
    ignored: str = ""


class Flag(Struct, frozen=True, kw_only=True):
    """A successful evaluation of OFREP."""

    key: str
    value: Offer | str | UnsetType = UNSET
    reason: str
    variant: str
    metadata: Metadata


class NoFlag(Struct, frozen=True, kw_only=True):
    """A failed one, in a bulk answer."""

    key: str
    errorCode: str
    errorDetails: str


def placement_of(key: str, names: Iterable[str]) -> tuple[str, bool]:
    """The placement that a flag's key means, and whether it is asked for as a string."""
    is_arm = key.endswith(ARM) and key not in names
    return (key.removesuffix(ARM), True) if is_arm else (key, False)


def flags_of(
    decisions: Sequence[Decided], ignored: Sequence[Ignored], policy: PolicyName | None
) -> list[Flag]:
    """Both flags of each placement, in the order of the decisions."""
    told = "; ".join(f"{each.name}: {each.why}" for each in ignored)
    flags: list[Flag] = []
    for _, group in groupby(decisions, lambda decided: decided.placement):
        slots = list(group)
        flags += [object_flag(slots, told, policy), arm_flag(slots[0], told, policy)]
    return flags


def object_flag(slots: Sequence[Decided], ignored: str, policy: PolicyName | None) -> Flag:
    first = slots[0]
    return Flag(
        key=first.placement,
        value=_offer(slots) if any(slot.offer for slot in slots) else UNSET,
        reason=REASONS[Reason[first.reason]],
        variant=first.arm,
        metadata=_metadata(first, ignored, policy),
    )


def arm_flag(decided: Decided, ignored: str, policy: PolicyName | None) -> Flag:
    return Flag(
        key=decided.placement + ARM,
        value=decided.arm if decided.decision else UNSET,
        reason=REASONS[Reason[decided.reason]],
        variant=decided.arm,
        metadata=_metadata(decided, ignored, policy),
    )


def _offer(slots: Sequence[Decided]) -> Offer:
    return Offer(**_fields(slots[0]), more=[Offered(**_fields(slot)) for slot in slots[1:]])


def _fields(decided: Decided) -> dict[str, Any]:
    return {name: getattr(decided, name) for name in Offered.__struct_fields__}


def _metadata(decided: Decided, ignored: str, policy: PolicyName | None) -> Metadata:
    return Metadata(
        reason=decided.reason,
        decision=decided.decision,
        slot=decided.slot,
        track=decided.track if decided.decision else "",
        receipt=decided.receipt,
        sequence=policy.sequence if policy else 0,
        bundle=policy.bundle if policy else "",
        ignored=ignored,
    )
