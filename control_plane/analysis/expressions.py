"""The queries over the tables, written once: Ibis emits them for DuckDB and for Spark.

Only `scripts/analysis_sql.py` and the tests import this; what runs are the checked-in texts
in `sql/`.  The rules are those of `control_plane/outcomes.py`, and the integers are the same:

* What an order is worth is its margin, minus what its committed redemptions cost (without
  one: minus the discount that the shop told), minus the margin that its returns took back.
* An order counts for a decision of one of its units that was taken at most `attribution_s`
  before it.  Only attested decisions count, none of a page session, and none that only robots saw.
* Of an offer version the report counts an order once per placement, on the order's day,
  and takes back what returns cost on the day of each return: days add up to the total.

One row of the table `settings` holds what can be chosen.  There are whole numbers only: no
division, no averages; a day is the Unix time of its first second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from control_plane.analysis.columns import BOOL, SHAPES, TEXT, WHOLE
from control_plane.analysis.queries import MEASURES
from edge.decision.beacon import GLOBAL_HOLDOUT, HOLDOUT, KEPT, SESSION

Query = Any
"""A table or a column of Ibis, whose own annotations do not know what can be done with one."""

NONE = "none"
COMMITTED = "committed"
EXPOSURE, CLICK = "exposure", "click"
DAY_S = 86400
IBIS_TYPES = {TEXT: "!string", WHOLE: "!int64", BOOL: "!boolean"}
SETTINGS = {"attribution_s": "!int64"}


def _table(name: str) -> Query:
    columns = {column: IBIS_TYPES[kind] for column, kind in SHAPES[name].columns.items()}
    return ibis.table(columns, name=name)


decisions, touches, offers = _table("decisions"), _table("touches"), _table("offers")
orders, order_units, returns = _table("orders"), _table("order_units"), _table("returns")
redemptions = _table("redemptions")
settings = ibis.table(SETTINGS, name="settings")


def _windowed(table: Query) -> Query:
    """Every row with the attribution window."""
    joined = table.cross_join(settings)
    return joined.select(*(table[name] for name in table.columns), settings.attribution_s)


# --- what an order is worth -----------------------------------------------------


def _spent() -> Query:
    """Every order with what it was worth before anything came back."""
    redeemed = (
        redemptions.filter(redemptions.state == COMMITTED)
        .group_by("order_id")
        .agg(cost_micros=lambda t: t.cost_micros.sum())
    )
    joined = orders.left_join(redeemed, orders.order_id == redeemed.order_id)
    spent = ibis.coalesce(redeemed.cost_micros, orders.discount_micros)
    return joined.select(
        order_id=orders.order_id,
        time_s=orders.time_s,
        revenue_micros=orders.revenue_micros,
        earned_micros=orders.margin_micros - spent,
    )


def order_worth() -> Query:
    """Every order under each of its units, with its profit."""
    back = returns.group_by("order_id").agg(back_micros=lambda t: t.margin_micros.sum())
    worth = _spent()
    joined = order_units.inner_join(worth, order_units.order_id == worth.order_id).left_join(
        back, order_units.order_id == back.order_id
    )
    return joined.select(
        unit=order_units.unit,
        order_id=order_units.order_id,
        time_s=order_units.time_s,
        profit_micros=worth.earned_micros - ibis.coalesce(back.back_micros, 0),
    )


# --- decisions and what came of them ----------------------------------------------


def _attested() -> Query:
    return decisions.filter(decisions.attested, (decisions.flags & SESSION) == 0)


def _firsts(kind: str) -> Query:
    """Decisions that were seen or followed, not by robots alone: when first."""
    of_kind = touches.filter(touches.kind == kind, ~touches.bot)
    return of_kind.select(**{f"{kind}_of": of_kind.decision, f"{kind}_s": of_kind.time_s})


def decision_profit() -> Query:
    """Every attested decision of a unit: seen, followed, redeemed, and what its unit bought.

    `drawing` is the decision that drew what was shown; `exposures` and `clicks` are 0 or 1.
    Several decisions of a unit may share an order: do not add up their profits.
    """
    taken = _attested()
    taken = _windowed(taken.filter(taken.unit != ""))
    bought = _bought(taken)
    used = (
        redemptions.filter(redemptions.state == COMMITTED)
        .group_by(used_of="token")
        .agg(redemptions=lambda t: t.count(), cost_micros=lambda t: t.cost_micros.sum())
    )
    seen, followed = _firsts(EXPOSURE), _firsts(CLICK)
    joined = (
        taken.left_join(seen, [("id", "exposure_of")])
        .left_join(followed, [("id", "click_of")])
        .left_join(used, [("id", "used_of")])
        .left_join(bought, [("id", "bought_of")])
    )
    return joined.select(
        decision=taken.id,
        time_s=taken.time_s,
        placement=taken.placement,
        slot=taken.slot,
        unit=taken.unit,
        bundle=taken.bundle,
        arm=taken.shown_arm,
        draw=taken.shown_draw,
        tickets=taken.shown_tickets,
        drawing=(taken.shown_draw == KEPT).ifelse(taken.drawn_by, taken.id),
        exposures=seen.exposure_s.notnull().ifelse(1, 0),
        clicks=followed.click_s.notnull().ifelse(1, 0),
        redemptions=ibis.coalesce(used.redemptions, 0),
        cost_micros=ibis.coalesce(used.cost_micros, 0),
        orders=ibis.coalesce(bought.orders, 0),
        profit_micros=ibis.coalesce(bought.profit_micros, 0),
    )


def _bought(taken: Query) -> Query:
    """Decisions whose unit ordered inside the window."""
    worth = order_worth()
    inside = taken.inner_join(
        worth,
        [
            taken.unit == worth.unit,
            worth.time_s >= taken.time_s,
            worth.time_s < taken.time_s + taken.attribution_s,
        ],
    ).select(bought_of=taken.id, profit_micros=worth.profit_micros)
    return inside.group_by("bought_of").agg(
        orders=lambda t: t.count(), profit_micros=lambda t: t.profit_micros.sum()
    )


# --- units, for measurement ---------------------------------------------------------


def unit_profit() -> Query:
    """Every unit for whom an offer won on the ghost track, per placement and (placement "")
    over all: on which side it was, its orders and profit since it was first exposed."""
    seen = _sides("holdout_unit", GLOBAL_HOLDOUT | HOLDOUT, by_placement=True).union(
        _sides("global_unit", GLOBAL_HOLDOUT, by_placement=False)
    )
    windows = _windowed(seen)
    worth = order_worth()
    joined = windows.left_join(
        worth,
        [
            windows.unit == worth.unit,
            worth.time_s >= windows.since_s,
            worth.time_s < windows.since_s + windows.attribution_s,
        ],
    ).select(
        placement=windows.placement,
        unit=windows.unit,
        held_least=windows.held_least,
        held_most=windows.held_most,
        ordered=worth.order_id.notnull().ifelse(1, 0),
        profit_micros=ibis.coalesce(worth.profit_micros, 0),
    )
    return joined.group_by("placement", "unit", "held_least", "held_most").agg(
        orders=lambda t: t.ordered.sum(), profit_micros=lambda t: t.profit_micros.sum()
    )


def _sides(unit: str, flags: int, *, by_placement: bool) -> Query:
    taken = _attested()
    seen = _firsts(EXPOSURE)
    won = taken.filter(taken.ghost_arm != NONE, taken[unit] != "").semi_join(
        seen, [("id", "exposure_of")]
    )
    rows = won.select(
        placement=won.placement if by_placement else ibis.literal(""),
        unit=won[unit],
        time_s=won.time_s,
        held=((won.flags & flags) != 0).ifelse(1, 0),
    )
    return rows.group_by("placement", "unit").agg(
        since_s=lambda t: t.time_s.min(),
        held_least=lambda t: t.held.min(),
        held_most=lambda t: t.held.max(),
    )


# --- the report -----------------------------------------------------------------------


def offer_days() -> Query:
    """Per day, placement and offer version: what was seen, followed, redeemed and earned."""
    parts = [_seen(EXPOSURE, "exposures"), _seen(CLICK, "clicks"), _redeemed(), *_earned()]
    every: Query = ibis.union(*parts)
    sums: dict[str, Query] = {name: every[name].sum() for name in MEASURES}
    found = every.group_by("day_s", "placement", "offer", "version").agg(**sums)
    return found.order_by("day_s", "placement", "offer", "version")


def _day(time_s: Any) -> Any:
    return time_s - time_s % DAY_S


def _row(table: Query, **measured: Query) -> Query:
    """The columns of the report: what was measured, and 0 for the rest."""
    zero = ibis.literal(0, type="int64")
    named = {name: measured.get(name, zero).cast("int64").name(name) for name in MEASURES}
    return table.select("day_s", "placement", "offer", "version", **named)


def _versioned(table: Query, arm: Query) -> Query:
    """With offer and version; the bundle's digest stands in where the bundle is unknown."""
    known = table.left_join(offers, [table.bundle == offers.bundle, arm == offers.arm])
    columns: dict[str, Any] = {name: table[name] for name in table.columns}
    rest = arm.split("/")[0] if "offer" not in columns else table["offer"]
    fallback = ibis.literal("bundle:") + table.bundle.substr(0, 12)
    return known.select(
        **columns
        | {
            "offer": ibis.coalesce(offers.offer, rest),
            "version": ibis.coalesce(offers.version, fallback),
        }
    )


def _shown() -> Query:
    """Attested decisions that showed an offer, with its version."""
    taken = decisions.filter(decisions.attested, decisions.shown_arm != NONE)
    return _versioned(taken, taken.shown_arm)


def _seen(kind: str, measure: str) -> Query:
    shown, firsts = _shown(), _firsts(kind)
    joined = shown.inner_join(firsts, [("id", f"{kind}_of")]).select(
        day_s=_day(firsts[f"{kind}_s"]),
        placement=shown.placement,
        offer=shown.offer,
        version=shown.version,
    )
    return _row(joined, **{measure: ibis.literal(1)})


def _redeemed() -> Query:
    """On the day of the commit.  What is reversed later never counts, on no day."""
    committed = redemptions.filter(redemptions.state == COMMITTED)
    used = _versioned(committed, committed.offer + "/" + committed.rung)
    dated = used.mutate(day_s=_day(used.changed_s))
    return _row(dated, redemptions=ibis.literal(1), cost_micros=dated.cost_micros)


def _earned() -> tuple[Query, Query]:
    """Orders on their days, and what came back on the day it did."""
    credited, worth = _credited(), _spent()
    ordered = credited.inner_join(worth, credited.order_id == worth.order_id).select(
        day_s=_day(worth.time_s),
        placement=credited.placement,
        offer=credited.offer,
        version=credited.version,
        revenue_micros=worth.revenue_micros,
        earned_micros=worth.earned_micros,
    )
    returned = credited.inner_join(returns, credited.order_id == returns.order_id).select(
        day_s=_day(returns.time_s),
        placement=credited.placement,
        offer=credited.offer,
        version=credited.version,
        refund_micros=returns.refund_micros,
        margin_micros=returns.margin_micros,
    )
    earned = _row(
        ordered,
        orders=ibis.literal(1),
        revenue_micros=ordered.revenue_micros,
        profit_micros=ordered.earned_micros,
    )
    taken_back = _row(
        returned,
        returns=ibis.literal(1),
        returned_micros=returned.refund_micros,
        profit_micros=-returned.margin_micros,
    )
    return earned, taken_back


def _credited() -> Query:
    """Placement, offer version and order, each once: a unit that saw it ordered in time."""
    shown, seen = _shown(), _firsts(EXPOSURE)
    known = shown.filter(shown.unit != "", (shown.flags & SESSION) == 0)
    known = _windowed(known.semi_join(seen, [("id", "exposure_of")]))
    inside = known.inner_join(
        order_units,
        [
            known.unit == order_units.unit,
            order_units.time_s >= known.time_s,
            order_units.time_s < known.time_s + known.attribution_s,
        ],
    )
    return inside.select(
        placement=known.placement,
        offer=known.offer,
        version=known.version,
        order_id=order_units.order_id,
    ).distinct()


QUERIES: Mapping[str, Query] = {
    "order_worth": order_worth(),
    "decision_profit": decision_profit(),
    "unit_profit": unit_profit(),
    "offer_days": offer_days(),
}
"""By the name of their file.  Rows come in no order, unless the query says one."""
