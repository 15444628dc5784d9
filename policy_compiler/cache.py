"""What earlier compiles of a catalog found out, so that unchanged offers are not read again.

An entry is named by a digest of everything that it was made of: the text, what surrounds
it (`context`), and the compiler itself (`maker`: the bytes of its own modules and the
versions of its libraries).  So nothing ever has to be declared stale, and a bundle is the
same to the byte with a cache, without one, and with someone else's.

    reading  the text of an offer                                -> the converted offer
    rules    the text of a rule; all attributes and named rules  -> its checked tree

Only what had no diagnostic is kept.  Lowering is not: an offer's clauses depend on the
breakpoints of all others, and computing them is as fast as reading them.

One file per catalog folder: SHA-256 of the rest, then a MessagePack map in order of last
use.  It is replaced as a whole and atomically; of two compiles at once the later one's
stays.  A file that is damaged, too large or of another format is no file.  Data only,
never code; but whoever can write there can change what you compile, so the folder is
the user's own (mode 0700).

Invariant: no state of the disk makes a compile fail, or differ.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache as remembered
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import msgspec

SIZE_MAX_BYTES = 64 * 1024 * 1024
FILES_MAX = 16
"""Catalogs that are remembered; the ones used last."""
ENTRIES_MIN = 200
"""A smaller catalog is compiled as fast as its entries are read."""
KEY_SIZE_BYTES = 16
DIGEST_SIZE_BYTES = 32
SUFFIX = ".compiled"

Value = TypeVar("Value")
_ENTRIES = msgspec.msgpack.Decoder(dict[bytes, bytes])


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/proffer`, else `~/.cache/proffer`; None where there is no home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    with suppress(RuntimeError):
        return (given if given.is_absolute() else Path.home() / ".cache") / "proffer"
    return None


class Cache:
    """The entries of one catalog folder.  `hits` and `misses` count what was asked for."""

    def __init__(self, folder: Path | None, catalog: Path) -> None:
        name = hashlib.sha256(os.fsencode(catalog.absolute())).hexdigest()[:32]
        self._file = None if folder is None else folder / (name + SUFFIX)
        self._old = {} if self._file is None else _read(self._file)
        self._used: dict[bytes, bytes] = {}
        self._new = False
        self.hits = self.misses = 0

    def key(self, kind: str, context: bytes, text: str) -> bytes:
        return hashlib.sha256(
            b"\x1f".join((maker(), kind.encode(), context, text.encode("utf-8", "surrogatepass")))
        ).digest()[:KEY_SIZE_BYTES]

    def get(self, key: bytes, decode: Callable[[bytes], Value]) -> Value | None:
        """The entry, or None if there is no whole one."""
        data = self._used.get(key) or self._old.get(key)
        if data is not None:
            with suppress(msgspec.DecodeError, ValueError):
                value = decode(data)
                self._used[key] = data
                self.hits += 1
                return value
        self.misses += 1
        return None

    def put(self, key: bytes, data: bytes) -> None:
        self._used[key] = data
        self._new = True

    def save(self) -> None:
        """Keep the entries for the next compile, if the disk lets us."""
        few = len(self._used) < ENTRIES_MIN and not self._old
        if self._file is None or not self._new or few:
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(self._file, _packed(self._used, self._old))
            _forget(self._file.parent)


@remembered
def maker() -> bytes:
    """Digest of whatever decides what an entry holds, besides its text and context."""
    from edge import decision

    digest = hashlib.sha256(platform.python_version().encode())
    for package in (Path(__file__).parent, Path(decision.__file__ or "").parent):
        for file in sorted(package.rglob("*.py")):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    for library in ("ruamel.yaml", "cel-expr-python", "msgspec"):
        digest.update(metadata.version(library).encode() + b"\x1f")
    return digest.digest()


# --- the file -----------------------------------------------------------------


def _read(file: Path) -> dict[bytes, bytes]:
    with suppress(OSError, msgspec.DecodeError):
        data = _plain(file)
        if hashlib.sha256(data[DIGEST_SIZE_BYTES:]).digest() == data[:DIGEST_SIZE_BYTES]:
            return _ENTRIES.decode(data[DIGEST_SIZE_BYTES:])
    return {}


def _plain(file: Path) -> bytes:
    """What a plain file holds, empty if it is none (a device, a pipe) or too large."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        data = stream.read(SIZE_MAX_BYTES + 1)
    return data if len(data) <= SIZE_MAX_BYTES else b""


def _packed(used: dict[bytes, bytes], old: dict[bytes, bytes]) -> bytes:
    """What was used now goes first, then what was used before, as far as there is room."""
    kept: dict[bytes, bytes] = {}
    room = SIZE_MAX_BYTES - 1024
    for key, data in {**used, **old}.items():
        room -= KEY_SIZE_BYTES + len(data) + 8
        if room < 0:
            break
        kept[key] = data
    packed = msgspec.msgpack.encode(kept)
    return hashlib.sha256(packed).digest() + packed


def _replace(file: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _forget(folder: Path) -> None:
    """Drop the files of catalogs that were not compiled for longest."""
    files = sorted(folder.glob("*" + SUFFIX), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[FILES_MAX:]:
        file.unlink(missing_ok=True)
