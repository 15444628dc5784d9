"""The spill: events wait on this machine's disk while the log's bucket is away.

    append   frames of a group of batches, one write, one sync of the disk
    take     a file to drain: what dead processes left first, then the oldest of our own
    done     all of it is in the bucket: the file is deleted

A file that failed once (full disk, a sync that failed) is not appended to any more: what
was acknowledged in it is drained, and the next group begins another one.  So room that
comes back is used at once, without a restart.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from control_plane.eventlog.spill_file import SpillFile, others
from control_plane.storage.failures import StorageUnavailable

log = logging.getLogger(__name__)

FILE_LIMIT_BYTES = 16 << 20


class Spill:
    """Of one process.  One thread appends, one drains."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._current: SpillFile | None = None
        self._closed: deque[SpillFile] = deque()
        self._taken: SpillFile | None = None

    @property
    def size_bytes(self) -> int:
        with self._lock:
            return self._size_bytes()

    @property
    def is_empty(self) -> bool:
        with self._lock:
            return not (self._closed or self._taken or self._current)

    def append(self, frames: bytes) -> None:
        """Durable when it returns.  Raises `StorageUnavailable`; nothing was kept then."""
        with self._lock:
            if self._size_bytes() + len(frames) > self.limit_bytes:
                raise StorageUnavailable("the event log cannot be reached, and its spill is full")
            try:
                self._current = self._current or SpillFile.make(self.folder)
                self._current.append(frames)
            except OSError as error:
                self._give_up()
                log.warning("events were not kept in the spill: %s", error)
                raise StorageUnavailable(
                    f"the event log cannot be reached, and its spill failed: {error.strerror}"
                ) from error
            if self._current.size_bytes >= FILE_LIMIT_BYTES:
                self._close_current()

    def adopt(self) -> None:
        """Take over what processes left that are gone."""
        with self._lock:
            ours = {file.path for file in (*self._closed, self._current, self._taken) if file}
            for path in others(self.folder):
                file = None
                with suppress(OSError):
                    file = None if path in ours else SpillFile.adopt(path)
                if file is not None:
                    log.info("%d bytes of events are taken over from %s", file.size_bytes, path)
                    self._closed.appendleft(file)

    def take(self) -> SpillFile | None:
        """What to drain next; `done` or `give_back` says what became of it."""
        with self._lock:
            if not self._closed:
                self._close_current()
            self._taken = self._closed.popleft() if self._closed else None
            return self._taken

    def done(self, file: SpillFile) -> None:
        """Raises OSError if it cannot be deleted; then it is drained again, which is harmless."""
        file.delete()
        with self._lock:
            self._taken = None

    def give_back(self, file: SpillFile) -> None:
        with self._lock:
            self._closed.appendleft(file)
            self._taken = None

    def close(self) -> None:
        """Let another process take over what is left."""
        with self._lock:
            self._close_current()
            for file in self._closed:
                file.close()
            self._closed.clear()

    def _size_bytes(self) -> int:
        files = (*self._closed, self._current, self._taken)
        return sum(file.size_bytes for file in files if file is not None)

    def _close_current(self) -> None:
        if self._current is not None:
            self._closed.append(self._current)
            self._current = None

    def _give_up(self) -> None:
        """After an error: acknowledged frames stay, and what came last goes."""
        file, self._current = self._current, None
        if file is None:
            return
        with suppress(OSError):
            if file.is_empty:
                file.delete()
                return
        with suppress(OSError):
            file.cut()
        self._closed.append(file)
