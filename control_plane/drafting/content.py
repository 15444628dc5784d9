"""A catalog's content: its YAML files, byte by byte, and the name that follows from them.

The canonical form is a text, one line per file, files by the bytes of their paths:

    proffer-catalog-1
    <SHA-256 of the file> <its size in bytes> <its path>

each line ended by a line feed.  The content hash is the SHA-256 of that text.  So equal
folders have equal names, whoever imported them and wherever; order of files, times and
rights do not count.

A path is the file's place below the catalog's folder, with `/` between its parts.  Parts are
plain: ASCII letters, digits, `_ . - +` and inner blanks, no leading dot; so a folder comes
back the same from any archive and on any system.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from msgspec import Struct

from control_plane.errors import Refused
from policy_compiler.source import FILE_SIZE_MAX_BYTES

FILES_MAX = 500
CATALOG_SIZE_MAX_BYTES = 32 << 20
PATH_MAX_CHARACTERS = 200
DEPTH_MAX = 8
HASH_CHARACTERS = 64
SUFFIXES = (".yaml", ".yml")

Files = Mapping[str, bytes]
"""Path below the catalog's folder -> the file's bytes."""

HEAD = "proffer-catalog-1\n"
_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_ .+-]*[A-Za-z0-9_+-])?", re.ASCII)
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for itself."""


class FileEntry(Struct, frozen=True, kw_only=True):
    """A file of a revision: where it stands and what it holds, by SHA-256."""

    path: str
    digest: str
    size_bytes: int


def entries_of(files: Files) -> list[FileEntry]:
    """One per file, in canonical order."""
    return [
        FileEntry(path=path, digest=digest_of(files[path]), size_bytes=len(files[path]))
        for path in sorted(files)  # ASCII: code points sort as bytes
    ]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def content_hash_of(entries: list[FileEntry]) -> str:
    lines = (f"{each.digest} {each.size_bytes} {each.path}\n" for each in entries)
    return digest_of((HEAD + "".join(lines)).encode())


# --- what may be in one -------------------------------------------------------


def check_path(path: str) -> None:
    """Raises `Refused` catalog-refused, naming the file, unless it is a plain path."""
    if problem := _problem(path):
        raise refused(path, problem, "Rename it, or take it out.")


def _problem(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or ":" in path or "\\" in path or ".." in parts:
        return "leads out of the catalog's folder"
    if not path.endswith(SUFFIXES):
        return "is no .yaml or .yml file"
    if len(path) > PATH_MAX_CHARACTERS:
        return f"has a path of more than {PATH_MAX_CHARACTERS} characters"
    if len(parts) > DEPTH_MAX:
        return f"is more than {DEPTH_MAX} folders deep"
    if any(not _PART.fullmatch(part) or _DEVICE.fullmatch(part) for part in parts):
        return "has an odd name; use ASCII letters, digits and `_ . - +`"
    return ""


def check_files(files: Files) -> None:
    """Raises `Refused` catalog-refused unless these can be a revision."""
    if not files:
        raise Refused("catalog-refused", "the catalog holds no .yaml file")
    if len(files) > FILES_MAX:
        raise Refused("catalog-refused", f"the catalog holds more than {FILES_MAX} files")
    for path, data in files.items():
        check_path(path)
        check_size(path, len(data))
    check_total(sum(map(len, files.values())))
    _check_twins(files)


def check_size(path: str, size_bytes: int) -> None:
    if size_bytes > FILE_SIZE_MAX_BYTES:
        raise refused(path, f"is larger than {FILE_SIZE_MAX_BYTES >> 20} MiB", "Split it.")


def check_total(size_bytes: int) -> None:
    if size_bytes > CATALOG_SIZE_MAX_BYTES:
        most = f"{CATALOG_SIZE_MAX_BYTES >> 20} MiB"
        raise Refused("catalog-refused", f"the catalog's files have more than {most} together")


def _check_twins(files: Files) -> None:
    """Some systems tell names apart by their case, some do not; and no file is a folder, too."""
    seen: dict[str, str] = {}
    for path in sorted(files):
        if (other := seen.setdefault(path.lower(), path)) != path:
            raise refused(path, f"differs from {other!r} by case only", "Rename one of them.")
    folders = {lower[:at] for lower in seen for at, char in enumerate(lower) if char == "/"}
    if both := sorted(folders & seen.keys()):
        raise refused(seen[both[0]], "is a file and a folder", "Rename one of them.")


def refused(path: str, problem: str, help: str) -> Refused:
    return Refused("catalog-refused", f"{path[:300]!a} {problem}", help=help)
