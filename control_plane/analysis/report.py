"""The report: what offer versions did, by day and in total, from the tables of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from control_plane.analysis.layout import Manifest, Tables
from control_plane.analysis.queries import MEASURES, OfferDay, answer, consistent, opened

TITLES = "SELECT offer, version, max(title) FROM offers GROUP BY ALL"
CURRENCIES = "SELECT DISTINCT currency FROM orders ORDER BY ALL"


class Figures(Struct, frozen=True, kw_only=True):
    """Counts and sums of one offer version in one placement; money in micros.

    `orders` are those it is credited with; `profit_micros` is theirs, after what their
    offers cost and after what was returned.
    """

    placement: str
    offer: str
    version: str
    title: str = ""
    exposures: int = 0
    clicks: int = 0
    redemptions: int = 0
    cost_micros: int = 0
    orders: int = 0
    revenue_micros: int = 0
    profit_micros: int = 0
    returns: int = 0
    returned_micros: int = 0


class Day(Figures, frozen=True, kw_only=True):
    """One day (`YYYY-MM-DD`, UTC) of a version."""

    day: str


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
    days: list[Day]


def read_report(
    folder: Path, attribution_s: int, since: date | None = None, until: date | None = None
) -> Report:
    """The report over the days from `since` to `until`, both included.  Raises `TablesError`.

    Days outside count where they matter: an order may belong to an exposure before `since`.
    """
    first, last = (since or date.min).isoformat(), (until or date.max).isoformat()

    def read(tables: Tables, manifest: Manifest) -> Report:
        with opened(tables, manifest, attribution_s) as connection:
            titles = {(offer, version): title for offer, version, title in _all(connection, TITLES)}
            days = [_day(row, titles) for row in answer(connection, OfferDay)]
            days = [row for row in days if first <= row.day <= last]
            return Report(
                tenant=manifest.tenant,
                as_of_s=manifest.made_s,
                attribution_s=attribution_s,
                currencies=[currency for (currency,) in _all(connection, CURRENCIES)],
                versions=totals(days),
                days=days,
            )

    return consistent(folder, read)


def _all(connection: Any, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def _day(row: OfferDay, titles: dict[tuple[str, str], str]) -> Day:
    values: dict[str, Any] = {name: getattr(row, name) for name in MEASURES}
    return Day(
        placement=row.placement,
        offer=row.offer,
        version=row.version,
        title=titles.get((row.offer, row.version), ""),
        day=datetime.fromtimestamp(row.day_s, UTC).date().isoformat(),
        **values,
    )


def totals(days: Iterable[Day]) -> list[Total]:
    """The sums of each version, by placement, offer and first day."""
    groups: dict[tuple[str, str, str], list[Day]] = {}
    for row in days:
        groups.setdefault((row.placement, row.offer, row.version), []).append(row)
    made = [_total(group) for group in groups.values()]
    return sorted(made, key=lambda t: (t.placement, t.offer, t.first_day, t.version))


def _total(group: list[Day]) -> Total:
    first, on = group[0], [row.day for row in group]
    values: dict[str, Any] = {name: sum(getattr(row, name) for row in group) for name in MEASURES}
    return Total(
        placement=first.placement,
        offer=first.offer,
        version=first.version,
        title=first.title,
        first_day=min(on),
        last_day=max(on),
        **values,
    )
