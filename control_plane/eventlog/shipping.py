"""The thread that makes batches durable: in a segment of the log, else in the spill.

Batches that wait go together: into a segment once the first of them waited `wait_s`, or
4 MiB are there; into the spill at once, as many as there are, with one sync.  Batches that
come while a write runs wait for the next.  How much may wait is bounded, since memory is
not durable: what comes on top is turned away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future

from msgspec import Struct

from control_plane.eventlog.gate import Gate
from control_plane.eventlog.lane import Lane
from control_plane.eventlog.segments import SEGMENT_LIMIT_BYTES, segment
from control_plane.eventlog.spill import Spill
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError

log = logging.getLogger(__name__)

WAITING_LIMIT_BYTES = 16 << 20
WAITING_LIMIT = 4096
"""Batches."""


class Waiting(Struct, frozen=True):
    frame: bytes
    kept: Future[None]
    since_s: float


class Shipper:
    """`close` finishes what was accepted."""

    def __init__(self, lane: Lane, spill: Spill, gate: Gate, wait_s: float) -> None:
        self._lane = lane
        self._spill = spill
        self._gate = gate
        self._wait_s = wait_s
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="shipper", daemon=True)
        self._thread.start()

    def submit(self, frame: bytes) -> Future[None]:
        """Done once the frame is durable.  Raises `StorageUnavailable` when too many wait."""
        one = Waiting(frame, Future(), time.monotonic())
        with self._changed:
            if self._closed:
                raise StorageUnavailable("the server is stopping")
            is_full = self._waiting_bytes + len(frame) > WAITING_LIMIT_BYTES
            if is_full or len(self._waiting) >= WAITING_LIMIT:
                raise StorageUnavailable(f"{len(self._waiting)} batches are waiting already")
            self._waiting.append(one)
            self._waiting_bytes += len(frame)
            self._changed.notify()
        return one.kept

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    @property
    def _goes_directly(self) -> bool:
        """While there is a spill, it is for the drainer to find out about the bucket."""
        return self._gate.is_open or (self._spill.is_empty and self._gate.may_knock)

    def _work(self) -> None:
        while (group := self._next_group()) is not None:
            try:
                self._keep(b"".join(one.frame for one in group))
            except Exception as error:
                told = error
                if not isinstance(error, StorageUnavailable):
                    log.exception("a segment was not written")
                    told = StorageUnavailable("the event log failed")
                for one in group:
                    one.kept.set_exception(told)
            else:
                for one in group:
                    one.kept.set_result(None)

    def _next_group(self) -> list[Waiting] | None:
        """None at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting:
                return None
            while (left_s := self._left_s) > 0:
                self._changed.wait(left_s)
            return self._taken()

    @property
    def _left_s(self) -> float:
        """How long the next segment still waits for more."""
        is_full = self._waiting_bytes >= SEGMENT_LIMIT_BYTES
        if self._closed or is_full or not self._goes_directly:
            return 0.0
        return self._waiting[0].since_s + self._wait_s - time.monotonic()

    def _taken(self) -> list[Waiting]:
        group: list[Waiting] = []
        size_bytes = 0
        while self._waiting and size_bytes < SEGMENT_LIMIT_BYTES:
            one = self._waiting.popleft()
            size_bytes += len(one.frame)
            if one.kept.set_running_or_notify_cancel():
                group.append(one)
        self._waiting_bytes -= size_bytes
        return group

    def _keep(self, frames: bytes) -> None:
        """Durable when it returns.  Raises `StorageUnavailable`."""
        if self._goes_directly:
            try:
                self._lane.put(segment([frames]))
            except ObjectError as error:
                self._gate.failed()
                log.warning("the event log goes into the spill: %s", error)
            else:
                self._gate.succeeded()
                return
        self._spill.append(frames)
