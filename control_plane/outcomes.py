"""Decisions joined with what came of them: the one place that says what an order is for.

* A decision counts once it was *exposed*: the page or the edge reported that its place
  was really seen, shown or as a ghost.
* An order counts for every exposed decision of its unit that was taken at most
  `attribution_s` before it.  Decisions of several placements, and several decisions of
  one placement, may share an order: each answers its own question, "what follows when
  this is drawn here", so profits of different placements must not be added up.
* Profit is the order's margin minus what its redeemed offers cost; for an order without
  a redemption, minus the discount that the shop told.  Returns are taken off, and repayments
  added, whenever they come: they belong to their order's time.
* What only robots saw was not seen.
* Page sessions (consent `contextual`) are no units and stay out, and so do records that
  the edge did not attest.

Measurement compares units: those held out with the others, among all units for whom
some offer won on the ghost track.  Both groups are chosen by the same track, so the
comparison stays fair.  Learning gets the fresh draws, with the outcome of everything
that was kept from them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Float, Subquery, and_, case, cast, func, select

from control_plane.redemption_book import COMMITTED
from control_plane.storage import tables as t
from control_plane.storage.database import whole_sum
from edge.decision.beacon import FRESH, GLOBAL_HOLDOUT, HOLDOUT, KEPT, SESSION

NONE = "none"
d, o, r, u = t.decisions.c, t.orders.c, t.returns.c, t.order_units.c


class Group(Struct, frozen=True, kw_only=True):
    """Units of one side, with the sums that a comparison of means needs.

    `total` and `squares` are sums of a unit's profit in currency units (not micros),
    and of its square.
    """

    units: int = 0
    orders: int = 0
    total: float = 0.0
    squares: float = 0.0


class Sides(Struct, frozen=True, kw_only=True):
    """Treated and held-out units; `crossed` were on both sides and are in neither."""

    treated: Group = Group()
    holdout: Group = Group()
    crossed: int = 0


class LearningRow(Struct, frozen=True, kw_only=True):
    """A fresh draw that was seen, and what followed.

    `listed` are the arms that could be drawn with their tickets out of 2^20, "none"
    first; `tickets` those of the arm that was.  `segment` is the allocation's row ("*"
    for all others).  `profit_micros` sums the unit's orders in the attribution window.
    """

    decision: str
    bundle: str
    placement: str
    slot: int
    segment: str
    unit: str
    time_s: int
    arm: str
    tickets: int
    listed: tuple[tuple[str, int], ...]
    profit_micros: int
    orders: int

    @property
    def ordered(self) -> bool:
        return self.orders > 0


# --- measurement --------------------------------------------------------------


def sides(
    connection: Connection, tenant: str, attribution_s: int, placement: str | None = None
) -> Sides:
    """Treated against held out in one placement, or over all (the global holdout)."""
    earned = _earned(tenant, attribution_s, placement)
    on_both = earned.c.held_least != earned.c.held_most
    profit = cast(earned.c.profit_micros, Float) / 1_000_000.0
    rows = connection.execute(
        select(
            on_both.label("crossed"),
            earned.c.held_most.label("held"),
            func.count().label("units"),
            whole_sum(earned.c.orders).label("orders"),
            func.sum(profit).label("total"),
            func.sum(profit * profit).label("squares"),
        ).group_by("crossed", "held")
    ).all()
    groups = {
        bool(row.held): Group(
            units=row.units, orders=row.orders, total=row.total, squares=row.squares
        )
        for row in rows
        if not row.crossed
    }
    return Sides(
        treated=groups.get(False, Group()),
        holdout=groups.get(True, Group()),
        crossed=sum(row.units for row in rows if row.crossed),
    )


def _earned(tenant: str, attribution_s: int, placement: str | None) -> Subquery:
    """Per unit: on which side it was, its orders and profit since it was first exposed."""
    seen, worth = _seen(tenant, placement), order_worth(tenant)
    inside = and_(
        worth.c.unit == seen.c.unit,
        worth.c.time_s >= seen.c.since_s,
        worth.c.time_s < seen.c.since_s + attribution_s,
    )
    return (
        select(
            seen.c.unit,
            seen.c.held_least,
            seen.c.held_most,
            func.count(worth.c.order_id).label("orders"),
            func.coalesce(whole_sum(worth.c.profit_micros), 0).label("profit_micros"),
        )
        .select_from(seen.outerjoin(worth, inside))
        .group_by(seen.c.unit, seen.c.held_least, seen.c.held_most)
        .subquery("earned")
    )


def _seen(tenant: str, placement: str | None) -> Subquery:
    """Units for whom an offer won on the ghost track, and since when."""
    unit = d.global_unit if placement is None else d.holdout_unit
    flags = GLOBAL_HOLDOUT if placement is None else GLOBAL_HOLDOUT | HOLDOUT
    held = case((d.flags.bitwise_and(flags) != 0, 1), else_=0)
    query = (
        select(
            unit.label("unit"),
            func.min(d.time_s).label("since_s"),
            func.min(held).label("held_least"),
            func.max(held).label("held_most"),
        )
        .where(_exposed(tenant), d.ghost_arm != NONE, unit != "")
        .group_by(unit)
    )
    if placement is not None:
        query = query.where(d.placement == placement)
    return query.subquery("seen")


def _exposed(tenant: str) -> Any:
    exposure = (
        select(t.touches.c.decision)
        .where(
            t.touches.c.tenant == tenant,
            t.touches.c.decision == d.id,
            t.touches.c.kind == "exposure",
            ~t.touches.c.bot,
        )
        .exists()
    )
    attested = and_(d.tenant == tenant, d.attested, d.flags.bitwise_and(SESSION) == 0)
    return and_(attested, exposure)


def order_worth(tenant: str) -> Subquery:
    """Every order under each of its units, with its profit."""
    redeemed = (
        select(
            t.redemptions.c.order_id,
            whole_sum(t.redemptions.c.cost_micros).label("cost_micros"),
        )
        .where(t.redemptions.c.tenant == tenant, t.redemptions.c.state == COMMITTED)
        .group_by(t.redemptions.c.order_id)
        .subquery("redeemed")
    )
    returned = (
        select(r.order_id, whole_sum(r.margin_micros).label("margin_micros"))
        .where(r.tenant == tenant)
        .group_by(r.order_id)
        .subquery("returned")
    )
    spent = func.coalesce(redeemed.c.cost_micros, o.discount_micros)
    lost = func.coalesce(returned.c.margin_micros, 0)
    profit = o.margin_micros - spent - lost
    return (
        select(u.unit, u.order_id, u.time_s, profit.label("profit_micros"))
        .join(t.orders, and_(o.tenant == u.tenant, o.order_id == u.order_id))
        .outerjoin(redeemed, redeemed.c.order_id == u.order_id)
        .outerjoin(returned, returned.c.order_id == u.order_id)
        .where(u.tenant == tenant)
        .subquery("worth")
    )


# --- learning -----------------------------------------------------------------


def learning_rows(
    connection: Connection,
    tenant: str,
    attribution_s: int,
    *,
    since_s: int = 0,
    until_s: int | None = None,
) -> list[LearningRow]:
    """Fresh draws on the shown track taken in [since_s, until_s), oldest first.

    Leave out the newest with `until_s`: what was just shown had no time to be bought.
    """
    drawing = case((d.shown_draw == KEPT, d.drawn_by), else_=d.id)
    seen = select(drawing).where(_exposed(tenant), d.shown_draw.in_((FRESH, KEPT)))
    worth = order_worth(tenant)
    inside = and_(
        worth.c.unit == d.unit,
        worth.c.time_s >= d.time_s,
        worth.c.time_s < d.time_s + attribution_s,
    )
    columns = [d.bundle, d.placement, d.slot, d.segment, d.unit, d.time_s, d.listed]
    query = (
        select(
            d.id.label("decision"),
            *columns,
            d.shown_arm.label("arm"),
            d.shown_tickets.label("tickets"),
            func.count(worth.c.order_id).label("orders"),
            func.coalesce(whole_sum(worth.c.profit_micros), 0).label("profit_micros"),
        )
        .outerjoin(worth, inside)
        .where(d.id.in_(seen), d.tenant == tenant, d.attested, d.shown_draw == FRESH, d.unit != "")
        .where(d.flags.bitwise_and(SESSION) == 0, d.time_s >= since_s)
        .group_by(d.tenant, d.id)
        .order_by(d.time_s, d.id)
    )
    if until_s is not None:
        query = query.where(d.time_s < until_s)
    return [_learning_row(row) for row in connection.execute(query)]


def _learning_row(row: Any) -> LearningRow:
    listed = msgspec.msgpack.decode(row.listed, type=tuple[tuple[str, int], ...])
    return LearningRow(**{**row._mapping, "listed": listed})
