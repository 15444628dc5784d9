"""The event log in an object store: any number of collectors, one database behind them.

    keep(batch) -> waits with others, 250 ms or 4 MiB -> segment, by conditional create
                -> acknowledged                                       (`shipping.py`)
    bucket away -> spill on this machine's disk, synced -> acknowledged  (`spill.py`)
    bucket back -> spill -> segments; then the spill is deleted       (`draining.py`)
    segments    -> the database, each batch by `Collector.keep`; then the offset is
                   swapped; then, days later, the segment is deleted  (`folding.py`)

Why nothing acknowledged is lost: an acknowledgement follows a segment that the store has
confirmed, or a sync of the spill.  A spill is deleted after its segments are confirmed, a
segment long after its offset, and an offset moves only after the database's commit.

Why nothing counts twice: a batch may well be in the log twice (a crash while the spill was
carried over, an answer of the bucket that was lost, a sender that tried again), and be
folded twice (two readers at once, a crash before the offset).  Folding counts each event
once by its name, in the database, as if it had come over the wire again.

Why nothing is overlooked: each collector writes into lanes of its own, numbered without a
gap (`lane.py`), and a reader keeps one position per lane.  No clock is compared with
another one: a collector whose clock is wrong, or whose spill comes days later, takes the
next number in its lane all the same.  New lanes are found by listing the folders.

What is read of an event (is it well formed, is its record's MAC right) is read when it is
folded: a receipt of the log counts every event as accepted.
"""

from __future__ import annotations

import asyncio

from control_plane.eventlog.draining import Drainer
from control_plane.eventlog.gate import Gate
from control_plane.eventlog.lane import Lane
from control_plane.eventlog.naming import Names
from control_plane.eventlog.segments import frame
from control_plane.eventlog.shipping import Shipper
from control_plane.eventlog.spill import Spill
from control_plane.eventlog.store import Batch
from control_plane.facts import Receipt
from control_plane.settings import Settings
from control_plane.storage.objects import LogObjects
from control_plane.storage.opening import open_log_store


class ObjectLog:
    """One process's collector.  Thread-safe."""

    def __init__(self, settings: Settings, store: LogObjects) -> None:
        self.store = store
        self.names = Names(settings.tenant)
        self.spill = Spill(settings.spill, settings.log_spill_bytes)
        self.gate = Gate()
        self._drainer = Drainer(store, self.names, self.spill, self.gate)
        self._lane = Lane(store, self.names)
        wait_s = settings.log_wait_ms / 1000
        self._shipper = Shipper(self._lane, self.spill, self.gate, wait_s)

    @classmethod
    def open(cls, settings: Settings) -> ObjectLog:
        """Raises `ObjectError`, or `StorageUnavailable` if boto3 is missing."""
        return cls(settings, open_log_store(settings))

    @property
    def lanes(self) -> set[str]:
        """Those that this process writes just now."""
        return {self._lane.name, self._drainer.lane.name}

    async def keep(self, batch: Batch) -> Receipt:
        """See `eventlog.store.EventStore`: every event counts as accepted."""
        kept = self._shipper.submit(frame(batch))
        # It goes on when the caller is cancelled: it may be written already.
        await asyncio.shield(asyncio.wrap_future(kept))
        return Receipt(accepted=len(batch.events), duplicates=0, quarantined=0)

    def drain(self) -> None:
        """Carry the spill over as soon as possible."""
        self._drainer.wake()

    def close(self) -> None:
        """Finish what was accepted; what is in the spill waits for the next start."""
        self._shipper.close()
        self._drainer.close()
        self.spill.close()
