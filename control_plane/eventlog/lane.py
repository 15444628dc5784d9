"""A lane: one writer's segments, numbered without a gap.

A number is used up when its segment is known to be there.  Where an answer was lost (the
bucket did not answer in time), nobody knows whether it is; then the number is tried again
with whatever comes next, and the bucket refuses if the earlier segment did arrive.  That
one stays, and the next takes the next number.  So readers may rely on it: if a number is
there, all numbers before it were there.
"""

from __future__ import annotations

import time

from control_plane.eventlog.naming import Names, new_lane
from control_plane.storage.objects import LogObjects, ObjectError

LIFE_S = 86400.0
"""Then a new name: readers may forget a lane that was silent for much longer."""


class Lane:
    """For one thread."""

    def __init__(self, store: LogObjects, names: Names) -> None:
        self._store = store
        self._names = names
        self._begin()

    def put(self, data: bytes) -> None:
        """Durable when it returns.  Raises `ObjectError`; then it may be there, or not."""
        if time.monotonic() > self._until_s:
            self._begin()
        while not self._is_there(data):
            self._number += 1
        self._number += 1

    def _begin(self) -> None:
        self.name = new_lane()
        self._number = 1
        self._until_s = time.monotonic() + LIFE_S

    def _is_there(self, data: bytes) -> bool:
        name = self._names.segment(self.name, self._number)
        if self._store.create(name, data):
            return True
        there = self._store.look(name)
        if there is None:
            raise ObjectError(f"{name} was not written: somebody else writes it just now")
        return there.data == data
