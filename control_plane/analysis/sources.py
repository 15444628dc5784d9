"""Reading the database for the tables: which days there are, and the rows of some of them.

A *mark* sums up a day's rows so that it changes whenever one of them does.  Rows are only
ever added, but for these: a decision gets the edge's word, a touch counts up or turns out
to be earlier or no robot's, a redemption changes its state or, while it is reserved, its
price.  Whoever changes rows otherwise names the days to `compact` (a person's erasure does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Table, case, func, select

from control_plane.analysis.columns import SHAPES
from control_plane.redemption_book import COMMITTED, RELEASED, REVERSED
from control_plane.storage import tables as t
from control_plane.storage.database import whole_sum

DAY_S = 86400
CHUNK_ROWS = 5000
EPOCH = date(1970, 1, 1)

Row = dict[str, Any]

SOURCES: dict[str, Table] = {
    name: t.METADATA.tables[name] for name, shape in SHAPES.items() if shape.time
}
"""The tables that are split by day, each under its name in the database, too."""

STATES = {COMMITTED: 1, RELEASED: 1 << 20, REVERSED: 1 << 40}
"""Apart in a sum for days of up to a million redemptions."""


def _time(name: str) -> Column[int]:
    return SOURCES[name].c[SHAPES[name].time]


def _marks(name: str) -> list[ColumnElement[int]]:
    """Sums that change with every change of a row; `count(*)` goes before them."""
    c = SOURCES[name].c
    match name:
        case "decisions":
            return [whole_sum(case((c.attested, 1), else_=0))]
        case "touches":
            robots = case((c.bot, 1), else_=0)
            return [whole_sum(c["count"]), whole_sum(c.time_s), whole_sum(robots)]
        case "redemptions":
            states = case(STATES, value=c.state, else_=0)
            price = c.cost_micros % 1_000_003 + c.discount_micros % 1_000_003
            return [whole_sum(states), whole_sum(price), whole_sum(c.changed_s)]
        case _:
            return []


def marks_of(connection: Connection, tenant: str, name: str) -> dict[str, str]:
    """Every day of a table that has rows -> its mark."""
    day = (_time(name) // DAY_S).label("day")
    query = (
        select(day, func.count(), *_marks(name))
        .where(SOURCES[name].c.tenant == tenant)
        .group_by(day)
    )
    return {
        day_text(number): ".".join(map(str, sums)) for number, *sums in connection.execute(query)
    }


def rows_of(
    connection: Connection, tenant: str, name: str, days: Iterable[str]
) -> Iterator[tuple[str, Row]]:
    """(day, row) for every row of these days, by day and key."""
    source, shape = SOURCES[name], SHAPES[name]
    time = _time(name)
    columns = [source.c[column] for column in shape.columns]
    for first, last in _runs(sorted(days)):
        query = (
            select((time // DAY_S).label("day_number"), *columns)
            .where(source.c.tenant == tenant, time >= first * DAY_S, time < (last + 1) * DAY_S)
            .order_by("day_number", *(source.c[key] for key in shape.key))
            .execution_options(yield_per=CHUNK_ROWS)
        )
        for number, *values in connection.execute(query):
            row: Row = dict(zip(shape.columns, values, strict=True))
            if name == "decisions":
                row["listed"] = _listed(row["listed"])
            yield day_text(number), row


def _listed(packed: bytes) -> str:
    return msgspec.json.encode(msgspec.msgpack.decode(packed)).decode()


# --- days ---------------------------------------------------------------------


def day_text(number: int) -> str:
    """The day with this number since 1970, in UTC."""
    return (EPOCH + timedelta(days=number)).isoformat()


def number_of(day: str) -> int:
    return (date.fromisoformat(day) - EPOCH).days


def _runs(days: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Days that follow on each other, as (first, last)."""
    numbers = [number_of(day) for day in days]
    while numbers:
        last = 0
        while last + 1 < len(numbers) and numbers[last + 1] == numbers[last] + 1:
            last += 1
        yield numbers[0], numbers[last]
        numbers = numbers[last + 1 :]
