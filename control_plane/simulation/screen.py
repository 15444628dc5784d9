"""What a running simulation looks like in a terminal: counts, and each type's best arm.

2,140 visitors, 534 orders, 249 held out, 0 failed, 20.0 per second
visitors   count  orders  truly best arm           at first  lately  over time   ...
newcomer   1,207     214  welcome-first-order/p10       22%     91%  ▂▂▃▅▆▇█████
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from control_plane.simulation.tally import Shares, Tally

BLOCKS = "▁▂▃▄▅▆▇█"
POINTS = 10
HEADS: dict[str, Literal["left", "right"]] = {
    "visitors": "left",
    "count": "right",
    "orders": "right",
    "truly best arm": "left",
    "first": "right",
    "lately": "right",
    "over time": "left",
}
ARMS_TOLD = 3


def picture(tally: Tally, profits: dict[str, dict[str, float]], seconds: float) -> RenderableType:
    """`profits`: type -> arm -> what it truly earns; `seconds` since the first visitor."""
    return Group(Text(headline(tally, seconds), style="bold"), _table(tally, profits))


def headline(tally: Tally, seconds: float) -> str:
    return (
        f"{tally.visitors:,} visitors, {tally.order_count:,} orders, {tally.held_out:,} held out,"
        f" {tally.failures:,} failed, {tally.visitors / max(seconds, 1e-9):.1f} per second"
    )


def _table(tally: Tally, profits: dict[str, dict[str, float]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for head, justify in HEADS.items():
        table.add_column(head, justify=justify, no_wrap=True)
    for kind, arms in profits.items():
        best = max(arms, key=arms.__getitem__)
        table.add_row(
            kind,
            f"{tally.types[kind]:,}",
            f"{tally.orders[kind]:,}",
            Text(best, style="green"),
            f"{tally.first_quarter(kind).get(best, 0):.0%}",
            f"{tally.recent(kind).get(best, 0):.0%}",
            Text(curve(tally.course(kind, best, POINTS)), style="green"),
        )
    return table


def curve(shares: Sequence[float]) -> str:
    """Shares from 0 to 1 as blocks."""
    return "".join(BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)] for share in shares)


def shown(shares: Shares) -> str:
    """The arms with the largest shares."""
    named = list(shares.items())[:ARMS_TOLD]
    return ", ".join(f"{arm} {share:.0%}" for arm, share in named) or "nothing drawn"
