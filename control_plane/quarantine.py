"""Quarantine: events that do not count, as they came, in bounded room.

Anybody may send events, so anybody can fill a quarantine.  Each trust class has room of
its own, and when it is full its oldest events go and are counted: strangers push out
strangers only, never what the shop's key or the edge's MAC came with, and nothing that is
bad ever stops what is good.  The count is for ever, and the console shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Self

from msgspec import Struct
from sqlalchemy import Connection, delete, func, or_, select

from control_plane.ingest.typed import Fact, Format, Rejected, Trust
from control_plane.storage import tables as t
from control_plane.storage.database import insert_into

DETAIL_CHARS = 500


class Room(Struct, frozen=True):
    """What one trust class of a tenant may keep."""

    rows: int
    size_bytes: int


ROOM = Room(rows=5_000, size_bytes=16 << 20)


class Quarantined(Struct, frozen=True):
    """An event that does not count, as it came, and why; `received_s` None: just now."""

    raw: bytes
    rejected: Rejected
    trust: Trust
    format: Format = "cloudevents"
    bot: bool = False
    received_s: int | None = None

    @classmethod
    def of(cls, fact: Fact, rejected: Rejected) -> Self:
        """What could be read, and does not count by what is known already."""
        bot = getattr(fact.body, "bot", False)
        return cls(fact.raw, rejected, fact.trust, fact.format, bot, fact.received_s)

    @property
    def digest(self) -> str:
        """Names the same bytes of the same format."""
        label = "" if self.format == "cloudevents" else f"{self.format}\n"
        return sha256(label.encode() + self.raw).hexdigest()


def put_away(
    connection: Connection,
    tenant: str,
    quarantined: Sequence[Quarantined],
    now_s: int,
    room: Room = ROOM,
) -> None:
    """Keep them, each content once per trust class; the oldest go when room runs out."""
    if not quarantined:
        return
    rows = [
        {
            "tenant": tenant,
            "digest": each.digest,
            "reason": each.rejected.reason.name,
            "detail": _plain(each.rejected.detail)[:DETAIL_CHARS],
            "trust": each.trust.value,
            "received_s": now_s if each.received_s is None else each.received_s,
            "event": each.raw,
            "format": each.format,
            "bot": each.bot,
        }
        for each in quarantined
    ]
    connection.execute(insert_into(connection, t.quarantine).on_conflict_do_nothing(), rows)
    for trust in sorted({each.trust for each in quarantined}):
        _make_room(connection, tenant, trust, room)


def _plain(detail: str) -> str:
    """Without control characters: details may quote what strangers sent."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in detail)


def _make_room(connection: Connection, tenant: str, trust: Trust, room: Room) -> None:
    kept = t.quarantine.c
    newest_first = kept.id.desc()
    ranked = (
        select(
            kept.id,
            func.row_number().over(order_by=newest_first).label("rows"),
            func.sum(func.length(kept.event)).over(order_by=newest_first).label("size_bytes"),
        )
        .where(kept.tenant == tenant, kept.trust == trust.value)
        .subquery()
    )
    beyond = or_(ranked.c.rows > room.rows, ranked.c.size_bytes > room.size_bytes)
    too_many = select(ranked.c.id).where(beyond)
    gone = connection.execute(delete(t.quarantine).where(kept.id.in_(too_many))).rowcount
    if gone:
        _count(connection, tenant, trust, gone)


def _count(connection: Connection, tenant: str, trust: Trust, gone: int) -> None:
    dropped = t.quarantine_dropped
    statement = insert_into(connection, dropped).on_conflict_do_update(
        index_elements=["tenant", "trust"], set_={"count": dropped.c.count + gone}
    )
    connection.execute(statement, {"tenant": tenant, "trust": trust.value, "count": gone})


def dropped(connection: Connection, tenant: str) -> Mapping[str, int]:
    """Trust class -> how many of its events went because its room was full."""
    of = t.quarantine_dropped.c
    query = select(of.trust, of.count).where(of.tenant == tenant)
    return {row.trust: row[1] for row in connection.execute(query)}
