"""Taking in beacons: a batch is answered only when it is on the disk.

    read the batch -> admit each event (`admission.py`) -> one job of the writer
    (`facts.py`) -> commit -> answer with counts

Good events of a batch are stored even if others are bad; the bad ones go to
quarantine (`quarantine.py`) as they came, with a reason, and can be replayed once its
cause is gone (an unknown bundle was published).  A batch that cannot be read goes there
whole; only one that is too large is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from control_plane.admission import Admission
from control_plane.audit.log import Entry, append
from control_plane.eventlog.store import Batch
from control_plane.facts import Read, Receipt, store_all
from control_plane.ingest.again import TRIES_LIMIT, next_late, quarantined, try_again
from control_plane.ingest.reading import read
from control_plane.ingest.splitting import pieces_of
from control_plane.ingest.typed import Arrival, Fact, Format, Rejected
from control_plane.policies import NotAtHand
from control_plane.quarantine import Quarantined
from control_plane.rights.forgotten import Forgotten
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer

HERE_LIMIT_BYTES = 8 << 10
"""Larger batches are read in a thread, so that nobody waits for them."""
LATE_S = 86400
"""How long an event waits for the decision or the order that it is about."""
LATE_EVERY_S = 30.0


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
        self._at_hand = admission.at_hand()
        self._tenant = tenant
        self._currency = currency
        self._now_s = now_s
        self._forgotten = Forgotten(tenant, admission.edge_secrets, now_s)
        self._store = self._store_all  # one and the same for all batches
        self.received = Receipt(0, 0, 0)
        """What came since the start, and what became of it."""

    async def accept(
        self,
        body: bytes,
        from_shop: bool,
        format: Format = "cloudevents",
        user_agent: str = "",
    ) -> Receipt:
        """Store a batch; returns when it is durable.

        `from_shop`: the shop's key came with it, or its signature; `user_agent` is the
        sender's.  Raises `Refused` for a batch that is too large, and `StorageUnavailable`;
        nothing was stored then.
        """
        return await self.keep(self.batch(body, from_shop, format, user_agent))

    def batch(
        self,
        body: bytes,
        from_shop: bool,
        format: Format = "cloudevents",
        user_agent: str = "",
    ) -> Batch:
        """A batch as it came, for whatever store keeps it.  Raises `Refused`."""
        return read(
            body,
            from_shop=from_shop,
            received_s=self._now_s(),
            format=format,
            user_agent=user_agent,
        )

    async def keep(self, batch: Batch) -> Receipt:
        """See `eventlog.store.EventStore`: this is the store that reads events at once."""
        size_bytes = sum(map(len, batch.events))
        read = self._read_here(batch, size_bytes)
        if read is None:
            read = await asyncio.to_thread(self._read, batch, self._admission)
        receipt = await self._writer.together(self._store, read, size_bytes)
        self.received += receipt
        return receipt

    def _store_all(self, connection: Connection, batches: Sequence[Read]) -> list[Receipt]:
        kept = self._forgotten.sifted(connection, batches)
        receipts = store_all(connection, self._tenant, [each.read for each in kept])
        pairs = zip(kept, receipts, strict=True)
        return [receipt + Receipt(0, each.dropped, 0) for each, receipt in pairs]

    def _read_here(self, batch: Batch, size_bytes: int) -> Read | None:
        """In the event loop, what takes less than going to another thread; None for the rest."""
        if batch.from_shop or size_bytes > HERE_LIMIT_BYTES:
            return None
        try:
            return self._read(batch, self._at_hand)
        except NotAtHand:
            return None

    def _read(self, batch: Batch, admission: Admission) -> Read:
        arrival = Arrival(
            from_shop=batch.from_shop,
            now_s=batch.received_s,
            currency=self._currency() if batch.from_shop else "",  # only the shop tells money
            bot=batch.bot,
        )
        facts: list[Fact] = []
        bad: list[Quarantined] = []
        for piece in batch.events:
            pieces, format = pieces_of(piece, batch.format)
            for raw in pieces:
                try:
                    facts.extend(admission.admit(raw, arrival, format))
                except Rejected as rejected:
                    trust = arrival.trust(attested=rejected.attested)
                    bad.append(Quarantined(raw, rejected, trust, format, batch.bot))
        return Read(facts, bad, batch.received_s)

    def replay_quarantine(self, actor: str = "local") -> Receipt:
        """Try every quarantined event again; those that count now leave quarantine.  Blocks."""
        with self._database.reading() as connection:
            ids = quarantined(connection, self._tenant)
        total = Receipt(0, 0, 0)
        for first in range(0, len(ids), TRIES_LIMIT):
            some = ids[first : first + TRIES_LIMIT]
            total += self._writer.run(lambda c, some=some: self._replay(c, some, actor))
        return total

    def _replay(self, connection: Connection, ids: list[int], actor: str) -> Receipt:
        tried = self._try_again(connection, ids)
        append(connection, self._entry(actor, tried))
        return tried

    def replay_late(self) -> Receipt:
        """Try again what came before that which it is about.  Blocks."""
        since_s = self._now_s() - LATE_S
        with self._database.reading() as connection:
            turns = next_late(connection, self._tenant, since_s)
        total = Receipt(0, 0, 0)
        for ids in filter(None, turns):
            total += self._writer.run(lambda c, ids=ids: self._try_again(c, ids))
        return total

    def _try_again(self, connection: Connection, ids: list[int]) -> Receipt:
        now_s, currency = self._now_s(), self._currency()
        judges = self._admission, self._forgotten
        return try_again(connection, self._tenant, *judges, ids, now_s, currency)

    def _entry(self, actor: str, tried: Receipt) -> Entry:
        """How many events were tried and with what success; never what is in them."""
        return Entry(
            tenant=self._tenant,
            actor=actor,
            action="quarantine.replay",
            subject="quarantine",
            after=tried,
        )
