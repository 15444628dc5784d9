"""The report: what offer versions did, by day and in total, from the tables of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from control_plane.analysis.layout import Tables
from control_plane.analysis.parquet import engine, rows_in, view
from control_plane.analysis.queries import OfferDay, found, rows

ADDED = (
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


class Figures(Struct, frozen=True, kw_only=True):
    """Counts and sums of one offer version in one placement; money in micros.

    `orders` are those it is credited with; `profit_micros` is theirs, after what their
    offers cost and after what was returned.
    """

    placement: str
    offer: str
    version: str
    title: str = ""
    day: str = ""
    exposures: int = 0
    clicks: int = 0
    redemptions: int = 0
    cost_micros: int = 0
    orders: int = 0
    revenue_micros: int = 0
    profit_micros: int = 0
    returns: int = 0
    returned_micros: int = 0


class Total(Figures, frozen=True, kw_only=True):
    """All days of a version; the first and the last on which anything was."""

    first_day: str
    last_day: str


class Report(Struct, frozen=True, kw_only=True):
    """`as_of_s`: when the tables were compacted.  More than one currency: sums are mixed."""

    tenant: str
    as_of_s: int
    attribution_s: int
    currencies: list[str]
    versions: list[Total]
    days: list[Figures]


def read_report(
    folder: Path, attribution_s: int, since: date | None = None, until: date | None = None
) -> Report:
    """The report over the days from `since` to `until`, both included.  Raises `TablesError`.

    Days outside count where they matter: an order may belong to an exposure before `since`.
    """
    tables = Tables(folder)
    manifest = found(tables)
    titles = _titles(tables)
    days = [_figures(row, titles) for row in rows(folder, OfferDay, attribution_s)]
    first, last = since or date.min, until or date.max
    days = [row for row in days if first.isoformat() <= row.day <= last.isoformat()]
    return Report(
        tenant=manifest.tenant,
        as_of_s=manifest.made_s,
        attribution_s=attribution_s,
        currencies=_currencies(tables),
        versions=totals(days),
        days=days,
    )


def _figures(row: OfferDay, titles: dict[tuple[str, str], str]) -> Figures:
    values = {name: getattr(row, name) for name in ADDED}
    return Figures(
        placement=row.placement,
        offer=row.offer,
        version=row.version,
        title=titles.get((row.offer, row.version), ""),
        day=datetime.fromtimestamp(row.day_s, UTC).date().isoformat(),
        **values,
    )


def totals(days: Iterable[Figures]) -> list[Total]:
    """The sums of each version, by placement, offer and first day."""
    groups: dict[tuple[str, str, str], list[Figures]] = {}
    for row in days:
        groups.setdefault((row.placement, row.offer, row.version), []).append(row)
    made = [_total(group) for group in groups.values()]
    return sorted(made, key=lambda t: (t.placement, t.offer, t.first_day, t.version))


def _total(group: list[Figures]) -> Total:
    values: dict[str, Any] = structs.asdict(group[0])
    values |= {name: sum(getattr(row, name) for row in group) for name in ADDED}
    on = [row.day for row in group]
    values |= {"day": "", "first_day": min(on), "last_day": max(on)}
    return Total(**values)


def _titles(tables: Tables) -> dict[tuple[str, str], str]:
    held = found(tables).tables.get("offers")
    known = rows_in("offers", tables.paths(held) if held else [])
    return {(row["offer"], row["version"]): row["title"] for row in known}


def _currencies(tables: Tables) -> list[str]:
    held = found(tables).tables.get("orders")
    with closing(engine()) as connection:
        view(connection, "orders", tables.paths(held) if held else [])
        told = connection.execute("SELECT DISTINCT currency FROM orders ORDER BY ALL").fetchall()
    return [currency for (currency,) in told]
