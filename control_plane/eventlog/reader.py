"""What is new in the log: the segments behind the offsets, lane by lane.

Lanes are found by listing their folders, new segments of a lane by listing its names from
behind its position: nothing that was folded is listed again.  A lane that is silent is
looked at ever more rarely, up to every `REST_LIMIT_S`; those of this process always.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from msgspec import Struct

from control_plane.eventlog.naming import Names, lane_of, number_of
from control_plane.eventlog.offsets import Offsets
from control_plane.storage.objects import LogObjects

REST_LIMIT_S = 30.0
REST_SHARE = 0.1
"""Of the time that a lane has been silent, it is left alone for so much."""
LANE_TURN = 16
"""Segments of one lane before the next has its turn."""
GAP_PATIENCE_S = 60.0
"""How long a number that is not there holds up its lane, before it is given up."""


class Found(Struct, frozen=True):
    """A segment, and how many before it are not there."""

    lane: str
    number: int
    name: str
    missing: int


class Silence(Struct):
    """Since when nothing came in a lane, and when to look again (both monotonic)."""

    since_s: float
    until_s: float


class Reader:
    """For one thread at a time."""

    def __init__(self, store: LogObjects, names: Names) -> None:
        self._store = store
        self._names = names
        self._silent: dict[str, Silence] = {}
        self._gaps: dict[str, float] = {}
        """The name that is not there -> since when (monotonic).  It stays until the lane goes:
        whoever folds looks twice, before it takes the lease and with it, and both see the same."""

    def lanes(self) -> list[str]:
        """All there are.  Raises `ObjectError`."""
        return self._store.folders(self._names.segments)

    def find(self, offsets: Offsets, own: set[str], *, all_lanes: bool = False) -> list[Found]:
        """What is to be folded next, in order.  Raises `ObjectError`.

        `own`: lanes of this process.  `all_lanes`: the silent ones, too.
        """
        lanes = self.lanes()
        self._silent = {lane: self._silent[lane] for lane in lanes if lane in self._silent}
        self._gaps = {name: s for name, s in self._gaps.items() if lane_of(name) in lanes}
        found: list[Found] = []
        for lane in lanes:
            if all_lanes or offsets.are_new or lane in own or self._is_due(lane):
                new = list(self._new_in(lane, self._next_of(lane, offsets)))
                self._note(lane, bool(new))
                found += new
        return found

    def _next_of(self, lane: str, offsets: Offsets) -> int:
        """Where nothing is known, the first segments may have been deleted long ago."""
        if not offsets.are_new:
            return offsets.next_of(lane)
        first = self._store.list(self._names.lane(lane), limit=1)
        return number_of(first[0].name) if first else 1

    def _is_due(self, lane: str) -> bool:
        silence = self._silent.get(lane)
        return silence is None or time.monotonic() >= silence.until_s

    def _note(self, lane: str, has_news: bool) -> None:
        now_s = time.monotonic()
        if has_news:
            self._silent.pop(lane, None)
            return
        silence = self._silent.setdefault(lane, Silence(now_s, now_s))
        silence.until_s = now_s + min(REST_LIMIT_S, REST_SHARE * (now_s - silence.since_s))

    def _new_in(self, lane: str, number: int) -> Iterator[Found]:
        after = self._names.segment(lane, number - 1)
        for listed in self._store.list(self._names.lane(lane), after, LANE_TURN):
            there = number_of(listed.name)
            if there > number and not self._is_gone(lane, number):
                return
            yield Found(lane, there, listed.name, there - number)
            number = there + 1

    def _is_gone(self, lane: str, number: int) -> bool:
        """Whether a number was looked for in vain for long enough.

        Lanes have no gaps, and stores list what was written before; but not every store
        keeps that promise in every second.
        """
        name = self._names.segment(lane, number)
        since_s = self._gaps.setdefault(name, time.monotonic())
        return time.monotonic() >= since_s + GAP_PATIENCE_S
