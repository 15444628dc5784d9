"""From a decision record to rows: every slot's verdict with its arms by name.

A record holds integers; names are in the bundle it was decided by.  Nothing here
decides again: what is stored is what the edge's verdict says.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct

from edge.decision import tables as t
from edge.decision.beacon import NOBODY, SESSION, Record, Row, decision_id, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.choosing import segment_of as segment_index
from edge.decision.errors import RequestError
from edge.decision.request import Request, unpack_request
from edge.decision.situation import Situation, situate

REST = "*"
"""The segment of every value that has no row of its own."""


class StoredRecord(Struct, frozen=True, kw_only=True):
    """A row of `records`."""

    digest: str
    attested: bool
    bundle: str
    manifest: str
    record: bytes


class Decision(Struct, frozen=True, kw_only=True):
    """A row of `decisions`; see `storage/tables.py`."""

    id: str
    record: str
    attested: bool
    time_s: int
    placement: str
    slot: int
    unit: str
    holdout_unit: str
    global_unit: str
    segment: str
    flags: int
    epoch: int
    redraw: int
    shown_arm: str
    shown_tickets: int
    shown_draw: int
    shown_reason: int
    ghost_arm: str
    ghost_tickets: int
    ghost_draw: int
    ghost_reason: int
    drawn_by: str
    listed: bytes
    bundle: str
    manifest: str


def visitor_unit(visitor: str) -> str:
    return f"v:{visitor}" if visitor else ""


def customer_unit(customer: str) -> str:
    return f"c:{customer}" if customer else ""


def store_form(data: bytes, record: Record, attested: bool) -> StoredRecord:
    return StoredRecord(
        digest=sha256(data).hexdigest(),
        attested=attested,
        bundle=record.bundle_digest.hex(),
        manifest=record.manifest_digest.hex(),
        record=data,
    )


def decisions_of(bundle: Bundle, record: Record, stored: StoredRecord) -> list[Decision]:
    """A row per slot.  Raises `RequestError` for a record that does not fit its bundle."""
    request = unpack_request(record.request)
    bundle.check_rows(request)
    situation = situate(bundle, request)
    rows = unpack_verdict(record.verdict)
    for row in rows:
        _check_row(bundle, request, row)
    return [_decision(bundle, record, stored, request, situation, row) for row in rows]


def _check_row(bundle: Bundle, request: Request, row: Row) -> None:
    listed = (*row.shown.listed, *row.ghost.listed)
    arms = [row.shown.arm, row.ghost.arm, *(arm for arm, _ in listed)]
    wanted = row.placement in request.placements
    if not wanted or row.slot >= bundle.tables.placement_slots[row.placement]:
        raise RequestError("ENCODING", f"nobody asked for slot {row.slot} of {row.placement}")
    if max(arms) > bundle.rows["rung"]:
        raise RequestError("ENCODING", f"there is no arm {max(arms)} in this bundle")


def _decision(
    bundle: Bundle,
    record: Record,
    stored: StoredRecord,
    request: Request,
    situation: Situation,
    row: Row,
) -> Decision:
    tables, place, shown, ghost = bundle.tables, row.placement, row.shown, row.ghost
    name = decision_id(
        record.bundle_digest, record.manifest_digest, record.request, place, row.slot
    )
    units = {t.VISITOR: visitor_unit(request.visitor), t.CUSTOMER: customer_unit(request.customer)}
    session = f"s:{request.nonce}" if row.flags & SESSION else ""
    listed = [(bundle.arm_name(arm), tickets) for arm, tickets in shown.listed]
    return Decision(
        id=name.hex(),
        record=stored.digest,
        attested=stored.attested,
        time_s=request.now_s,
        placement=bundle.placement_name(place),
        slot=row.slot,
        unit=session or units[tables.placement_unit[place]],
        holdout_unit=session or units[tables.placement_share_unit[place]],
        global_unit=session or units[bundle.head(t.HEAD_GLOBAL_UNIT)],
        segment=segment_of(bundle, situation, place),
        flags=row.flags,
        epoch=row.epoch,
        redraw=row.redraw,
        shown_arm=bundle.arm_name(shown.arm),
        shown_tickets=shown.tickets,
        shown_draw=shown.draw,
        shown_reason=shown.reason,
        ghost_arm=bundle.arm_name(ghost.arm),
        ghost_tickets=ghost.tickets,
        ghost_draw=ghost.draw,
        ghost_reason=ghost.reason,
        drawn_by="" if row.drawn_by == NOBODY else row.drawn_by.hex(),
        listed=msgspec.msgpack.encode(listed),
        bundle=stored.bundle,
        manifest=stored.manifest,
    )


def segment_of(bundle: Bundle, situation: Situation, placement: int) -> str:
    """The segment whose allocation this situation draws from; "*" without segments."""
    row = bundle.tables.placement_allocation[placement]
    if row < 0 or bundle.tables.allocation_attribute[row] < 0:
        return REST
    index = segment_index(bundle.tables, situation, row)
    names = bundle.notes.placements[placement].segments
    return names[index] if index < len(names) else REST
