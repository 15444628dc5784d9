"""A bucket with a folder before it that keeps what never changes.

Bundles, releases and roots are fetched once and then read from the disk (hashed, like
everything that is named by its content), so reading goes on while the bucket is down, over
a restart too.  The folder is bounded, and may be deleted at any time.  Writes, channels
and the audit log's checkpoints always go to the bucket.

After a read that failed the bucket is left alone for `REST_S`, and then one read at a time
tries it again: each attempt holds a thread until its timeout.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from control_plane.storage.objects import (
    CHANNELS,
    DirectoryStore,
    ObjectError,
    ObjectStore,
    Stored,
    Tampered,
)

T = TypeVar("T")

NEVER_KEPT = (CHANNELS, "audit/")
"""What changes, and what is only read to see whether it is still in the bucket."""
REST_S = 3.0
KEPT_LIMIT = 200
"""Objects in the folder; the ones longest unread go first."""


class CachedStore:
    """`far` is the bucket; `folder` holds copies."""

    def __init__(self, far: ObjectStore, folder: Path) -> None:
        self._far = far
        self._near = DirectoryStore(folder)
        self._failed_at_s: float | None = None
        self._trying = threading.Lock()
        self._pruning = threading.Lock()

    def get(self, name: str) -> bytes | None:
        if name.startswith(NEVER_KEPT):
            there = self.look(name)
            return None if there is None else there.data
        return self._kept(name) or self._fetched(name)

    def put(self, name: str, data: bytes) -> None:
        self._far.put(name, data)
        if not name.startswith(NEVER_KEPT):
            self._keep(name, data)

    def look(self, name: str) -> Stored | None:
        return self._read(name, self._far.look)

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool:
        return self._far.swap(name, data, before)

    def _kept(self, name: str) -> bytes | None:
        with suppress(ObjectError):  # a copy that cannot be used is fetched anew
            data = self._near.get(name)
            if data is not None:
                with suppress(OSError):
                    os.utime(self._near.folder / name)
            return data
        return None

    def _fetched(self, name: str) -> bytes | None:
        data = self._read(name, self._far.get)
        if data is not None:
            self._keep(name, data)
        return data

    def _read(self, name: str, read: Callable[[str], T]) -> T:
        """From the bucket; at once an error while it is known to be gone."""
        failed_at_s = self._failed_at_s
        if failed_at_s is None:
            return self._attempt(name, read)
        rested = time.monotonic() >= failed_at_s + REST_S
        if not rested or not self._trying.acquire(blocking=False):
            raise ObjectError(f"{name} was not read: the bucket could not be reached just now")
        try:
            return self._attempt(name, read)
        finally:
            self._trying.release()

    def _attempt(self, name: str, read: Callable[[str], T]) -> T:
        try:
            found = read(name)
        except Tampered:
            raise
        except ObjectError:
            self._failed_at_s = time.monotonic()
            raise
        self._failed_at_s = None
        return found

    def _keep(self, name: str, data: bytes) -> None:
        with suppress(ObjectError):  # without room for a copy it goes on
            self._near.put(name, data)
        self._prune()

    def _prune(self) -> None:
        with self._pruning, suppress(OSError):
            found = [path for path in self._near.folder.glob("*/*") if path.is_file()]
            found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for path in found[KEPT_LIMIT:]:
                path.unlink(missing_ok=True)
