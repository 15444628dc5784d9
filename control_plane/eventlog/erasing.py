"""Erasing single events from the log, for the right of a person to be forgotten.

    wait until the spill is carried into the log     (`StorageUnavailable` if it cannot be)
    -> have the turn, so that nobody folds meanwhile
    -> swap every segment, folded or not, for one without those events
    -> the same with what was set aside

A segment keeps its name and its place even if nothing is left in it, so no lane gets a
gap.  Erase from the log first and from the database afterwards: what was folded before is
there by then, and what was not is never folded.

Spills of other machines are out of reach: where one was away from the bucket meanwhile,
erase again once it is back.  A bucket must not keep old versions of objects.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from control_plane.eventlog.leasing import LIFE_S, Turn
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.pruning import every
from control_plane.eventlog.segments import (
    BODY_AT,
    batch_of,
    frame,
    read_frames,
    read_segment,
    segment,
)
from control_plane.eventlog.spill_file import others
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import LogObjects, ObjectError

PATIENCE_S = 60.0
STEP_S = 0.05

Keep = Callable[[bytes], bool]
"""Whether an event stays; it is asked with the event's bytes as they came."""


def rewrite(events: ObjectLog, turn: Turn, keep: Keep) -> int:
    """How many events were erased.  Blocks; raises `StorageUnavailable` or `ObjectError`.

    After an error some are still there: do it again.  Of a damaged segment `keep` is asked
    with all of its bytes, too.  Where something is erased, what was damaged goes as well.
    """
    _wait("what waits on this machine's disk was not carried into the log", _is_drained(events))
    _wait("another process folds the log all the time", turn.take)
    erased, renewed_s = 0, time.monotonic()
    try:
        for folder in (events.names.segments, events.names.aside):
            for listed in every(events.store, folder):
                erased += _rewritten(events.store, listed.name, keep)
                if time.monotonic() > renewed_s + LIFE_S / 4:
                    turn.take()
                    renewed_s = time.monotonic()
        events.store.tidy()
    finally:
        turn.give_back()
    return erased


def _is_drained(events: ObjectLog) -> Callable[[], bool]:
    def is_drained() -> bool:
        events.drain()
        return not others(events.spill.folder)

    return is_drained


def _wait(trouble: str, is_done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_done():
        if time.monotonic() > deadline_s:
            raise StorageUnavailable(f"nothing was erased from the event log: {trouble}")
        time.sleep(STEP_S)


def _rewritten(store: LogObjects, name: str, keep: Keep) -> int:
    """How many events went; a damaged rest counts as one."""
    stored = store.look(name)
    if stored is None:
        return 0
    frames, erased = [], 0
    if read_segment(stored.data).damage and not keep(stored.data):
        erased += 1
    for piece in read_frames(stored.data[BODY_AT:]).whole:
        left, gone = _without(piece, keep)
        frames += left
        erased += gone
    if erased and not store.swap(name, segment(frames), stored):
        raise ObjectError(f"{name} was changed meanwhile")
    return erased


def _without(piece: bytes, keep: Keep) -> tuple[list[bytes], int]:
    """The frame without those events, if any are left, and how many went."""
    try:
        batch = batch_of(piece)
    except msgspec.MsgspecError:  # of a newer version
        return ([piece], 0) if keep(piece) else ([], 1)
    kept = tuple(event for event in batch.events if keep(event))
    gone = len(batch.events) - len(kept)
    if not gone:
        return [piece], 0
    return [frame(msgspec.structs.replace(batch, events=kept))] if kept else [], gone
