"""Hands in a log: what tests put there, read there, and spoil."""

from __future__ import annotations

import asyncio
import time

import msgspec

from control_plane.eventlog.folding import Folding
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.offsets import Offsets, look
from control_plane.eventlog.pruning import every
from control_plane.eventlog.store import Batch
from tests.control_plane.eventlog.kinds import Kept
from tests.control_plane.shop import event

NOW_S = int(time.time())


def batch(*names: str, received_s: int = NOW_S) -> Batch:
    data = {"decision": "a" * 32, "placement": "hero", "time_s": NOW_S - 100}
    events = [event("shop.proffer.exposure", name, data) for name in names]
    raw = tuple(msgspec.json.encode(each) for each in events)
    return Batch(events=raw, from_shop=False, received_s=received_s)


def keep(log: ObjectLog | None, *batches: Batch) -> None:
    assert log is not None

    async def keep_all() -> None:
        await asyncio.gather(*map(log.keep, batches))

    asyncio.run(keep_all())


def log_of(kept: Kept) -> ObjectLog:
    assert kept.services.log is not None
    return kept.services.log


def folding_of(kept: Kept) -> Folding:
    assert kept.services.folding is not None
    return kept.services.folding


def names(kept: Kept) -> set[str]:
    return {row["id"] for row in kept.said()["events"]}


def segments(kept: Kept) -> list[str]:
    log = log_of(kept)
    return [each.name for each in every(log.store, log.names.segments)]


def overwrite(kept: Kept, name: str, data: bytes) -> None:
    log = log_of(kept)
    assert log.store.swap(name, data, log.store.look(name))


def offsets(kept: Kept) -> Offsets:
    return look(log_of(kept).store, log_of(kept).names).offsets


def put_by_hand(kept: Kept, lane: str, number: int, data: bytes) -> str:
    """A segment of a collector elsewhere."""
    name = log_of(kept).names.segment(lane, number)
    assert log_of(kept).store.create(name, data)
    return name
