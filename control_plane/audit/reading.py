"""Reading the log: all rows in order for whoever verifies, some of them for whoever looks.

Rows come in pages of one snapshot, by number: no page is long enough to hold up writers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from control_plane.audit.chain import FIELDS, Row
from control_plane.storage.failures import storage_failure
from control_plane.storage.tables_audit import audit

PAGE_ROWS = 2000
Values = tuple[Any, ...]
"""What a row holds, in the order of `FIELDS`."""

COLUMNS = [audit.c[name] for name in FIELDS]


class Head(Struct, frozen=True):
    """The newest row, and how many rows there are."""

    number: int
    hash: str
    count: int


class Unreadable(Exception):
    """The row after `number` (None: the first) holds what is not even text."""

    def __init__(self, number: int | None) -> None:
        super().__init__(f"the row after {number} cannot be read")
        self.number = number


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rows to show: all that agree with every field that is set.  Times: Unix seconds."""

    subject: str = ""
    actor: str = ""
    action: str = ""
    since_s: int | None = None
    until_s: int | None = None


def head(connection: Connection, tenant: str) -> Head | None:
    """None for an empty log."""
    last = select(audit.c.number, audit.c.hash).where(audit.c.tenant == tenant)
    row = connection.execute(last.order_by(audit.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else Head(row.number, row.hash, count(connection, tenant))


def newest_number(connection: Connection, tenant: str) -> int:
    """0 for an empty log."""
    return connection.scalar(select(func.max(audit.c.number)).where(audit.c.tenant == tenant)) or 0


def count(connection: Connection, tenant: str) -> int:
    query = select(func.count()).select_from(audit).where(audit.c.tenant == tenant)
    return connection.scalar(query) or 0


def hash_at(connection: Connection, tenant: str, number: int) -> str | None:
    """The hash that is stored in a row, None if there is no such row."""
    of = audit.c
    return connection.scalar(select(of.hash).where(of.tenant == tenant, of.number == number))


def pages(connection: Connection, tenant: str, after: int | None = None) -> Iterator[list[Values]]:
    """All rows behind `after` (None: from the start), oldest first.  Raises `Unreadable`."""
    query = select(*COLUMNS).where(audit.c.tenant == tenant).order_by(audit.c.number)
    more = True
    while more:
        rows, more = _page(connection, query, after)
        if rows:
            yield rows
            after = rows[-1][1]
            more = more and type(after) is int  # other numbers are tampered with, and come last


def _page(
    connection: Connection, query: Select[Any], after: int | None
) -> tuple[list[Values], bool]:
    """A page, or as much of it as can be read; and whether there may be more."""
    rows: list[Values] = []
    try:
        rows = _rows(connection, query, after, PAGE_ROWS)
        return rows, len(rows) == PAGE_ROWS
    except DBAPIError as error:
        if storage_failure(error):
            raise
    try:
        while len(rows) < PAGE_ROWS and (one := _rows(connection, query, after, 1)):
            rows += one
            after = one[0][1]
    except DBAPIError as error:
        if not rows:
            raise Unreadable(after) from error
    return rows, True


def _rows(connection: Connection, query: Select[Any], after: int | None, limit: int) -> list[Any]:
    behind = query if after is None else query.where(audit.c.number > after)
    return list(connection.execute(behind.limit(limit)))


STRAYS = (
    select(audit.c.tenant)
    .where(audit.c.tenant != bindparam("ours"))
    .group_by(audit.c.tenant)
    .having((func.min(audit.c.number) != 1) | (func.max(audit.c.number) != func.count()))
    .order_by(audit.c.tenant)
    .limit(1)
)


def strays(connection: Connection, tenant: str) -> str | None:
    """The first other tenant whose rows have gaps: ours may have been moved there."""
    return connection.scalar(STRAYS, {"ours": tenant})


def newest_first(
    connection: Connection, tenant: str, wanted: Wanted, limit: int, before: int | None = None
) -> list[Row]:
    """Rows as they are stored, below number `before`."""
    of = audit.c
    query = select(*COLUMNS).where(of.tenant == tenant)
    for name in ("subject", "actor", "action"):
        if text := getattr(wanted, name):
            query = query.where(of[name] == text)
    if wanted.since_s is not None:
        query = query.where(of.at_s >= wanted.since_s)
    if wanted.until_s is not None:
        query = query.where(of.at_s < wanted.until_s)
    if before is not None:
        query = query.where(of.number < before)
    found = connection.execute(query.order_by(of.number.desc()).limit(limit))
    return [Row(**row._mapping) for row in found]


def value_of(text: str) -> object:
    """`before` or `after` as a value; the text itself where somebody tampered with it."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
