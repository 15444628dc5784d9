"""The report as one HTML file: the picture and the numbers, nothing else to load, no script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from control_plane.analysis.chart import svg
from control_plane.analysis.report import Day, Figures, Report, Total
from control_plane.money import decimal_text

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; max-width: 1160px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
p { margin: .3rem 0 1rem; color: #374151; }
svg { max-width: 100%; height: auto; }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #e5e7eb;
         white-space: nowrap; }
th.name, td.name { text-align: left; }
summary { cursor: pointer; font-weight: bold; margin: 1.5rem 0 .5rem; }
"""

COUNTS = ("exposures", "clicks", "redemptions", "orders", "profit", "cost", "revenue", "returns")
TOTAL_HEADS = ("placement", "offer", "version", "since", *COUNTS)
DAY_HEADS = ("day", "placement", "offer", "version", *COUNTS)
NAMES = {"placement", "offer", "version", "day", "since"}
WIDE = {"clicks", "revenue", "returns"}
"""Columns that a drawn table in a terminal leaves out, so that the others fit."""

EXPLAINED = (
    "Each order counts once per placement and offer version that its unit saw in the time"
    " before; so profits of different rows must not be added up, and none of them is what"
    " an offer brought in addition: for that, compare with held-out visitors."
)


def counts_of(row: Figures) -> tuple[str, ...]:
    """What is under `COUNTS`, for people."""
    return (
        f"{row.exposures:,}",
        f"{row.clicks:,}",
        f"{row.redemptions:,}",
        f"{row.orders:,}",
        decimal_text(row.profit_micros),
        decimal_text(row.cost_micros),
        decimal_text(row.revenue_micros),
        f"{row.returns:,}",
    )


def total_cells(total: Total) -> tuple[str, ...]:
    """What is under `TOTAL_HEADS`."""
    return (total.placement, total.offer, total.version, total.first_day, *counts_of(total))


def day_cells(row: Day) -> tuple[str, ...]:
    """What is under `DAY_HEADS`."""
    return (row.day, row.placement, row.offer, row.version, *counts_of(row))


def heading(report: Report) -> str:
    """What the numbers are of, in one line."""
    as_of = datetime.fromtimestamp(report.as_of_s, UTC).strftime("%Y-%m-%d %H:%M")
    money = f", money in {', '.join(report.currencies)}" if report.currencies else ""
    return (
        f"{report.tenant}, as of {as_of} UTC; orders up to {window(report.attribution_s)}"
        f" after a decision{money}"
    )


def window(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    return f"{seconds:,} s" if rest else f"{days} day{'s' if days != 1 else ''}"


def html(report: Report) -> str:
    """The whole file."""
    totals = _table(TOTAL_HEADS, [total_cells(total) for total in report.versions])
    days = _table(DAY_HEADS, [day_cells(row) for row in report.days])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Offer versions of {escape(report.tenant)}</title>\n<style>{STYLE}</style>\n"
        f"</head>\n<body>\n<h1>Offer versions</h1>\n<p>{escape(heading(report))}</p>\n"
        f"{svg(report)}<h2>In total</h2>\n{totals}<p>{escape(EXPLAINED)}</p>\n"
        f"<details>\n<summary>By day</summary>\n{days}</details>\n</body>\n</html>\n"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_line("th", heads, heads), *(_line("td", heads, row) for row in rows)]
    return f"<div><table>\n{chr(10).join(lines)}\n</table></div>\n"


def _line(tag: str, heads: Sequence[str], cells: Sequence[str]) -> str:
    made = (
        f'<{tag} class="{_kind(head)}">{escape(cell)}</{tag}>'
        for head, cell in zip(heads, cells, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _kind(head: str) -> str:
    return "name" if head in NAMES else "number"
