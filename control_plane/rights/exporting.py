"""Everything that is stored about a subject, as one document (GDPR, articles 15 and 20).

Rows are as the tables have them, without what only machines read: names in clear, times in
Unix seconds, money in integer micros.  `looked` says where was searched and how much was found
there, so that an empty document can be told from one that was not looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from control_plane.rights.finding import Found, Row, decisions_in
from control_plane.rights.mentions import RECORD_KEY, leaves_of, read, unpacked
from control_plane.rights.requests import in_clear
from control_plane.rights.subjects import Linked, Subject
from edge.decision.bundle import Bundle
from edge.decision.errors import BundleError

BundleOf = Callable[[str], Bundle | None]


class Looked(Struct, frozen=True):
    """A place where was searched, and how much was found there."""

    where: str
    found: int


class Export(Struct, frozen=True, kw_only=True):
    """`linked`: other ids that came together with these; look them up too, if they are the same
    person's.  `requests`: what edges and pages were told when they decided."""

    tenant: str
    exported_s: int
    subject: Subject
    linked: Linked
    looked: list[Looked]
    requests: list[Row]
    decisions: list[Row]
    touches: list[Row]
    orders: list[Row]
    order_units: list[Row]
    returns: list[Row]
    redemptions: list[Row]
    redemption_limits: list[Row]
    broken_promises: list[Row]
    quarantined: list[Row]
    event_names: list[Row]
    replays: list[str]
    waiting: list[Any]
    """Events in the log or its spill, also those that are in the tables already."""


def export_of(
    tenant: str,
    subject: Subject,
    linked: Linked,
    found: Found,
    spilled: list[bytes],
    logged: list[bytes],
    bundle_of: BundleOf,
    now_s: int,
) -> Export:
    return Export(
        tenant=tenant,
        exported_s=now_s,
        subject=subject,
        linked=linked,
        looked=_looked(found, spilled, logged),
        requests=[_request(row, bundle_of) for row in found.records],
        decisions=[_decision(row) for row in found.decisions],
        touches=_plain(found.touches),
        orders=[row | {"decisions": decisions_in(row)} for row in _plain(found.orders)],
        order_units=_plain(found.order_units),
        returns=_plain(found.returns),
        redemptions=[
            row | {"caps": msgspec.json.decode(row["caps"])} for row in _plain(found.redemptions)
        ],
        redemption_limits=_plain(found.redemption_counts),
        broken_promises=_plain(found.broken_promises),
        quarantined=[
            row | {"event": event_in_clear(row["event"], bundle_of)}
            for row in _plain(found.quarantine)
        ],
        event_names=_plain(found.events),
        replays=[row["id"] for row in found.replays],
        waiting=[event_in_clear(raw, bundle_of) for raw in (*spilled, *logged)],
    )


def _looked(found: Found, spilled: list[bytes], logged: list[bytes]) -> list[Looked]:
    tables = [
        Looked(f"table {name}", count) for name, count in found.counts.items() if name != "naming"
    ]
    return [
        *tables,
        Looked("the event log's spill on this machine", len(spilled)),
        Looked("the event log", len(logged)),
    ]


def _plain(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "tenant"} for row in rows]


def _decision(row: Row) -> Row:
    (plain,) = _plain([row])
    return plain | {"listed": msgspec.msgpack.decode(row["listed"])}


def _request(row: Row, bundle_of: BundleOf) -> Row:
    about = {name: row[name] for name in ("digest", "attested", "bundle", "received_s")}
    return about | in_clear(row["record"], _bundle(row["bundle"], bundle_of))


def _bundle(digest: str, bundle_of: BundleOf) -> Bundle | None:
    try:
        return bundle_of(digest)
    except BundleError:
        return None


# --- events as they came ------------------------------------------------------


def event_in_clear(raw: bytes, bundle_of: BundleOf) -> Any:
    """The event itself, and beside it what its record says, if it has one."""
    leaves = leaves_of(raw)
    if leaves is None:
        return {"text": raw.decode(errors="backslashreplace")}
    event: dict[str, Any] = {"event": msgspec.json.decode(raw)}
    for key, value in leaves:
        if key == RECORD_KEY and isinstance(value, str):
            event["request"] = _packed(value, bundle_of)
    return event


def _packed(text: str, bundle_of: BundleOf) -> Any:
    data = unpacked(text)
    found = read(data)
    bundle = _bundle(found[0].bundle_digest.hex(), bundle_of) if found else None
    return in_clear(data, bundle)
