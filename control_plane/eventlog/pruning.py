"""Deleting what was folded long enough ago; what was set aside stays."""

from __future__ import annotations

import time
from collections.abc import Iterator

from control_plane.eventlog.naming import Names, number_of
from control_plane.eventlog.offsets import look, swap
from control_plane.storage.objects import Listed, LogObjects

SILENT_S = 2 * 86400
"""A lane that was silent for so long, beyond the time its segments are kept, is over:
its writer has begun another one (`lane.LIFE_S`)."""


def prune(store: LogObjects, names: Names, kept_s: int) -> int:
    """How many segments were deleted.  Raises `ObjectError`; the rest has time."""
    looked = look(store, names)
    before_s = time.time() - kept_s
    deleted = 0
    lanes = store.folders(names.segments)
    for lane in lanes:
        for listed in every(store, names.lane(lane)):
            is_folded = number_of(listed.name) < looked.offsets.next_of(lane)
            if not is_folded or listed.changed_s >= before_s:
                break
            store.delete(listed.name)
            deleted += 1
    known = len(looked.offsets.lanes)
    looked.offsets.forget(set(lanes), int(before_s) - SILENT_S)
    if len(looked.offsets.lanes) < known:
        swap(store, names, looked.offsets, looked.stored)
    store.tidy()
    return deleted


def every(store: LogObjects, prefix: str) -> Iterator[Listed]:
    """All objects below it, page by page.  Raises `ObjectError`."""
    after = ""
    while page := store.list(prefix, after):
        yield from page
        after = page[-1].name
