"""The decision function: which arm each slot shows.  This file is its definition.

    decide(bundle, manifest block, encoded request) -> verdict

It is pure: no clock, no chance, no I/O; the same bytes give the same bytes on every
runtime.  The rules of the game, in order (DESIGN section 7):

 1. An expired manifest and consent `none` give defaults.
 2. Each attribute is put into its state and cell (`situation.py`); the clauses that
    hold follow, and with them the eligible offers (`eligibility.py`).
 3. Wanted placements are walked by (rank, row), their slots in order, on two tracks:
    *shown*, and *ghost* as if no holdout applied (`arbitration.py`).
 4. For each slot: candidates (defined by `candidacy.py`, found by `quick.py`), within
    guardrails (`guardrails.py`); their scores (`scoring.py`); shares of T for none and
    the at most 31 best (`choosing.py`); then the kept arm of this epoch if it is still a
    candidate, else a fresh draw with this unit's word.
 5. A held-out unit gets the default on the shown track and takes nothing there.

A unit is the visitor or the customer, as the placement says; with consent
`contextual` it is the page session's nonce, no holdout applies, no state is read and
no customer is known.  Without state every draw uses the nonce, too.
"""

from __future__ import annotations

from msgspec import Struct

from . import beacon, choosing
from . import tables as t
from .arbitration import Page
from .beacon import Row, Track, Verdict
from .bundle import Bundle
from .candidacy import disclosure
from .hashing import in_share, ticket
from .manifest import ManifestBlock, unpack_manifest
from .quick import quick_candidates
from .reasons import Reason
from .request import CONTEXTUAL, NONE, Request, unpack_request
from .visit import Slot, Visit, begin


def decide(bundle: Bundle, manifest: bytes, request: bytes) -> bytes:
    """Verdict bytes.  Raises `RequestError` if manifest block or request is malformed."""
    return beacon.pack_verdict(
        verdict_on(bundle, unpack_manifest(manifest), unpack_request(request))
    )


def verdict_on(bundle: Bundle, manifest: ManifestBlock, request: Request) -> Verdict:
    """The same, on decoded inputs."""
    visit = begin(bundle, manifest, request)
    slots = slots_in_order(bundle, request)
    if reason := no_decision(manifest, request):
        return tuple(default_row(visit, slot, reason) for slot in slots)
    shown, ghost = visit.page(), visit.page()
    return tuple(decide_slot(visit, slot, shown, ghost) for slot in slots)


def no_decision(manifest: ManifestBlock, request: Request) -> Reason | None:
    if request.consent == NONE:
        return Reason.NO_CONSENT
    return Reason.STALE if request.now_s >= manifest.expires_s else None


def slots_in_order(bundle: Bundle, request: Request) -> list[Slot]:
    """Slots of the wanted placements by (rank, row, slot)."""
    tables = bundle.tables
    rows = sorted(request.placements, key=lambda row: (tables.placement_rank[row], row))
    return [Slot(row, index) for row in rows for index in range(tables.placement_slots[row])]


class Outcome(Struct, frozen=True):
    """One track's outcome; for a kept arm, who drew it and after how many redraws."""

    track: Track
    redraw: int = 0
    drawn_by: bytes = beacon.NOBODY


def decide_slot(visit: Visit, slot: Slot, shown: Page, ghost: Page) -> Row:
    if reason := without_choice(visit, slot):
        return default_row(visit, slot, reason)
    held_out = holdout_flags(visit, slot)
    on_ghost = on_shown = choose(visit, slot, ghost)
    if held_out:
        on_shown = held_out_outcome(held_out, on_ghost)
    elif shown != ghost:
        on_shown = choose(visit, slot, shown)
    visit.take(ghost, on_ghost.track.arm)
    visit.take(shown, on_shown.track.arm)
    return row_of(visit, slot, held_out, on_shown, on_ghost.track)


def without_choice(visit: Visit, slot: Slot) -> Reason | None:
    """Why no choice is made here at all."""
    tables, placement = visit.bundle.tables, slot.placement
    if (
        visit.manifest.all_paused
        or tables.placement_key[placement] in visit.manifest.paused_placements
    ):
        return Reason.PAUSED
    keyed = t.CUSTOMER in (tables.placement_unit[placement], tables.placement_share_unit[placement])
    known = visit.request.customer and visit.request.consent != CONTEXTUAL
    return Reason.NO_CUSTOMER if keyed and not known else None


def holdout_flags(visit: Visit, slot: Slot) -> int:
    """Which holdouts this unit is in; page sessions are in none."""
    if visit.request.consent == CONTEXTUAL:
        return 0
    bundle, tables = visit.bundle, visit.bundle.tables
    share, salt = bundle.head(t.HEAD_GLOBAL_SHARE), bundle.text(bundle.head(t.HEAD_GLOBAL_SALT))
    unit = visit.unit(bundle.head(t.HEAD_GLOBAL_UNIT))
    everywhere = bool(unit) and in_share(share, "global", bundle.tenant, salt, unit)
    name, own = bundle.placement_name(slot.placement), tables.placement_share[slot.placement]
    own_salt = bundle.text(tables.placement_share_salt[slot.placement])
    own_unit = visit.unit(tables.placement_share_unit[slot.placement])
    here = in_share(own, "holdout", name, own_salt, own_unit)
    return everywhere * beacon.GLOBAL_HOLDOUT | here * beacon.HOLDOUT


def held_out_outcome(flags: int, ghost: Outcome) -> Outcome:
    """The default, with the ghost's place in its epoch: ghost choices are kept, too."""
    everywhere = flags & beacon.GLOBAL_HOLDOUT
    reason = Reason.GLOBAL_HOLDOUT if everywhere else Reason.HOLDOUT
    return Outcome(Track(reason=reason), ghost.redraw, ghost.drawn_by)


def choose(visit: Visit, slot: Slot, page: Page) -> Outcome:
    """One track's outcome: the kept arm if it is still a candidate, else a fresh draw."""
    candidates = quick_candidates(visit, slot, page)
    kept = visit.kept(slot)
    if kept is not None:
        arm = visit.arm_of_key(kept.arm_key)
        if arm == 0 or arm in candidates.arms:
            track = Track(arm, 0, beacon.KEPT, Reason.KEPT, (), len(candidates.arms))
            return Outcome(track, kept.redraw, kept.drawn_by)
    best = choosing.best_candidates(candidates)
    if not best:
        return Outcome(Track(reason=Reason.NO_CANDIDATE))
    shares = choosing.tickets(visit.bundle.tables, visit.situation, slot.placement, best)
    index = choosing.draw(shares, draw_ticket(visit, slot))
    arms = [0, *(candidate.arm for candidate in best)]
    listed = tuple(zip(arms, shares, strict=True))
    reason = reason_of(index, shares)
    track = Track(arms[index], shares[index], beacon.FRESH, reason, listed, len(candidates.arms))
    return Outcome(track, visit.redraw(slot))


def reason_of(index: int, shares: list[int]) -> Reason:
    if index == 0:
        return Reason.NONE_WON
    return Reason.BEST if shares[index] == max(shares) else Reason.EXPLORED


def draw_ticket(visit: Visit, slot: Slot) -> int:
    """This unit's ticket here in this epoch; without state, in this very call."""
    place, salt, unit = visit.draw_words(slot)
    redraw = visit.request.nonce if visit.state is None else str(visit.redraw(slot))
    return ticket("choose", place, salt, unit, str(visit.epoch(slot)), redraw)


def default_row(visit: Visit, slot: Slot, reason: Reason) -> Row:
    track = Track(reason=reason)
    return row_of(visit, slot, 0, Outcome(track), track)


def row_of(visit: Visit, slot: Slot, held_out: int, shown: Outcome, ghost: Track) -> Row:
    flags = held_out | visit.flags
    flags |= beacon.EQUAL if shown.track == ghost else 0
    flags |= beacon.DISCLOSE if disclosure(visit, shown.track.arm) else 0
    drawn = shown.track.draw or ghost.draw
    return Row(
        placement=slot.placement,
        slot=slot.index,
        flags=flags,
        epoch=visit.epoch(slot) if drawn else 0,
        redraw=shown.redraw,
        shown=shown.track,
        ghost=ghost,
        drawn_by=shown.drawn_by,
    )
