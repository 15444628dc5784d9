"""The queries on DuckDB, over the tables of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from control_plane.analysis.columns import SHAPES
from control_plane.analysis.layout import BEGIN_ANEW, Manifest, Tables, TablesError
from control_plane.analysis.parquet import engine, telling, view

TRIES = 5
"""How often a query begins anew because a compaction took its files away."""


MEASURES = (
    "exposures",
    "clicks",
    "redemptions",
    "cost_micros",
    "orders",
    "revenue_micros",
    "profit_micros",
    "returns",
    "returned_micros",
)
"""What is counted and summed of an offer version."""

S = TypeVar("S", bound=Struct)
T = TypeVar("T")


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


def consistent(folder: Path, read: Callable[[Tables, Manifest], T]) -> T:
    """What `read` makes of the tables, all of them as they were at one moment.

    Raises `TablesError`: there are no tables, files of them are damaged, DuckDB is missing.
    """
    tables = Tables(folder)
    for _ in range(TRIES):
        manifest = _found(tables)
        try:
            with telling(f"the tables below {folder} cannot be read", BEGIN_ANEW):
                return read(tables, manifest)
        except TablesError:
            # a compaction may have taken files away between manifest and reading
            if tables.manifest() == manifest:
                raise
    raise TablesError(
        f"the tables below {folder} change faster than they can be read.", "Try again later."
    )


def _found(tables: Tables) -> Manifest:
    manifest = tables.manifest()
    if manifest is None:
        raise TablesError(
            f"there are no tables below {tables.root.parent}.",
            "Make them: proffer tables compact FOLDER.",
        )
    return manifest


@contextmanager
def opened(tables: Tables, manifest: Manifest, attribution_s: int) -> Iterator[Any]:
    """A DuckDB connection that knows every table, and `settings`, by name."""
    with closing(engine()) as connection:
        for name in SHAPES:
            held = manifest.tables.get(name)
            view(connection, name, tables.paths(held) if held else [])
        connection.execute(
            f"CREATE VIEW settings AS SELECT {int(attribution_s)}::BIGINT AS attribution_s"
        )
        yield connection


def answer(connection: Any, result: type[S]) -> list[S]:
    """All rows of the query whose rows are of this type, on a connection that `opened` gave."""
    query = sql(next(name for name, kind in RESULTS.items() if kind is result))
    columns = result.__struct_fields__
    chosen = ", ".join(f'"{name}"' for name in columns)
    # a text of ours around a text of ours; nothing of a request is in either
    values = connection.execute(f"SELECT {chosen} FROM ({query})").fetchall()
    return [msgspec.convert(dict(zip(columns, row, strict=True)), result) for row in values]


def rows(folder: Path, result: type[S], attribution_s: int) -> list[S]:
    """All rows of the query whose rows are of this type.  Raises `TablesError`."""

    def read(tables: Tables, manifest: Manifest) -> list[S]:
        with opened(tables, manifest, attribution_s) as connection:
            return answer(connection, result)

    return consistent(folder, read)
