"""Objects: published files by name, in a folder (here) or a bucket (`s3.py`).

    bundles/<sha256>               immutable, named by their content
    releases/<sha256>              immutable, named by their content
    keys/root.<n>.jws              written once
    audit/checkpoints/<n>.jws      written once
    channels/<name>/<projection>.jws   the one kind that is written again
    log/<tenant>/...               of the event log (`eventlog/naming.py`), in a place of its own

A write is durable when it returns, was read back, and a reader sees the old object or
the new one, never half of one.  `put` writes what never changes.  A channel's file is
*swapped*: written only over exactly what was looked at before, so that of two processes
that write at once one learns that it came too late (`channels.py` says what then).  The
event log *creates* its segments, each under a name that was never used, lists them in
the order of their names, and deletes them again: nothing else is ever deleted.

What is named by its content is hashed at every reading: caches keep it for ever, so one
tampered or rotten answer would stay wrong for ever.  Putting it again mends it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from msgspec import Struct

from control_plane.storage.syncing import sync_folder

NAME = re.compile(
    r"(?:bundles|releases)/[0-9a-f]{64}"
    r"|keys/root\.[1-9][0-9]{0,8}\.jws"
    r"|audit/checkpoints/[1-9][0-9]{0,8}\.jws"
    r"|channels/[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}\.jws"
    r"|log/[a-z0-9-]{1,63}/(?:offsets\.json|(?:segments|aside)/[0-9a-f]{24}/[0-9]{9}/[0-9]{3})"
)


log = logging.getLogger(__name__)
NAMED_BY_CONTENT = ("bundles", "releases")
CHANNELS = "channels/"
LOG = "log/"
WRITTEN_ONCE = ("keys/", "audit/")
PARTS = ".parts"
"""Where a folder's new objects of the log are written before they get their names."""
PART_LIFE_S = 600


class ObjectError(Exception):
    """An object could not be read or written; the message says which and why."""


class Tampered(ObjectError):
    """The stored bytes are not those that the object's name promises."""


class Stored(Struct, frozen=True):
    """An object as it was at one moment; `tag` is another one as soon as the data are."""

    data: bytes
    tag: str


class Listed(Struct, frozen=True):
    """An object that is there; `changed_s` by the store's clock, in Unix seconds."""

    name: str
    changed_s: float


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


class LogObjects(Protocol):
    """What the event log needs of a store.  Every method raises `ObjectError`."""

    def look(self, name: str) -> Stored | None: ...

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool: ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a new object of the log durably; False if there is one of that name."""
        ...

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[Listed]:
        """Objects of the log below `prefix` (ends with "/"), by name, those behind `after`."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """What follows `prefix` up to the next "/", each once, in order."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object of the log, if it is there."""
        ...

    def tidy(self) -> None:
        """Remove what writers that died left half done."""
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
    if name.startswith(LOG):
        raise ObjectError(f"{name} is the event log's: it is created, not put")
    if not fits(name, data):
        raise ObjectError(f"{name} is not named by its content")


def check_swap(name: str) -> None:
    if not NAME.fullmatch(name) or not name.startswith((CHANNELS, LOG)):
        raise ObjectError(f"{name!r} is no name of a channel's file")


def check_log(name: str) -> None:
    if not NAME.fullmatch(name) or not name.startswith(LOG):
        raise ObjectError(f"{name!r} is no name of an object of the log")


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

    # --- the event log ------------------------------------------------------

    def create(self, name: str, data: bytes) -> bool:
        check_log(name)
        with self._told(name):
            return _create(self.folder, name, data)

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[Listed]:
        with self._told(prefix, "listed"):
            return list(islice(_walk(self.folder, prefix.rstrip("/"), after), limit))

    def folders(self, prefix: str) -> list[str]:
        with self._told(prefix, "listed"):
            return [entry.name for entry in _entries(self.folder / prefix) if entry.is_dir()]

    def delete(self, name: str) -> None:
        check_log(name)
        path = self.folder / name
        with self._told(name, "deleted"):
            path.unlink(missing_ok=True)
            with suppress(OSError):  # as soon as nothing is left in them
                path.parent.rmdir()
                path.parent.parent.rmdir()

    def tidy(self) -> None:
        with self._told(PARTS, "deleted"):
            for entry in _entries(self.folder / PARTS):
                if entry.stat().st_mtime < time.time() - PART_LIFE_S:
                    Path(entry.path).unlink(missing_ok=True)

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
    def _told(self, name: str, done: str = "written") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ObjectError(f"{name} was not {done}: {error.strerror}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time, over all threads and processes; ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _create(root: Path, name: str, data: bytes) -> bool:
    """Whether it was written: not where something is.  Whole or not at all.

    A link fails where a rename would replace.  Needs no lock, so a writer that hangs
    stops nobody.
    """
    parts, path = root / PARTS, root / name
    parts.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=parts, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, path)
        except FileExistsError:
            return False
        finally:
            with suppress(OSError):
                Path(file.name).unlink()
    # Any folder above may be new, made by somebody who did not get as far as here.
    for folder in path.relative_to(root).parents:
        sync_folder(root / folder)
    return True


def _walk(root: Path, folder: str, after: str) -> Iterator[Listed]:
    """Objects below `folder`, in order, from behind `after`."""
    for entry in _entries(root / folder):
        name = f"{folder}/{entry.name}"
        if entry.is_dir():
            if after[: len(name)] <= name:
                yield from _walk(root, name, after)
        elif name > after and NAME.fullmatch(name):
            with suppress(FileNotFoundError):  # deleted meanwhile
                yield Listed(name, entry.stat().st_mtime)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


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
    sync_folder(path.parent)
    sync_folder(path.parent.parent)  # the folder itself may be new
