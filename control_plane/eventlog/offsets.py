"""How far the log was folded: one object, swapped for exactly what was looked at before.

Of two readers that fold at once one learns that it came too late, and looks again; what it
has folded counts once all the same.  An offsets object that cannot be read is as good as
none: everything that is still there is folded again.
"""

from __future__ import annotations

import logging

import msgspec
from msgspec import Struct

from control_plane.eventlog.naming import Names
from control_plane.storage.objects import LogObjects, Stored

log = logging.getLogger(__name__)


class Position(Struct):
    """In one lane: the segment to be folded next, and when there was the last (Unix seconds)."""

    next: int
    seen_s: int


class Offsets(Struct):
    lanes: dict[str, Position] = {}
    folded: int = 0
    """Segments, ever."""
    aside: int = 0
    """Of these, how many were set aside, ever."""
    missing: int = 0
    """Segments that somebody removed before they were folded, ever."""

    @property
    def are_new(self) -> bool:
        """Nothing was ever folded, or that is forgotten."""
        return self.folded == 0

    def next_of(self, lane: str) -> int:
        position = self.lanes.get(lane)
        return 1 if position is None else position.next

    def advance(self, lane: str, after: int, now_s: int) -> None:
        self.lanes[lane] = Position(after + 1, now_s)

    def forget(self, there: set[str], before_s: int) -> None:
        """Lanes that are gone from the store, and were silent since then."""
        self.lanes = {
            lane: position
            for lane, position in self.lanes.items()
            if lane in there or position.seen_s >= before_s
        }


class Looked(Struct, frozen=True):
    """The offsets, and what to swap them over."""

    offsets: Offsets
    stored: Stored | None


def look(store: LogObjects, names: Names) -> Looked:
    """Raises `ObjectError`."""
    stored = store.look(names.offsets)
    if stored is None:
        return Looked(Offsets(), None)
    try:
        return Looked(msgspec.json.decode(stored.data, type=Offsets), stored)
    except msgspec.MsgspecError as error:
        log.critical("ALARM: %s cannot be read, so all is folded again: %s", names.offsets, error)
        return Looked(Offsets(), stored)


def swap(store: LogObjects, names: Names, offsets: Offsets, before: Stored | None) -> bool:
    """False if somebody else was faster.  Raises `ObjectError`."""
    return store.swap(names.offsets, msgspec.json.encode(offsets), before)
