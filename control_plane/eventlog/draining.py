"""The thread that carries the spill into the log as soon as the bucket is back.

A file is deleted only after all of it is in segments.  After a crash in between it is
carried again, whole: then batches are in the log twice, and count once.  What is damaged
in a file is set aside in the bucket, told, and does not hold up the rest.
"""

from __future__ import annotations

import logging
import threading

from control_plane.eventlog.gate import REST_S, Gate
from control_plane.eventlog.lane import Lane
from control_plane.eventlog.naming import Names
from control_plane.eventlog.segments import chunks, read_frames, segment
from control_plane.eventlog.spill import Spill
from control_plane.eventlog.spill_file import SpillFile
from control_plane.storage.objects import LogObjects, ObjectError

log = logging.getLogger(__name__)

ADOPT_EVERY = 30
"""Of `REST_S`: how often files of other processes are looked at."""


class Drainer:
    """`close` leaves what is not carried over to the next start."""

    def __init__(self, store: LogObjects, names: Names, spill: Spill, gate: Gate) -> None:
        self.lane = Lane(store, names)
        self._aside = Aside(store, names)
        self._spill = spill
        self._gate = gate
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="drainer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        turn = 0
        while not self._closed:
            if turn % ADOPT_EVERY == 0:
                self._spill.adopt()
            turn += 1
            try:
                self._drain()
            except Exception:
                log.exception("the spill was not drained")
            self._wake.wait(REST_S)
            self._wake.clear()

    def _drain(self) -> None:
        while not self._closed and (file := self._spill.take()):
            try:
                self._carry(file)
                self._spill.done(file)
            except ObjectError:
                self._gate.failed()
                self._spill.give_back(file)
                return
            except BaseException:
                self._spill.give_back(file)
                raise

    def _carry(self, file: SpillFile) -> None:
        """Raises `ObjectError`."""
        found = read_frames(file.read())
        for chunk in chunks(found.whole):
            self.lane.put(segment(chunk))
            self._gate.succeeded()
        if found.damaged:
            log.critical(
                "ALARM: %d pieces of %s are damaged; they are set aside in the log",
                len(found.damaged), file.path,
            )  # fmt: skip
            self._aside.put(b"".join(found.damaged))


class Aside:
    """Places for damaged pieces that have no segment."""

    def __init__(self, store: LogObjects, names: Names) -> None:
        self._store = store
        self._names = names

    def put(self, data: bytes) -> None:
        """Raises `ObjectError`."""
        lane = Lane(self._store, self._names)
        self._store.create(self._names.set_aside(self._names.segment(lane.name, 1)), data)
