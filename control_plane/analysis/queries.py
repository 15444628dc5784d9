"""The queries on DuckDB, over the tables of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from control_plane.analysis.columns import SHAPES
from control_plane.analysis.layout import Manifest, Tables, TablesError
from control_plane.analysis.parquet import engine, view

TRIES = 5
"""How often a query begins anew because a compaction took its files away."""

S = TypeVar("S", bound=Struct)


class OfferDay(Struct, frozen=True, kw_only=True):
    """What one offer version did in one placement on one day (UTC).

    `orders` and what follows: orders that the version is credited with, on their own days;
    `returns` of such orders, on theirs.  `profit_micros` has both in it.
    """

    day_s: int
    placement: str
    offer: str
    version: str
    exposures: int = 0
    clicks: int = 0
    redemptions: int = 0
    cost_micros: int = 0
    orders: int = 0
    revenue_micros: int = 0
    profit_micros: int = 0
    returns: int = 0
    returned_micros: int = 0


class DecisionProfit(Struct, frozen=True, kw_only=True):
    """A decision, what became of it, and what its unit bought in the attribution window."""

    decision: str
    time_s: int
    placement: str
    slot: int
    unit: str
    bundle: str
    arm: str
    draw: int
    tickets: int
    drawing: str
    exposures: int
    clicks: int
    redemptions: int
    cost_micros: int
    orders: int
    profit_micros: int


class UnitProfit(Struct, frozen=True, kw_only=True):
    """A unit for whom an offer won, on which side it was, and what it brought in."""

    placement: str
    unit: str
    held_least: int
    held_most: int
    orders: int
    profit_micros: int


class OrderWorth(Struct, frozen=True, kw_only=True):
    """An order under one of its units."""

    unit: str
    order_id: str
    time_s: int
    profit_micros: int


RESULTS: dict[str, type[Struct]] = {
    "offer_days": OfferDay,
    "decision_profit": DecisionProfit,
    "unit_profit": UnitProfit,
    "order_worth": OrderWorth,
}
"""Query -> what a row of its result is."""


def sql(name: str, dialect: str = "duckdb") -> str:
    """The text of a query."""
    return (files("control_plane.analysis") / "sql" / dialect / f"{name}.sql").read_text()


def found(tables: Tables) -> Manifest:
    """The manifest.  Raises `TablesError` where there is none."""
    manifest = tables.manifest()
    if manifest is None:
        raise TablesError(
            f"there are no tables below {tables.root.parent}.",
            "Make them: proffer tables compact FOLDER.",
        )
    return manifest


@contextmanager
def opened(tables: Tables, attribution_s: int) -> Iterator[Any]:
    """A DuckDB connection that knows every table, and `settings`, by name."""
    manifest = found(tables)
    with closing(engine()) as connection:
        for name in SHAPES:
            held = manifest.tables.get(name)
            view(connection, name, tables.paths(held) if held else [])
        connection.execute(
            f"CREATE VIEW settings AS SELECT {int(attribution_s)}::BIGINT AS attribution_s"
        )
        yield connection


def rows(folder: Path, result: type[S], attribution_s: int) -> list[S]:
    """All rows of the query whose rows are of this type.

    Raises `TablesError`: there are no tables, files of them are damaged, DuckDB is missing.
    """
    query = sql(next(name for name, kind in RESULTS.items() if kind is result))
    tables, columns = Tables(folder), result.__struct_fields__
    for tried in range(TRIES):
        before = found(tables)
        try:
            return _rows(tables, query, result, columns, attribution_s)
        except TablesError:
            # a compaction may have taken files away between manifest and reading
            if tried + 1 == TRIES or tables.manifest() == before:
                raise
    raise AssertionError("unreachable")


def _rows(
    tables: Tables, query: str, result: type[S], columns: tuple[str, ...], attribution_s: int
) -> list[S]:
    engine().close()  # tells that DuckDB is missing
    import duckdb

    try:
        with opened(tables, attribution_s) as connection:
            chosen = ", ".join(f'"{name}"' for name in columns)
            # a text of ours around a text of ours; nothing of a request is in either
            values = connection.execute(f"SELECT {chosen} FROM ({query})").fetchall()
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        raise TablesError(
            f"the tables below {tables.root.parent} cannot be read: {said}.",
            "Remove the folder `tables` and compact again: the database has all of it.",
        ) from None
    return [msgspec.convert(dict(zip(columns, row, strict=True)), result) for row in values]
