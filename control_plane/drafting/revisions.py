"""Revisions: the catalog as it was, for ever.

A revision is a content (`content.py`) with who made it first, when, why, and from what.  It
is never changed and never deleted; making the same content again finds the same revision.
Files are stored once by their SHA-256, so a revision that changes one file of twenty costs
one file.

    load(connection, tenant, hash)          the files, checked against their digests
    folder_of(services, hash)               the same as a folder, for what wants paths
    store(connection, ...)                  within a writer's job
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from control_plane.drafting.content import (
    FileEntry,
    Files,
    content_hash_of,
    digest_of,
    entries_of,
)
from control_plane.errors import Refused
from control_plane.storage import tables_drafts as t
from control_plane.storage.database import Database, insert_into
from control_plane.storage.objects import Tampered


class Revision(Struct, frozen=True, kw_only=True):
    """A row of `catalog_revisions`.  `id` is the content hash, `parent` that of the content
    it was made from ("" for an import); `author` an `Actor.id`."""

    number: int
    id: str
    parent: str
    author: str
    created_s: int
    message: str
    size_bytes: int
    files: list[FileEntry]


class Made(Struct, frozen=True, kw_only=True):
    """How a content came to be; `author` is an `Actor.id`."""

    parent: str
    author: str
    message: str
    at_s: int


# --- reading ------------------------------------------------------------------


def find(connection: Connection, tenant: str, content_hash: str) -> Revision | None:
    rows = t.catalog_revisions
    query = select(rows).where(rows.c.tenant == tenant, rows.c.content_hash == content_hash)
    row = connection.execute(query).one_or_none()
    return None if row is None else _revision(row)


def there(connection: Connection, tenant: str, content_hash: str) -> Revision:
    """The same; raises `Refused` unknown-revision if there is none."""
    revision = find(connection, tenant, content_hash)
    if revision is None:
        raise Refused("unknown-revision", f"there is no revision {content_hash[:64]!a}")
    return revision


def beginning_with(connection: Connection, tenant: str, start: str) -> list[Revision]:
    """At most two revisions whose hash begins so: one names it, two are too many."""
    rows = t.catalog_revisions
    query = select(rows).where(
        rows.c.tenant == tenant, rows.c.content_hash.startswith(start, autoescape=True)
    )
    return [_revision(row) for row in connection.execute(query.limit(2))]


def load(connection: Connection, tenant: str, content_hash: str) -> dict[str, bytes]:
    """The files of a revision.

    Raises `Refused` unknown-revision, and `Tampered` if a file in the database is not what
    its name says.
    """
    revision = there(connection, tenant, content_hash)
    rows = t.catalog_files
    wanted = {each.digest for each in revision.files}
    query = select(rows.c.digest, rows.c.content).where(
        rows.c.tenant == tenant, rows.c.digest.in_(wanted)
    )
    found = {row.digest: bytes(row.content) for row in connection.execute(query)}
    for each in revision.files:
        if each.digest not in found or digest_of(found[each.digest]) != each.digest:
            raise Tampered(f"file {each.path} of revision {content_hash} is damaged")
    return {each.path: found[each.digest] for each in revision.files}


def load_file(connection: Connection, tenant: str, content_hash: str, path: str) -> bytes:
    """One file.  Raises `Refused` unknown-revision or unknown-file, and `Tampered`."""
    revision = there(connection, tenant, content_hash)
    entry = next((each for each in revision.files if each.path == path), None)
    if entry is None:
        raise Refused("unknown-file", f"revision {content_hash[:12]} has no file {path[:200]!a}")
    rows = t.catalog_files
    query = select(rows.c.content).where(rows.c.tenant == tenant, rows.c.digest == entry.digest)
    data = connection.scalar(query)
    if data is None or digest_of(bytes(data)) != entry.digest:
        raise Tampered(f"file {path} of revision {content_hash} is damaged")
    return bytes(data)


def newest(
    connection: Connection, tenant: str, limit: int, before: int | None = None
) -> list[Revision]:
    """The log, newest first; `before`: only those with a smaller number."""
    rows = t.catalog_revisions
    query = select(rows).where(rows.c.tenant == tenant).order_by(rows.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(rows.c.id < before)
    return [_revision(row) for row in connection.execute(query)]


@contextmanager
def folder_of(database: Database, tenant: str, content_hash: str) -> Iterator[Path]:
    """A temporary folder with the files of a revision, as `compile_catalog` wants it.

    Raises what `load` raises.
    """
    with database.reading() as connection:
        files = load(connection, tenant, content_hash)
    with folder_with(files) as folder:
        yield folder


@contextmanager
def folder_with(files: Files) -> Iterator[Path]:
    """The same of files that need not be stored."""
    with TemporaryDirectory(prefix="proffer-") as name:
        write_folder(Path(name), files)
        yield Path(name)


def write_folder(folder: Path, files: Files) -> None:
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


# --- writing ------------------------------------------------------------------


def store(connection: Connection, tenant: str, files: Files, made: Made) -> str:
    """Keep a content, if it is new; its hash.  For a writer's job.

    `files` are checked already (`content.check_files`).
    """
    entries = entries_of(files)
    content_hash = content_hash_of(entries)
    if find(connection, tenant, content_hash) is None:
        _store_files(connection, tenant, files, entries)
        row = {
            "tenant": tenant,
            "content_hash": content_hash,
            "parent": made.parent,
            "author": made.author,
            "created_s": made.at_s,
            "message": made.message,
            "size_bytes": sum(each.size_bytes for each in entries),
            "files": msgspec.json.encode(entries),
        }
        connection.execute(insert(t.catalog_revisions), row)
    return content_hash


def _store_files(
    connection: Connection, tenant: str, files: Files, entries: list[FileEntry]
) -> None:
    by_digest = {each.digest: files[each.path] for each in entries}
    rows = t.catalog_files
    known = select(rows.c.digest).where(rows.c.tenant == tenant, rows.c.digest.in_(by_digest))
    new = by_digest.keys() - set(connection.scalars(known))
    for digest in sorted(new):
        values = {"tenant": tenant, "digest": digest, "content": by_digest[digest]}
        connection.execute(insert_into(connection, rows).values(values).on_conflict_do_nothing())


def now_s() -> int:
    return int(time.time())


def _revision(row: object) -> Revision:
    columns = row._mapping  # type: ignore[attr-defined]
    return Revision(
        number=columns["id"],
        id=columns["content_hash"],
        parent=columns["parent"],
        author=columns["author"],
        created_s=columns["created_s"],
        message=columns["message"],
        size_bytes=columns["size_bytes"],
        files=msgspec.json.decode(columns["files"], type=list[FileEntry]),
    )
