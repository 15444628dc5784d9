"""What `proffer catalog` does; apart from `catalogs.py`, so that other commands start fast.

The database is changed directly, while servers run or not.  Whoever reaches the database may
do everything; the audit log says who they said they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs
from sqlalchemy import select

from control_plane.accounts.actor import Actor, process
from control_plane.cli.counting import counted
from control_plane.cli.files import read_bytes, write_bytes
from control_plane.cli.kept import opened
from control_plane.cli.terminal import Refused, Terminal, Unusable
from control_plane.drafting import publications, revisions
from control_plane.drafting.content import HASH_CHARACTERS, Files
from control_plane.drafting.drafts import Drafts
from control_plane.drafting.folders import pack, read_folder, unpack
from control_plane.drafting.revisions import Revision, write_folder
from control_plane.settings import Settings
from control_plane.storage.tables_accounts import users

BY = process("command-line")
SHORT = 12
"""Characters of a hash that people are shown; enough to name it."""


class Import(Struct, frozen=True, kw_only=True):
    source: Path
    name: str
    message: str
    author: str


class Exported(Struct, frozen=True, kw_only=True):
    """What --json prints for an export."""

    revision: str
    target: str
    files: int
    size_bytes: int


def bring_in(terminal: Terminal, data: Path | None, tenant: str, asked: Import) -> None:
    with _opened(data, tenant) as (drafts, settings):
        files = _read(asked.source)
        actor = _author(drafts, asked.author)
        with drafts.database.reading() as connection:
            base = publications.trunk(connection, drafts.tenant, settings.channel)
        name = asked.name or asked.source.resolve().stem
        draft = drafts.create(actor, name[:120], base=base, files=files, message=asked.message)
    terminal.say(f"draft {draft.id}, {name!r}: {counted(len(files), 'file')}, {draft.head}")
    if draft.head == draft.base and base:
        terminal.note("It holds what drafts depart from: there is nothing to review.")
    if not asked.author:
        terminal.note("Nobody is named as its author; --author LOGIN would.")
    terminal.result(draft)


def bring_out(
    terminal: Terminal, data: Path | None, tenant: str, target: Path, revision: str
) -> None:
    if target.exists() or target.is_symlink():
        raise Unusable(f"{target} is there already.", "Name a new folder or file.")
    with _opened(data, tenant) as (drafts, settings):
        found = _named(drafts, settings, revision)
        files = drafts.revision_files(found.id)
    match target.suffix:
        case ".zip":
            write_bytes(target, pack(files, "zip"), "the archive")
        case ".tar":
            write_bytes(target, pack(files, "tar"), "the archive")
        case _:
            write_folder(target, files)
    terminal.say(f"{target}: {counted(len(files), 'file')} of {found.id}")
    terminal.result(
        Exported(
            revision=found.id, target=str(target), files=len(files), size_bytes=found.size_bytes
        )
    )


def tell_log(terminal: Terminal, data: Path | None, tenant: str, limit: int) -> None:
    with _opened(data, tenant) as (drafts, _), drafts.database.reading() as connection:
        found = revisions.newest(connection, drafts.tenant, limit)
    rows = [(each.id[:SHORT], _time(each.created_s), each.author, each.message) for each in found]
    terminal.table(("revision", "when", "who", "why"), rows)
    terminal.result(found)


def show(terminal: Terminal, data: Path | None, tenant: str, revision: str) -> None:
    with _opened(data, tenant) as (drafts, settings):
        found = _named(drafts, settings, revision)
    terminal.say(f"revision {found.id}", "bold")
    terminal.say(f"parent   {found.parent or 'none'}")
    terminal.say(f"made     {_time(found.created_s)} by {found.author}")
    if found.message:
        terminal.say(f"why      {found.message}")
    rows = [(each.path, f"{each.size_bytes:,}", each.digest[:SHORT]) for each in found.files]
    terminal.table(("file", "bytes", "SHA-256"), rows)
    terminal.result(found)


# --- inside -------------------------------------------------------------------


def _read(source: Path) -> Files:
    if source.is_dir():
        return read_folder(source)
    return unpack(read_bytes(source, "the archive"))


def _named(drafts: Drafts, settings: Settings, revision: str) -> Revision:
    """By its hash, or by as much of it as names one; "": what drafts depart from."""
    with drafts.database.reading() as connection:
        wanted = revision or publications.trunk(connection, drafts.tenant, settings.channel)
        if not wanted:
            raise Refused("there is no revision yet.", "Import a catalog.")
        if len(wanted) == HASH_CHARACTERS:
            return revisions.there(connection, drafts.tenant, wanted)
        found = revisions.beginning_with(connection, drafts.tenant, wanted)
    if len(found) != 1:
        many = "several revisions begin" if found else "no revision begins"
        raise Refused(f"{many} with {wanted!r}.", "`proffer catalog log` lists them.")
    return found[0]


def _author(drafts: Drafts, login: str) -> Actor:
    if not login:
        return BY
    query = select(users.c.id, users.c.name).where(
        users.c.tenant == drafts.tenant, users.c.login == login.lower()
    )
    with drafts.database.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise Unusable(f"nobody logs in as {login!r}.", "`proffer accounts list` lists them.")
    return structs.replace(BY, id=f"user:{row.id}", name=row.name)


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")


@contextmanager
def _opened(data: Path | None, tenant: str) -> Iterator[tuple[Drafts, Settings]]:
    with opened(data, tenant) as kept:
        yield Drafts(kept.settings.tenant, kept.database, kept.writer), kept.settings
