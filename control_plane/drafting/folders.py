"""The catalog as people carry it: an archive (zip or tar), or a folder on disk.

In: every member is looked at before it is read, and what is not plainly a YAML file below the
catalog's folder is refused by name: paths that lead out, links and devices, files that are
none of YAML, names that not every system can hold, and more bytes than a catalog may have,
however small they were packed.  Hidden files (`.git/`, `.DS_Store`, and the `__MACOSX/` that
Macs add) are left out, as the compiler leaves them out.

Out: members in canonical order with fixed times and rights, so that a revision is always the
same archive, to the byte.  Export, then import, gives the same content hash.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from control_plane.drafting.content import (
    CATALOG_SIZE_MAX_BYTES,
    FILES_MAX,
    Files,
    check_files,
    check_path,
    check_size,
    check_total,
    refused,
)
from control_plane.errors import Refused
from policy_compiler.source import FILE_SIZE_MAX_BYTES

ArchiveKind = Literal["zip", "tar"]
MEDIA: dict[ArchiveKind, str] = {"zip": "application/zip", "tar": "application/x-tar"}

ARCHIVE_SIZE_MAX_BYTES = CATALOG_SIZE_MAX_BYTES + (1 << 20)
"""What is uploaded at most: the largest catalog, unpacked, and its headers."""
MEMBERS_MAX = 4 * FILES_MAX
"""Folders and hidden files count here."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can say."""
PACKED_FILE = stat.S_IFREG | 0o644
CENTRAL_ENTRY = b"PK\x01\x02"
"""What every entry of a zip's list of members begins with."""
MADE_BY_MACS = "__MACOSX"
ENCRYPTED = 0x1


# --- out ----------------------------------------------------------------------


def pack(files: Files, kind: ArchiveKind) -> bytes:
    """An archive of these files, the same bytes for the same files."""
    return _zip(files) if kind == "zip" else _tar(files)


def _zip(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(files):
            member = zipfile.ZipInfo(path, EPOCH)
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = PACKED_FILE << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, files[path])
    return out.getvalue()


def _tar(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(files[path]), 0o644
            archive.addfile(member, io.BytesIO(files[path]))
    return out.getvalue()


# --- in -----------------------------------------------------------------------


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a zip or of a tar (plain or gzipped); which one, its first bytes tell.

    Raises `Refused` catalog-refused, naming the member.
    """
    reader = _unzip if data.startswith(b"PK") else _untar
    files: dict[str, bytes] = {}
    if len(data) > ARCHIVE_SIZE_MAX_BYTES:
        raise _too_large()
    try:
        for path, content in reader(data):
            if path in files:
                raise refused(path, "is in the archive twice", "Pack the folder again.")
            files[path] = content
            check_total(sum(map(len, files.values())))
            _check_count(len(files), FILES_MAX)
    except BROKEN as error:
        raise Refused("catalog-refused", f"the archive cannot be read: {error}"[:300]) from None
    check_files(files)
    return files


BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    OverflowError,
    struct.error,
)
"""What `zipfile` and `tarfile` raise for hostile bytes; nothing of ours is among them."""


def _unzip(data: bytes) -> Iterator[tuple[str, bytes]]:
    _check_count(data.count(CENTRAL_ENTRY), MEMBERS_MAX)  # before an object is made of each
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            # `filename` ends at a NUL and has its slashes turned: what counts is what was packed
            path = member.orig_filename
            if member.is_dir() or _is_left_out(path):
                continue
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise refused(path, "is a link or a device", "Pack plain files only.")
            check_path(path)
            if member.flag_bits & ENCRYPTED:
                raise refused(path, "is encrypted", "Pack it without a password.")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise refused(path, "is packed in a rare way", "Pack it as a common zip (deflate).")
            check_size(path, member.file_size)
            with archive.open(member) as stream:
                yield path, _read(path, stream)


def _untar(data: bytes) -> Iterator[tuple[str, bytes]]:
    count = 0
    with tarfile.open(fileobj=io.BytesIO(_inflated(data)), mode="r:") as archive:
        for member in archive:
            count += 1
            _check_count(count, MEMBERS_MAX)
            path = member.name.removeprefix("./")
            if member.isdir() or _is_left_out(path):
                continue
            if not member.isreg():
                raise refused(path, "is a link or a device", "Pack plain files only.")
            check_path(path)
            check_size(path, member.size)
            content = archive.extractfile(member)
            assert content is not None
            yield path, _read(path, content)


def _inflated(data: bytes) -> bytes:
    """A tar without its gzip, as long as that is no bomb: then nothing in it can be one."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    inflating = zlib.decompressobj(wbits=31)
    plain = inflating.decompress(data, ARCHIVE_SIZE_MAX_BYTES + 1)
    if len(plain) > ARCHIVE_SIZE_MAX_BYTES:
        raise _too_large()
    return plain


def _too_large() -> Refused:
    most = f"{ARCHIVE_SIZE_MAX_BYTES >> 20} MiB"
    return Refused("catalog-refused", f"the archive has more than {most}")


def _read(path: str, stream: object) -> bytes:
    """At most one byte more than is allowed, whatever its header said."""
    content = stream.read(FILE_SIZE_MAX_BYTES + 1)  # type: ignore[attr-defined]
    check_size(path, len(content))
    return content


def _is_left_out(path: str) -> bool:
    """Hidden files and what Macs add; a path that leads out is not hidden, but refused."""
    parts = path.split("/")
    if ".." in parts or path.startswith("/"):
        return False
    return parts[0] == MADE_BY_MACS or any(part.startswith(".") for part in parts if part != ".")


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise Refused("catalog-refused", f"the archive has more than {limit} members")


# --- folders ------------------------------------------------------------------


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a catalog's folder, by the same rules.

    Raises `Refused` catalog-refused, and `OSError` where the disk fails.
    """
    files: dict[str, bytes] = {}
    for path, file in _entries(folder):
        if _is_left_out(path):
            continue
        if file.is_symlink() or not file.is_file():
            raise refused(path, "is a link or a device", "Put a plain file there.")
        check_path(path)
        check_size(path, file.stat().st_size)
        files[path] = file.read_bytes()
        check_total(sum(map(len, files.values())))
    check_files(files)
    return files


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """Everything below a folder but folders; a link to a folder is an entry of its own."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(where, name).is_symlink()]
        for name in sorted([*names, *links]):
            file = Path(where, name)
            yield file.relative_to(folder).as_posix(), file
