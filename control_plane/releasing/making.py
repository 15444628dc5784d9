"""Making a policy: from a catalog's files and what was learned to bytes of known origin.

The catalog is a folder, or a revision of the database.  Its content hash goes with the
bytes, since approvals are given to content: so a folder that changes while it is compiled
makes nothing.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from control_plane.drafting.content import FileEntry, content_hash_of, digest_of
from control_plane.drafting.revisions import folder_of
from control_plane.issuing import PublishRefused
from control_plane.releasing.candidates import Origin
from control_plane.storage.database import Database
from policy_compiler.compiling import Compiled, compile_catalog
from policy_compiler.source import catalog_files
from policy_compiler.weigh import Weights


class Made(Struct, frozen=True):
    compiled: Compiled
    origin: Origin


def make_folder(folder: Path, weights: Weights | None = None) -> Made:
    """Raises `CatalogRefused`, and `PublishRefused` if the folder changed meanwhile."""
    before = hash_of_folder(folder)
    compiled = compile_catalog(folder, weights=weights)
    if hash_of_folder(folder) != before:
        raise PublishRefused("the catalog changed while it was compiled", "Publish it again.")
    return _made(compiled, before)


def make_revision(
    database: Database, tenant: str, content_hash: str, weights: Weights | None = None
) -> Made:
    """Raises `CatalogRefused`, and `Refused` unknown-revision."""
    with folder_of(database, tenant, content_hash) as folder:
        return _made(compile_catalog(folder, weights=weights), content_hash)


def _made(compiled: Compiled, content_hash: str) -> Made:
    zone = compiled.plan.catalog.shop.zone
    return Made(compiled, Origin(content_hash=content_hash, zone=zone))


def hash_of_folder(folder: Path) -> str:
    """The content hash of its files, "" where they cannot be read; the compiler says why."""
    files = [folder] if folder.is_file() else list(catalog_files(folder))
    base = folder.parent if folder.is_file() else folder
    try:
        entries = [_entry(file, file.relative_to(base).as_posix()) for file in files]
    except OSError:
        return ""
    return content_hash_of(sorted(entries, key=lambda entry: entry.path))


def _entry(file: Path, path: str) -> FileEntry:
    data = file.read_bytes()
    return FileEntry(path=path, digest=digest_of(data), size_bytes=len(data))
