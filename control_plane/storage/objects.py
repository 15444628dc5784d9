"""Objects: published files by name, in a folder; S3 and R2 can take its place.

    bundles/<sha256>               immutable, named by their content
    releases/<sha256>              immutable, named by their content
    keys/root.<n>.jws              written once
    channels/<name>/<projection>.jws   the one kind that is written again

A write is durable when `put` returns: the file and its folder are synced, and a
reader sees the old file or the new one, never half of one.

What is named by its content is hashed at every reading: caches keep it for ever, so one
tampered or rotten answer would stay wrong for ever.  Putting it again mends it.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

NAME = re.compile(
    r"(?:bundles|releases)/[0-9a-f]{64}"
    r"|keys/root\.[1-9][0-9]{0,8}\.jws"
    r"|channels/[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}\.jws"
)


log = logging.getLogger(__name__)
NAMED_BY_CONTENT = ("bundles", "releases")


class ObjectError(Exception):
    """An object could not be read or written; the message says which and why."""


class Tampered(ObjectError):
    """The stored bytes are not those that the object's name promises."""


class ObjectStore(Protocol):
    """What publishing needs of a store."""

    def get(self, name: str) -> bytes | None:
        """The object, or None if there is none of that name.

        Raises `ObjectError`, and `Tampered` for one that is not what its name says.
        """
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write durably.  Raises `ObjectError`; an immutable object never changes."""
        ...


class DirectoryStore:
    """Objects as files below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes | None:
        data = self._read(name)
        if data is not None and not _fits(name, data):
            log.critical("ALARM: %s was changed on the disk; it is not handed out", name)
            raise Tampered(f"{name} has other content than its name says")
        return data

    def _read(self, name: str) -> bytes | None:
        if not NAME.fullmatch(name):
            return None
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ObjectError(f"{name} was not read: {error.strerror}") from error

    def put(self, name: str, data: bytes) -> None:
        if not NAME.fullmatch(name):
            raise ObjectError(f"{name!r} is no name of an object")
        if self._is_there(name, data):
            return
        try:
            _write(self.folder / name, data)
        except OSError as error:
            raise ObjectError(f"{name} was not written: {error.strerror}") from error

    def _is_there(self, name: str, data: bytes) -> bool:
        """Whether nothing is left to do.  Raises `ObjectError` if it would change what may not."""
        if not _fits(name, data):
            raise ObjectError(f"{name} is not named by its content")
        there = self._read(name)
        if name.startswith("keys/") and there not in (None, data):
            raise ObjectError(f"{name} is there with other content, and is written only once")
        return there == data


def _fits(name: str, data: bytes) -> bool:
    """Whether these bytes may have that name."""
    kind, _, rest = name.partition("/")
    return kind not in NAMED_BY_CONTENT or sha256(data).hexdigest() == rest


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
