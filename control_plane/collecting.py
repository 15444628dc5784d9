"""Taking in beacons: a batch is answered only when it is on the disk.

    read the batch -> admit each event (`admission.py`) -> one job of the writer
    (`facts.py`) -> commit -> answer with counts

Good events of a batch are stored even if others are bad; the bad ones go to
quarantine (`quarantine.py`) as they came, with a reason, and can be replayed once its
cause is gone (an unknown bundle was published).  A batch that cannot be read is refused
whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, delete, select

from control_plane.admission import UNREADABLE, Admission, Arrival, Fact, Rejected, Trust
from control_plane.audit.log import Entry, append
from control_plane.errors import Refused
from control_plane.eventlog.store import Batch
from control_plane.facts import Receipt, store
from control_plane.quarantine import Quarantined
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS

REPLAY_LIMIT = 500
"""Quarantined events that one transaction tries again."""


class Collector:
    """Stores events durably.

    `currency` gives the shop's, or "" before anything is published; `now_s` is the
    clock, in Unix seconds.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        admission: Admission,
        tenant: str,
        currency: Callable[[], str],
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._database = database
        self._writer = writer
        self._admission = admission
        self._tenant = tenant
        self._currency = currency
        self._now_s = now_s
        self.received = Receipt(0, 0, 0)
        """What came since the start, and what became of it."""

    async def accept(self, body: bytes, from_shop: bool) -> Receipt:
        """Store a batch; returns when it is durable.

        `from_shop`: the shop's key came with it.  Raises `Refused` for a batch that
        cannot be read and `StorageUnavailable`; nothing was stored then.
        """
        events = tuple(split(body))
        return await self.keep(Batch(events=events, from_shop=from_shop, received_s=self._now_s()))

    async def keep(self, batch: Batch) -> Receipt:
        """See `eventlog.store.EventStore`: this is the store that reads events at once."""
        facts, bad = await asyncio.to_thread(self._admit_all, batch)
        receipt = await self._writer.do(
            lambda c: store(c, self._tenant, facts, bad, batch.received_s)
        )
        self.received = _sum(self.received, receipt)
        return receipt

    def _admit_all(self, batch: Batch) -> tuple[list[Fact], list[Quarantined]]:
        arrival = self._arrival(batch.from_shop, batch.received_s)
        facts: list[Fact] = []
        bad: list[Quarantined] = []
        for raw in batch.events:
            try:
                facts.append(self._admission.admit(raw, arrival))
            except Rejected as rejected:
                trust = arrival.trust(attested=rejected.attested)
                bad.append(Quarantined(raw, rejected, trust))
        return facts, bad

    def _arrival(self, from_shop: bool, now_s: int) -> Arrival:
        return Arrival(from_shop=from_shop, now_s=now_s, currency=self._currency())

    def replay_quarantine(self, actor: str = "local") -> Receipt:
        """Try every quarantined event again; those that count now leave quarantine.  Blocks."""
        last, total = 0, Receipt(0, 0, 0)
        while ids := self._quarantined_after(last):
            receipt = self._writer.run(lambda c, ids=ids: self._replay(c, ids, actor))
            last, total = ids[-1], _sum(total, receipt)
        return total

    def _quarantined_after(self, last: int) -> list[int]:
        query = select(t.quarantine.c.id).where(
            t.quarantine.c.tenant == self._tenant, t.quarantine.c.id > last
        )
        with self._database.reading() as connection:
            query = query.order_by(t.quarantine.c.id).limit(REPLAY_LIMIT)
            return list(connection.scalars(query))

    def _replay(self, connection: Connection, ids: list[int], actor: str) -> Receipt:
        now_s, facts, healed = self._now_s(), [], []
        stranger, shop = self._arrival(False, now_s), self._arrival(True, now_s)
        rows = connection.execute(select(t.quarantine).where(t.quarantine.c.id.in_(ids))).all()
        for row in rows:
            try:
                arrival = shop if row.trust == Trust.SHOP else stranger
                facts.append(self._admission.admit(row.event, arrival))
                healed.append(row.id)
            except Rejected:
                continue
        connection.execute(delete(t.quarantine).where(t.quarantine.c.id.in_(healed)))
        receipt = store(connection, self._tenant, facts, [], now_s)
        still = receipt.quarantined + len(rows) - len(healed)
        tried = Receipt(receipt.accepted, receipt.duplicates, still)
        append(connection, self._entry(actor, tried))
        return tried

    def _entry(self, actor: str, tried: Receipt) -> Entry:
        """How many events were tried and with what success; never what is in them."""
        return Entry(
            tenant=self._tenant,
            actor=actor,
            action="quarantine.replay",
            subject="quarantine",
            after=tried,
        )


def _sum(a: Receipt, b: Receipt) -> Receipt:
    return Receipt(
        a.accepted + b.accepted, a.duplicates + b.duplicates, a.quarantined + b.quarantined
    )


def split(body: bytes) -> list[bytes]:
    """The events of a batch, unread.  Raises `Refused` if it is no batch."""
    if len(body) > BATCH_LIMIT_BYTES:
        raise Refused("too-large", f"the batch has more than {BATCH_LIMIT_BYTES} bytes")
    try:
        events = msgspec.json.decode(body, type=list[msgspec.Raw])
    except UNREADABLE as error:
        raise Refused("malformed-request", f"the batch is no JSON array: {error}") from None
    if len(events) > BATCH_LIMIT_EVENTS:
        raise Refused(
            "too-large", f"the batch has {len(events)} events; at most {BATCH_LIMIT_EVENTS}"
        )
    return [bytes(event) for event in events]
