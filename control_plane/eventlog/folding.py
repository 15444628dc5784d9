"""Folding: what the log holds goes into the database, in each process that runs beside it.

    look at the offsets -> find what is new -> take the lease -> each batch to the collector
    (`Collector.keep`), until committed -> swap the offsets

The lease (a row of the database) lets one process fold at a time, so that work is done
once; the swap and the events' names keep it right if two do it all the same.  A lease is
given back after each round, so that an erasure gets its turn.

A segment that is damaged, or that the collector breaks on, is set aside: a copy goes to
`aside/`, it is counted and told as an alarm, whatever is whole in it is folded, and the
lane goes on.  What was set aside is tried again at each start: after an upgrade, or when
somebody put the right bytes there.  So is what came more than `LATE_S` ago: the database
knows the names of the last days only, and could count it twice; it stays aside.

While the database (or the bucket with the policies) is away, nothing moves: the segments
wait in the log, and collectors acknowledge all the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from msgspec import Struct

from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.offsets import Looked, Offsets, look, swap
from control_plane.eventlog.pruning import prune
from control_plane.eventlog.reader import Found, Reader
from control_plane.eventlog.segments import read_segment
from control_plane.eventlog.store import Batch, EventStore
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError, Tampered

log = logging.getLogger(__name__)

ROUND_LIMIT_S = 10.0
"""Then the offsets are swapped and the lease is given back, however much is left."""
AT_ONCE = 64
"""Batches that go to the collector together, into one commit."""
LATE_S = 7 * 86400
TURN_PAUSE_S = 0.05
PRUNE_EVERY_S = 60.0


class Seen(Struct):
    """What this process knows of the log, for whoever watches."""

    lag_s: float = 0.0
    """How old the newest folded batch was when it was folded; 0 once nothing is left."""
    folded: int = 0
    """Segments that this process folded."""
    aside: int = 0
    missing: int = 0
    """These two: ever, by all."""


class Folding:
    """One process's part in folding."""

    def __init__(self, events: ObjectLog, into: EventStore, turn: Turn, kept_s: int) -> None:
        self._log = events
        self._into = into
        self._turn = turn
        self._kept_s = kept_s
        self._reader = Reader(events.store, events.names)
        self._pruned_s = time.monotonic()
        self.seen = Seen()

    async def fold(self, *, all_lanes: bool = False) -> int:
        """One round: how many segments.  0 also if another process has its turn just now.

        Raises `StorageUnavailable` or `ObjectError`; then nothing is lost, and what was
        folded already counts once when it is folded again.
        """
        found = await asyncio.to_thread(self._find, all_lanes)
        if not found:
            return 0
        if not await asyncio.to_thread(self._turn.take):
            return 0
        try:
            return await self._fold_all(all_lanes)
        finally:
            await asyncio.to_thread(self._turn.give_back)

    async def fold_whole(self) -> int:
        """Until there is nothing new in any lane; waits for its turn."""
        folded = 0
        while await asyncio.to_thread(self._find, True):
            number = await self.fold(all_lanes=True)
            if not number:
                await asyncio.sleep(TURN_PAUSE_S)
            folded += number
        return folded

    async def prune(self) -> None:
        """Delete what was folded long ago.  Raises `ObjectError`."""
        self._pruned_s = time.monotonic()
        await asyncio.to_thread(prune, self._log.store, self._log.names, self._kept_s)

    async def prune_in_time(self) -> None:
        if time.monotonic() > self._pruned_s + PRUNE_EVERY_S:
            await self.prune()

    async def fold_aside(self) -> int:
        """Try again what was set aside; how many of them could be folded now."""
        mended = 0
        for listed in await asyncio.to_thread(self._log.store.list, self._log.names.aside):
            stored = await asyncio.to_thread(self._log.store.look, listed.name)
            if stored is not None and not await self._damage(stored.data):
                await asyncio.to_thread(self._log.store.delete, listed.name)
                mended += 1
        return mended

    def _find(self, all_lanes: bool) -> list[Found]:
        offsets = look(self._log.store, self._log.names).offsets
        self.seen.aside, self.seen.missing = offsets.aside, offsets.missing
        found = self._reader.find(offsets, self._log.lanes, all_lanes=all_lanes)
        if not found:
            self.seen.lag_s = 0.0
        return found

    async def _fold_all(self, all_lanes: bool) -> int:
        # anew: whoever had the turn before has moved them
        looked = await asyncio.to_thread(look, self._log.store, self._log.names)
        found = await asyncio.to_thread(
            lambda: self._reader.find(looked.offsets, self._log.lanes, all_lanes=all_lanes)
        )
        began_s, folded = time.monotonic(), 0
        try:
            for each in found:
                await self._fold_one(each, looked.offsets)
                folded += 1
                if time.monotonic() > began_s + ROUND_LIMIT_S:
                    break
        finally:
            if folded:
                await self._moved(looked)
        self.seen.folded += folded
        return folded

    async def _moved(self, looked: Looked) -> None:
        done = await asyncio.to_thread(
            swap, self._log.store, self._log.names, looked.offsets, looked.stored
        )
        if not done:
            log.info("somebody else folded at the same time; all of it counts once")

    async def _fold_one(self, found: Found, offsets: Offsets) -> None:
        if found.missing:
            offsets.missing += found.missing
            what = "not there, and not known to be folded: somebody removed them"
            log.critical("ALARM: %d segments before %s are %s", found.missing, found.name, what)
        stored = await asyncio.to_thread(self._log.store.look, found.name)
        if stored is None:  # removed after it was listed
            offsets.missing += 1
            log.critical("ALARM: %s is gone, and was never folded", found.name)
        elif damage := await self._damage(stored.data):
            log.critical("ALARM: %s is set aside: %s", found.name, damage)
            aside = self._log.names.set_aside(found.name)
            await asyncio.to_thread(self._log.store.create, aside, stored.data)
            offsets.aside += 1
        offsets.folded += 1
        offsets.advance(found.lane, found.number, int(time.time()))

    async def _damage(self, data: bytes) -> str:
        """Folds what can be folded; says why not all of it, or ""."""
        segment = read_segment(data)
        damage = segment.damage
        late_s = time.time() - LATE_S
        batches = [batch for batch in segment.batches if batch.received_s >= late_s]
        if len(batches) < len(segment.batches):
            damage = damage or "it has events that came more than seven days ago"
        for at in range(0, len(batches), AT_ONCE):
            damage = await self._keep(batches[at : at + AT_ONCE]) or damage
        if batches:
            self.seen.lag_s = max(0.0, time.time() - max(batch.received_s for batch in batches))
        return damage

    async def _keep(self, batches: Sequence[Batch]) -> str:
        """Raises `StorageUnavailable` or `ObjectError` if it should be tried again later."""
        kept = await asyncio.gather(*map(self._into.keep, batches), return_exceptions=True)
        broken = [each for each in kept if isinstance(each, BaseException)]
        for error in broken:
            if _will_pass(error):
                raise error
        for error in broken[:1]:
            log.error("a batch of the event log cannot be folded", exc_info=error)
        return f"the collector breaks on it: {type(broken[0]).__name__}" if broken else ""


def _will_pass(error: BaseException) -> bool:
    """Whether the same batch may well be kept a little later; else it would block its lane."""
    if isinstance(error, Tampered):
        return False
    return isinstance(error, StorageUnavailable | ObjectError) or not isinstance(error, Exception)
