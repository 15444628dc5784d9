"""Writing the audit log: a change and its entry commit together, or neither does.

`append` is called inside the writer's job that makes the change.  Such a job is its tenant's
only writer (`storage/database.py`), so numbers have no gaps, whatever process writes.
Entries hold ids, names and contents of the shop's own policy: never a visitor's data, never
a secret.
"""

from __future__ import annotations

import time

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, insert, select

from control_plane.audit.chain import START, Row, hash_of
from control_plane.storage.tables_audit import audit


class Entry(Struct, frozen=True, kw_only=True):
    """Who did what to what.

    `actor` is an `Actor.id`, `action` like "draft.edit", `subject` like "draft/<id>";
    `before` and `after` whatever msgspec writes as JSON.  `at_s`: Unix seconds, None: now.
    """

    tenant: str
    actor: str
    action: str
    subject: str
    before: object = None
    after: object = None
    note: str = ""
    at_s: int | None = None


def append(connection: Connection, entry: Entry) -> None:
    """Add an entry to its tenant's chain, within the connection's transaction."""
    newest = (
        select(audit.c.number, audit.c.hash)
        .where(audit.c.tenant == entry.tenant)
        .order_by(audit.c.number.desc())
        .limit(1)
    )
    last = connection.execute(newest).one_or_none()
    row = _row(entry, last.number + 1 if last else 1, last.hash if last else START)
    connection.execute(insert(audit), structs.asdict(row))


def _row(entry: Entry, number: int, previous: str) -> Row:
    row = Row(
        tenant=entry.tenant,
        number=number,
        at_s=int(time.time()) if entry.at_s is None else entry.at_s,
        actor=_storable(entry.actor),
        action=_storable(entry.action),
        subject=_storable(entry.subject),
        before=canonical_json(entry.before),
        after=canonical_json(entry.after),
        note=_storable(entry.note),
        previous=previous,
    )
    return structs.replace(row, hash=hash_of(row))


def canonical_json(value: object) -> str:
    """JSON without spaces, all names sorted: equal values are equal texts."""
    return msgspec.json.encode(value, order="sorted").decode()


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and UTF-8 no halves of characters: they are shown instead."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")
