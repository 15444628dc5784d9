"""Objects: published files by name, in a folder (here) or a bucket (`s3.py`).

    bundles/<sha256>               immutable, named by their content
    releases/<sha256>              immutable, named by their content
    keys/root.<n>.jws              written once
    audit/checkpoints/<n>.jws      written once
    channels/<name>/<projection>.jws   the one kind that is written again

A write is durable when it returns, was read back, and a reader sees the old object or
the new one, never half of one.  `put` writes what never changes.  A channel's file is
*swapped*: written only over exactly what was looked at before, so that of two processes
that write at once one learns that it came too late (`channels.py` says what then).

What is named by its content is hashed at every reading: caches keep it for ever, so one
tampered or rotten answer would stay wrong for ever.  Putting it again mends it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from msgspec import Struct

NAME = re.compile(
    r"(?:bundles|releases)/[0-9a-f]{64}"
    r"|keys/root\.[1-9][0-9]{0,8}\.jws"
    r"|audit/checkpoints/[1-9][0-9]{0,8}\.jws"
    r"|channels/[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}\.jws"
)


log = logging.getLogger(__name__)
NAMED_BY_CONTENT = ("bundles", "releases")
CHANNELS = "channels/"
WRITTEN_ONCE = ("keys/", "audit/")


class ObjectError(Exception):
    """An object could not be read or written; the message says which and why."""


class Tampered(ObjectError):
    """The stored bytes are not those that the object's name promises."""


class Stored(Struct, frozen=True):
    """An object as it was at one moment; `tag` is another one as soon as the data are."""

    data: bytes
    tag: str


class ObjectStore(Protocol):
    """What publishing needs of a store.  Every method raises `ObjectError`."""

    def get(self, name: str) -> bytes | None:
        """The object, or None if there is none of that name.

        Raises `Tampered` for one that is not what its name says.
        """
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write durably what never changes: raises where other content would be replaced."""
        ...

    def look(self, name: str) -> Stored | None:
        """The object with its tag, for `swap`."""
        ...

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool:
        """Write a channel's file durably over `before` (None: where nothing is).

        False if something else is there by now; then nothing was written.
        """
        ...


# --- what holds in every store ------------------------------------------------


def fits(name: str, data: bytes) -> bool:
    """Whether these bytes may have that name."""
    kind, _, rest = name.partition("/")
    return kind not in NAMED_BY_CONTENT or sha256(data).hexdigest() == rest


def check_fits(name: str, data: bytes | None) -> bytes | None:
    """The data of that object.  Raises `Tampered` if they cannot be."""
    if data is not None and not fits(name, data):
        log.critical("ALARM: %s was changed where it is stored; it is not handed out", name)
        raise Tampered(f"{name} has other content than its name says")
    return data


def check_put(name: str, data: bytes) -> None:
    """Raises `ObjectError` for what may not be put under that name."""
    if not NAME.fullmatch(name):
        raise ObjectError(f"{name!r} is no name of an object")
    if name.startswith(CHANNELS):
        raise ObjectError(f"{name} is written again and again: it is swapped, not put")
    if not fits(name, data):
        raise ObjectError(f"{name} is not named by its content")


def check_swap(name: str) -> None:
    if not NAME.fullmatch(name) or not name.startswith(CHANNELS):
        raise ObjectError(f"{name!r} is no name of a channel's file")


def written_once(name: str) -> ObjectError:
    return ObjectError(f"{name} is there with other content, and is written only once")


# --- a folder -----------------------------------------------------------------


class DirectoryStore:
    """Objects as files below one folder, which several processes of a machine may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes | None:
        return check_fits(name, self._read(name))

    def look(self, name: str) -> Stored | None:
        data = self._read(name)
        return None if data is None else Stored(data, sha256(data).hexdigest())

    def put(self, name: str, data: bytes) -> None:
        check_put(name, data)
        with self._told(name), self._alone():
            there = self._read(name)
            if there == data:
                return
            if there is not None and name.startswith(WRITTEN_ONCE):
                raise written_once(name)
            self._write(name, data)

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool:
        check_swap(name)
        with self._told(name), self._alone():
            if self.look(name) != before:
                return False
            self._write(name, data)
        return True

    def _read(self, name: str) -> bytes | None:
        if not NAME.fullmatch(name):
            return None
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ObjectError(f"{name} was not read: {error.strerror}") from error

    def _write(self, name: str, data: bytes) -> None:
        _write(self.folder / name, data)
        if self._read(name) != data:
            raise ObjectError(f"{name} reads back with other bytes")

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ObjectError(f"{name} was not written: {error.strerror}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time, over all threads and processes; ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    _sync(path.parent)
    _sync(path.parent.parent)  # the folder itself may be new


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
