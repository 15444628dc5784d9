"""The numbers on the console's page, as they are in the database now.

Counts leave out records that the edge did not attest; page sessions count as traffic
(they are no units for measurement).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, func, select

from control_plane.measurement.profit import Incremental, incremental
from control_plane.outcomes import sides
from control_plane.quarantine import dropped
from control_plane.storage import tables as t
from control_plane.storage.database import whole_sum
from edge.decision.beacon import GLOBAL_HOLDOUT, HOLDOUT

BARS = 48
BAR_WIDTHS_S = (2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600)

d, touch, order = t.decisions.c, t.touches.c, t.orders.c


class Window(Struct, frozen=True):
    """The stretch of time that charts show: `BARS` bars of `bar_s`, the last one now."""

    start_s: int
    bar_s: int

    @property
    def length_s(self) -> int:
        return self.bar_s * BARS


class Totals(Struct, frozen=True, kw_only=True):
    """Since the beginning; the series are counts per bar of the window."""

    decisions: int
    exposures: int
    ghosts: int
    clicks: int
    orders: int
    revenue_micros: int
    exposure_series: list[int]
    click_series: list[int]
    order_series: list[int]
    revenue_series: list[int]


class ArmCount(Struct, frozen=True, kw_only=True):
    """How often an arm was shown (really seen) and followed; held-out units left out."""

    arm: str
    exposures: int
    clicks: int


class PlacementFigures(Struct, frozen=True, kw_only=True):
    """`series`: arm -> decisions per bar of the window."""

    arms: list[ArmCount]
    held_out: int
    series: dict[str, list[int]]
    profit: Incremental


class Figures(Struct, frozen=True, kw_only=True):
    """`quarantine`: reason -> events in it; `dropped`: how many had to go to make room."""

    window: Window
    totals: Totals
    profit: Incremental
    placements: dict[str, PlacementFigures]
    quarantine: list[tuple[str, int]]
    dropped: int


def read_figures(
    connection: Connection,
    tenant: str,
    placements: Sequence[str],
    attribution_s: int,
    now_s: int,
) -> Figures:
    window = _window(connection, tenant, now_s)
    arms, held = _arms(connection, tenant), _held_out(connection, tenant)
    series = _shown_series(connection, tenant, window)
    return Figures(
        window=window,
        totals=_totals(connection, tenant, window),
        profit=incremental(sides(connection, tenant, attribution_s)),
        placements={
            name: PlacementFigures(
                arms=arms.get(name, []),
                held_out=held.get(name, 0),
                series=series.get(name, {}),
                profit=incremental(sides(connection, tenant, attribution_s, name)),
            )
            for name in placements
        },
        quarantine=_quarantine(connection, tenant),
        dropped=sum(dropped(connection, tenant).values()),
    )


def _window(connection: Connection, tenant: str, now_s: int) -> Window:
    """Wide enough for all there is, up to two days."""
    first = connection.scalar(select(func.min(d.time_s)).where(d.tenant == tenant))
    elapsed_s = now_s - (now_s if first is None else first)
    bar_s = next((w for w in BAR_WIDTHS_S if w * (BARS - 1) >= elapsed_s), BAR_WIDTHS_S[-1])
    return Window((now_s // bar_s - BARS + 1) * bar_s, bar_s)


def _totals(connection: Connection, tenant: str, window: Window) -> Totals:
    by_kind = select(touch.kind, touch.track, func.count()).where(touch.tenant == tenant)
    seen = {
        (kind, track): count
        for kind, track, count in connection.execute(by_kind.group_by(touch.kind, touch.track))
    }
    money = select(func.count(), func.coalesce(whole_sum(order.revenue_micros), 0))
    orders, revenue = connection.execute(money.where(order.tenant == tenant)).one()
    decisions = select(func.count()).select_from(t.decisions).where(d.tenant == tenant, d.attested)
    return Totals(
        decisions=connection.scalar(decisions) or 0,
        exposures=seen.get(("exposure", "shown"), 0),
        ghosts=seen.get(("exposure", "ghost"), 0),
        clicks=sum(count for (kind, _), count in seen.items() if kind == "click"),
        orders=orders,
        revenue_micros=revenue,
        exposure_series=_touch_series(connection, tenant, "exposure", window),
        click_series=_touch_series(connection, tenant, "click", window),
        order_series=_order_series(connection, tenant, func.count(), window),
        revenue_series=_order_series(connection, tenant, whole_sum(order.revenue_micros), window),
    )


def _touch_series(connection: Connection, tenant: str, kind: str, window: Window) -> list[int]:
    bar = ((touch.time_s - window.start_s) // window.bar_s).label("bar")
    query = (
        select(bar, func.count())
        .where(touch.tenant == tenant, touch.kind == kind, touch.time_s >= window.start_s)
        .group_by(bar)
    )
    return _fill([(at, count) for at, count in connection.execute(query)])


def _order_series(
    connection: Connection, tenant: str, what: ColumnElement[int], window: Window
) -> list[int]:
    bar = ((order.time_s - window.start_s) // window.bar_s).label("bar")
    query = select(bar, what).where(order.tenant == tenant, order.time_s >= window.start_s)
    return _fill([(at, value) for at, value in connection.execute(query.group_by(bar))])


def _fill(found: Sequence[tuple[int, int]]) -> list[int]:
    bars = dict(found)
    return [bars.get(at, 0) for at in range(BARS)]


def _arms(connection: Connection, tenant: str) -> dict[str, list[ArmCount]]:
    """Per placement: its arms, those most shown first."""
    query = (
        select(d.placement, d.shown_arm, touch.kind, func.count())
        .join(t.touches, and_(touch.tenant == d.tenant, touch.decision == d.id))
        .where(_not_held_out(tenant))
        .group_by(d.placement, d.shown_arm, touch.kind)
    )
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for placement, arm, kind, count in connection.execute(query):
        counts.setdefault((placement, arm), {})[kind] = count
    arms: dict[str, list[ArmCount]] = {}
    for (placement, arm), kinds in counts.items():
        count = ArmCount(arm=arm, exposures=kinds.get("exposure", 0), clicks=kinds.get("click", 0))
        arms.setdefault(placement, []).append(count)
    return {name: sorted(rows, key=lambda r: (-r.exposures, r.arm)) for name, rows in arms.items()}


def _held_out(connection: Connection, tenant: str) -> dict[str, int]:
    query = (
        select(d.placement, func.count())
        .where(d.tenant == tenant, d.attested)
        .where(d.flags.bitwise_and(GLOBAL_HOLDOUT | HOLDOUT) != 0)
        .group_by(d.placement)
    )
    return dict(connection.execute(query).all())


def _shown_series(
    connection: Connection, tenant: str, window: Window
) -> dict[str, dict[str, list[int]]]:
    bar = ((d.time_s - window.start_s) // window.bar_s).label("bar")
    query = (
        select(d.placement, d.shown_arm, bar, func.count())
        .where(_not_held_out(tenant), d.time_s >= window.start_s)
        .group_by(d.placement, d.shown_arm, bar)
    )
    found: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for placement, arm, at, count in connection.execute(query):
        found.setdefault(placement, {}).setdefault(arm, []).append((at, count))
    return {
        placement: {arm: _fill(bars) for arm, bars in arms.items()}
        for placement, arms in found.items()
    }


def _not_held_out(tenant: str) -> ColumnElement[bool]:
    held = d.flags.bitwise_and(GLOBAL_HOLDOUT | HOLDOUT) != 0
    return and_(d.tenant == tenant, d.attested, ~held)


def _quarantine(connection: Connection, tenant: str) -> list[tuple[str, int]]:
    reason = t.quarantine.c.reason
    query = select(reason, func.count()).where(t.quarantine.c.tenant == tenant)
    return [
        (name, count) for name, count in connection.execute(query.group_by(reason).order_by(reason))
    ]
