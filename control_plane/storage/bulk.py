"""Many rows in one statement.

Running a statement once per row costs, for each row, a turn of the interpreter's lock against
every other thread, or a round trip to a server.  So rows go in as one INSERT ... VALUES with
as many groups as there are rows.  Its text is made once per number of rows, of which there
are few (`SIZES`): more rows go in pieces.

Within one statement no key may come twice where it says DO UPDATE (PostgreSQL refuses that):
whoever calls folds such rows into one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

T = TypeVar("T")
Row = Mapping[str, Any]
Insert = sqlite.Insert | postgresql.Insert

SIZES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""At 26 columns, the widest table's, far below the 32,766 parameters that SQLite takes."""
VALUES = re.compile(r"(?P<head>.* VALUES )(?P<group>\([^()]*\))(?P<tail>.*)", re.DOTALL)


class Many:
    """An INSERT into these columns; `then` adds what happens on a conflict."""

    def __init__(
        self, table: Table, columns: Sequence[str], then: Callable[[Any], Insert] | None = None
    ) -> None:
        self.columns = tuple(columns)
        self._table = table
        self._then = then or (lambda statement: statement)
        self._texts: dict[tuple[str, int], str] = {}

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Rows have a value for each of the columns."""
        for piece in pieces(rows):
            values = tuple([row[name] for row in piece for name in self.columns])
            connection.exec_driver_sql(self._text(connection.dialect, len(piece)), values)

    def _text(self, dialect: Dialect, count: int) -> str:
        key = (dialect.name, count)
        text = self._texts.get(key)
        if text is None:
            one = VALUES.fullmatch(self._one(dialect))
            assert one is not None
            text = one["head"] + ", ".join([one["group"]] * count) + one["tail"]
            self._texts[key] = text
        return text

    def _one(self, dialect: Dialect) -> str:
        """The statement for one row, with parameters by their place."""
        postgres = dialect.name == "postgresql"
        statement = (postgresql.insert if postgres else sqlite.insert)(self._table)
        kind: Any = type(dialect)
        placed = kind(paramstyle="format" if postgres else "qmark")
        return str(self._then(statement).compile(dialect=placed, column_keys=list(self.columns)))


def pieces(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """In pieces whose lengths are among `SIZES`, the longest first."""
    at = 0
    while at < len(rows):
        size = next(size for size in SIZES if size <= len(rows) - at)
        yield rows[at : at + size]
        at += size


def places(connection: Connection, count: int, width: int) -> str:
    """`(?, ?), (?, ?)`: parameters for so many rows of texts."""
    one = "%s::VARCHAR" if connection.dialect.name == "postgresql" else "?"
    group = f"({', '.join([one] * width)})"
    return ", ".join([group] * count)
