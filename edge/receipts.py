"""Receipts: what the edge hands a page with a slot, and gets back when it was seen.

An exposure advances the visitor's state: the drawn arm is kept for its epoch, and
every cap of the arm's offer counts one.  The edge keeps no memory of decisions, so
the page carries what is needed, as a payload with the edge's MAC:

    offset  size
    0       1     version (0)
    1       1     caps, c
    2       2     slot
    4       4     placement key
    8       4     epoch
    12      2     redraw
    14      2     zero
    16      4     arm key (0: none)
    20      8     issued, Unix seconds
    28      16    the decision
    44      16    the decision that drew the arm (the same for a fresh draw)
    60      8*c   u32 cap key, u32 window index

Little endian; base64url(payload) "." base64url(mac).  The MAC covers the visitor, so
a receipt moves one visitor's state only.  Held-out visitors carry the ghost's arm:
ghost exposures count like exposures, else holdout and treatment would drift apart.

A receipt counts within a day.  A fresh draw counts once: afterwards the state keeps
the arm by that decision's name.  An arm shown again (a kept draw) counts once per
exposure that the page reports; a visitor who repeats one uses up the own caps.
Windows only move on: an old receipt never brings back an earlier count.
"""

from __future__ import annotations

from struct import Struct as Packing

from msgspec import Struct

from edge.cookies import seal, unseal
from edge.decision.beacon import DEFAULT, FRESH, GLOBAL_HOLDOUT, HOLDOUT, SESSION, Row
from edge.decision.bundle import Bundle
from edge.decision.state import Kept, State, count_exposure, keep_choice, trim, window_index

LIFE_S = 86_400
SKEW_S = 60
HEADER = Packing("<BBHIIHHIQ16s16s")
CAP = Packing("<II")


class Receipt(Struct, frozen=True, kw_only=True):
    """`caps` are (key, window index) pairs of the arm's offer."""

    decision: bytes
    kept: Kept
    issued_s: int
    caps: tuple[tuple[int, int], ...] = ()


def receipt_of(bundle: Bundle, row: Row, decision: bytes, now_s: int) -> Receipt | None:
    """The receipt of a verdict's row; None where an exposure would change nothing."""
    track = row.ghost if row.flags & (HOLDOUT | GLOBAL_HOLDOUT) else row.shown
    if track.draw == DEFAULT or row.flags & SESSION:
        return None
    fresh = track.draw == FRESH
    kept = Kept(
        placement_key=bundle.tables.placement_key[row.placement],
        slot=row.slot,
        redraw=row.redraw,
        epoch=row.epoch,
        arm_key=bundle.tables.rung_key[track.arm - 1] if track.arm else 0,
        drawn_by=decision if fresh else row.drawn_by,
    )
    caps = _caps(bundle, row.placement, track.arm, now_s)
    return Receipt(decision=decision, kept=kept, issued_s=now_s, caps=caps)


def _caps(bundle: Bundle, placement: int, arm: int, now_s: int) -> tuple[tuple[int, int], ...]:
    if not arm:
        return ()
    tables = bundle.tables
    offer = tables.rung_offer[arm - 1]
    limits = tables.limit_cap[tables.offer_limit[offer] : tables.offer_limit[offer + 1]]
    return tuple(
        (tables.cap_key[cap], window_index(now_s, tables.cap_period_s[cap]))
        for cap in limits
        if tables.cap_placement[cap] in (-1, placement)
    )


def write_receipt(secret: bytes, visitor: str, receipt: Receipt) -> str:
    kept = receipt.kept
    header = HEADER.pack(
        0, len(receipt.caps), kept.slot, kept.placement_key, kept.epoch, kept.redraw, 0,
        kept.arm_key, receipt.issued_s, receipt.decision, kept.drawn_by,
    )  # fmt: skip
    payload = header + b"".join(CAP.pack(*cap) for cap in receipt.caps)
    return seal(secret, "receipt", payload, visitor.encode())


def read_receipt(secret: bytes, visitor: str, text: str, now_s: int) -> Receipt | None:
    """The receipt, or None unless it is this visitor's and not a day old."""
    payload = unseal(secret, "receipt", text, visitor.encode())
    if payload is None or len(payload) < HEADER.size:
        return None
    version, caps, slot, placement, epoch, redraw, _, arm, issued_s, decision, drawn_by = (
        HEADER.unpack_from(payload)
    )
    whole = len(payload) == HEADER.size + caps * CAP.size
    if version or not whole or not -SKEW_S <= now_s - issued_s < LIFE_S:
        return None
    kept = Kept(placement, slot, redraw, epoch, arm, drawn_by)
    pairs = tuple(CAP.iter_unpack(payload[HEADER.size :]))
    return Receipt(decision=decision, kept=kept, issued_s=issued_s, caps=pairs)


def advance(state: State, receipt: Receipt) -> State:
    """The state after this exposure.  `fit` it before, so that ended windows are gone."""
    kept = receipt.kept
    before = state.choice(kept.placement_key, kept.slot, kept.epoch)
    drawn_here = receipt.decision == kept.drawn_by
    if drawn_here and before is not None and before.drawn_by == kept.drawn_by:
        return state
    for key, window in receipt.caps:
        if not any(c.key == key and c.window > window for c in state.caps):
            state = count_exposure(state, key, window)
    return keep_choice(state, kept)


def fit(state: State, bundle: Bundle | None, now_s: int) -> State:
    """Within the limits of a state, by the windows of this policy's caps."""
    if bundle is None:
        return trim(state, {cap.key: cap.window for cap in state.caps})
    tables = bundle.tables
    periods = zip(tables.cap_key, tables.cap_period_s, strict=True)
    return trim(state, {key: window_index(now_s, period_s) for key, period_s in periods})
