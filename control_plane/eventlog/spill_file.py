"""A spill file: appended and synced by the process that holds it, drained once, deleted.

Whoever holds the lock (flock) of a file owns it; locks end with their process, so what a
process that died has left can be taken over by another one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from control_plane.eventlog.segments import SPILL_MAGIC
from control_plane.storage.syncing import sync_folder

SUFFIX = ".spill"
NEW = ".new-"
"""Before its beginning is durable; nothing in such a file was ever acknowledged."""
NEW_LIFE_S = 60


class SpillFile:
    """`size_bytes` is what is durable in it.  Methods raise OSError."""

    def __init__(self, path: Path, handle: int, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._handle = handle

    @classmethod
    def make(cls, folder: Path) -> SpillFile:
        """A new one, durably there."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}{secrets.token_hex(4)}"
        new, path = folder / f"{NEW}{name}", folder / f"{name}{SUFFIX}"
        handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(handle, SPILL_MAGIC)
            os.fsync(handle)
            new.rename(path)
            sync_folder(folder)
            sync_folder(folder.parent)
        except BaseException:
            os.close(handle)
            for left in (new, path):
                with suppress(OSError):
                    left.unlink()
            raise
        return cls(path, handle, len(SPILL_MAGIC))

    @classmethod
    def adopt(cls, path: Path) -> SpillFile | None:
        """One that nobody owns any more, else None."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            about = os.fstat(handle)
            if about.st_nlink:  # else somebody has drained it just now
                return cls(path, handle, about.st_size)
        except BlockingIOError:
            pass
        os.close(handle)
        return None

    @property
    def is_empty(self) -> bool:
        return self.size_bytes <= len(SPILL_MAGIC)

    def append(self, data: bytes) -> None:
        """Durable when it returns.  After an error nothing more may be appended.

        Whether data reach the disk after a sync that failed is not known, and the next
        sync would not tell.
        """
        _write(self._handle, data)
        os.fsync(self._handle)
        self.size_bytes += len(data)

    def cut(self) -> None:
        """Take back what was appended without success."""
        os.ftruncate(self._handle, self.size_bytes)

    def read(self) -> bytes:
        """Its frames; b"" where even its beginning is not there."""
        data = b""
        while more := os.pread(self._handle, self.size_bytes - len(data), len(data)):
            data += more
        return data.removeprefix(SPILL_MAGIC) if data.startswith(SPILL_MAGIC) else b""

    def delete(self) -> None:
        """Only when all of it is durable elsewhere: a crash may bring it back."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        os.close(self._handle)


def others(folder: Path) -> list[Path]:
    """Spill files in the folder, the oldest first; removes what never became one."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    for path in paths:
        with suppress(OSError):
            if path.name.startswith(NEW) and path.stat().st_mtime < time.time() - NEW_LIFE_S:
                path.unlink()
    return [path for path in paths if path.suffix == SUFFIX]


def _write(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
