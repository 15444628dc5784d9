"""The status of a draft and of its offers: computed here, and nowhere else.

Console, API, publishing and tests read what these functions say.  A draft's state is the
first of these that is true:

    discarded           somebody gave it up
    published           its content is live, or was since the draft began
    out-of-date         something else went live since: publishing this would undo that
    editing             nothing is changed yet
    invalid             the compiler found errors
    approved            enough people approved exactly this content
    rejected            somebody rejected exactly this content
    changes-requested   somebody asked for changes
    in-review           somebody was asked
    ready-for-review    it compiles, and nobody was asked yet

A review of content that was edited since is void; the draft is ready for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from control_plane.drafting.drafts import Draft
from control_plane.drafting.validating import Check
from control_plane.reviewing.approvals import Standing
from edge.decision.bundle import Bundle
from edge.decision.claims import Paused
from policy_compiler.catalog import Offer
from policy_compiler.explain import list_policy

DraftState = Literal[
    "discarded", "published", "out-of-date", "editing", "invalid", "approved", "rejected",
    "changes-requested", "in-review", "ready-for-review",
]  # fmt: skip

WORDS: dict[DraftState, str] = {
    "discarded": "It was given up; its revisions are kept.",
    "published": "Its content is live, or was.",
    "out-of-date": "Something else went live meanwhile; rebase the draft onto it.",
    "editing": "Nothing is changed yet.",
    "invalid": "The compiler found errors; correct them.",
    "approved": "It may be published.",
    "rejected": "It was rejected; edit it, then ask again.",
    "changes-requested": "Somebody asked for changes.",
    "in-review": "It waits for approval.",
    "ready-for-review": "It compiles; ask for a review.",
}


class Place(Struct, frozen=True, kw_only=True):
    """How a draft lies to what is live.

    `live`: that content ("": unknown).  `is_behind`: it is none that the draft departs from.
    `was_published`: the draft's head went live, and the draft was not edited since.
    """

    live: str
    is_behind: bool
    was_published: bool


class DraftStatus(Struct, frozen=True, kw_only=True):
    """`live` is the content that is live ("": unknown).  `review` is the newest review, null if
    there was none; `voided`: it was of another content.  `approvals` of how many `needed`."""

    state: DraftState
    detail: str
    live: str
    errors: int
    warnings: int
    notes: int
    review: str | None
    voided: bool
    approvals: int
    needed: int


def draft_status(
    draft: Draft,
    check: Check,
    *,
    place: Place,
    standing: Standing | None,
    needed: int,
) -> DraftStatus:
    """`check`: of its head; `standing`: its newest review."""
    current = standing if standing and standing.content_hash == draft.head else None
    voided = standing is not None and current is None
    state = _state(draft, check, place, current)
    return DraftStatus(
        state=state,
        detail=_void(state) if voided else WORDS[state],
        live=place.live,
        errors=check.errors,
        warnings=check.warnings,
        notes=check.notes,
        review=standing.review if standing else None,
        voided=voided,
        approvals=len(current.approvers) if current and current.state == "open" else 0,
        needed=max(needed, current.needed) if current else needed,
    )


def _void(state: DraftState) -> str:
    if state != "ready-for-review":
        return WORDS[state]
    return "It was edited since its review, which is void; ask for a new one."


def _state(draft: Draft, check: Check, place: Place, current: Standing | None) -> DraftState:
    if draft.state == "discarded":
        return "discarded"
    if place.was_published and draft.head != draft.base:
        return "published"
    if place.is_behind:
        return "out-of-date"
    if draft.head == draft.base:
        return "editing"
    if not check.is_valid:
        return "invalid"
    return _reviewed(current)


def _reviewed(current: Standing | None) -> DraftState:
    if current is None or current.state in ("withdrawn", "superseded"):
        return "ready-for-review"
    if current.is_approved:
        return "approved"
    if current.state == "rejected":
        return "rejected"
    if "request-changes" in current.verdicts.values():
        return "changes-requested"
    return "in-review"


# --- offers -------------------------------------------------------------------

OfferState = Literal["live", "paused", "scheduled", "ended", "draft-only"]
Edited = Literal["same", "changed", "added", "removed", "unknown"]


class OfferStatus(Struct, frozen=True, kw_only=True):
    """An offer where it is live (`state`), and what the draft does to it (`edited`).

    `draft-only`: it is not live, publishing makes it so.  `unknown`: what the live policy was
    compiled from is not known.  Bounds of its window in Unix seconds, null: unbounded.
    """

    id: str
    title: str
    state: OfferState
    edited: Edited
    starts_s: int | None
    ends_s: int | None


def offer_statuses(
    drafted: Mapping[str, Offer],
    live: Bundle | None,
    paused: Paused,
    now_s: int,
    written: Mapping[str, Offer] | None,
) -> list[OfferStatus]:
    """Every offer that is live or drafted, by id.  `written`: those of the live content."""
    found = [
        OfferStatus(
            id=offer.id,
            title=drafted[offer.id].title if offer.id in drafted else offer.title,
            state=_running(
                offer.paused or _is_paused(paused, offer.id, offer.placements),
                offer.from_s,
                offer.until_s,
                now_s,
            ),
            edited=_edited(offer.id, drafted, written),
            starts_s=offer.from_s,
            ends_s=offer.until_s,
        )
        for offer in (list_policy(live).offers if live else [])
    ]
    known = {each.id for each in found}
    found += [_draft_only(offer) for name, offer in drafted.items() if name not in known]
    return sorted(found, key=lambda each: each.id)


def _draft_only(offer: Offer) -> OfferStatus:
    return OfferStatus(
        id=offer.id,
        title=offer.title,
        state="draft-only",
        edited="added",
        starts_s=None,
        ends_s=None,
    )


def _is_paused(paused: Paused, offer: str, placements: list[str]) -> bool:
    everywhere = bool(placements) and set(placements) <= set(paused.placements)
    return paused.all or offer in paused.offers or everywhere


def _running(is_paused: bool, from_s: int | None, until_s: int | None, now_s: int) -> OfferState:
    if until_s is not None and until_s <= now_s:
        return "ended"
    if is_paused:
        return "paused"
    return "scheduled" if from_s is not None and now_s < from_s else "live"


def _edited(
    offer: str, drafted: Mapping[str, Offer], written: Mapping[str, Offer] | None
) -> Edited:
    if offer not in drafted:
        return "removed"
    if written is None or offer not in written:
        return "unknown"
    return "same" if drafted[offer] == written[offer] else "changed"
