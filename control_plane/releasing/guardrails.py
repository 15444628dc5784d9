"""Guardrails of a ramp: whether the canary does harm, by what it did to people.

    unit          a visitor, on the side that the first decision under this ramp gave them
    profit        of their orders since, within the attribution window, in currency units
    withheld      share of their decisions in which no offer was left for reasons of the policy
    refused       1 if the shop refused to keep a promise made to them at its checkout

For each metric the canary's units are compared with those that got the live policy at the
same step of the ramp: chance alone (`pick_release`) said who is who.  A metric is *breached*
when the bound of `measurement/sequence.py` says that the canary is worse by more than is
tolerated.  That bound holds at all looks together, and the three metrics share `ALPHA`: of
ramps that do no harm, at most one in twenty is ever rolled back, however long they run and
however often one looks.

Nothing is told before the least sample: `UNITS_LEAST` units on each side, and for profit
`ORDERS_LEAST` orders of both sides together.  A unit counts for the side of its first
decision even after the share has grown over it: that dilutes a difference and never makes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from sqlalchemy import Connection, Float, Subquery, and_, case, cast, func, select

from control_plane.measurement.sequence import Estimate, Side, Stratum, estimate, together
from control_plane.outcomes import order_worth
from control_plane.storage import tables as t
from control_plane.storage.tables_publishing import broken_promises as promises
from edge.decision.beacon import SESSION
from edge.decision.reasons import Reason

ALPHA = 0.05
"""Of harmless ramps, how many are rolled back, at most."""
UNITS_LEAST = 200
ORDERS_LEAST = 100
WITHHELD = (Reason.NO_CANDIDATE, Reason.NO_CUSTOMER, Reason.STALE)
"""No offer, and neither a draw nor a holdout nor a kill switch is why."""

MetricName = Literal["profit", "withheld", "refused"]
METRICS: tuple[MetricName, ...] = ("profit", "withheld", "refused")
Tolerated = Annotated[float, Meta(ge=0, le=1_000_000)]

d = t.decisions.c


class Guard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much worse than the live policy a canary may be, per unit, before it is rolled back.

    `profit` in currency units; `withheld` and `refused` as shares out of 1.
    """

    profit: Tolerated = 0.0
    withheld: Tolerated = 0.05
    refused: Tolerated = 0.0


class Metric(Struct, frozen=True, kw_only=True):
    """One comparison.  `difference` is canary minus live; `bound` is on the side of harm: for
    profit the canary is at best this much better, for shares at least this much higher.  Both
    are null before anything can be told."""

    metric: MetricName
    state: Literal["too-early", "in-bounds", "breached"]
    canary: float
    live: float
    canary_units: int
    live_units: int
    difference: float | None
    bound: float | None
    tolerated: float

    @property
    def told(self) -> str:
        return (
            f"{self.metric} per unit is {self.canary:.4g} under the canary ({self.canary_units}"
            f" units) and {self.live:.4g} under the live policy ({self.live_units} units);"
            f" bound {self.bound:.4g}, tolerated {self.tolerated:.4g}"
        )


Strata = Mapping[MetricName, list[Stratum]]


def compare(strata: Strata, guard: Guard) -> list[Metric]:
    """Every metric's verdict."""
    return [_metric(name, strata[name], getattr(guard, name)) for name in METRICS]


def breached(metrics: list[Metric]) -> list[Metric]:
    return [metric for metric in metrics if metric.state == "breached"]


def held_without_harm(metrics: list[Metric]) -> str:
    """What can be said of a ramp whose steps are over: too few people prove nothing."""
    early = [metric.metric for metric in metrics if metric.state == "too-early"]
    return "every step was held without harm" + (
        f"; too few to tell: {', '.join(early)}" if early else ""
    )


def _metric(name: MetricName, strata: list[Stratum], tolerated: float) -> Metric:
    new, old = together(s.new for s in strata), together(s.old for s in strata)
    found = estimate(strata) if _is_enough(name, new, old) else None
    bound = None if found is None else _bound(name, found)
    harm = None if bound is None else -bound if name == "profit" else bound
    return Metric(
        metric=name,
        state=_state(harm, tolerated),
        canary=new.mean,
        live=old.mean,
        canary_units=new.units,
        live_units=old.units,
        difference=None if found is None else found.difference,
        bound=bound,
        tolerated=tolerated,
    )


def _is_enough(name: MetricName, new: Side, old: Side) -> bool:
    events = ORDERS_LEAST if name == "profit" else 0
    return min(new.units, old.units) >= UNITS_LEAST and new.events + old.events >= events


def _bound(name: MetricName, found: Estimate) -> float:
    alpha = ALPHA / len(METRICS)
    return found.upper(alpha) if name == "profit" else found.lower(alpha)


def _state(harm: float | None, tolerated: float) -> Literal["too-early", "in-bounds", "breached"]:
    if harm is None:
        return "too-early"
    return "breached" if harm > tolerated else "in-bounds"


# --- from the rows ------------------------------------------------------------


def read_strata(
    connection: Connection,
    tenant: str,
    attribution_s: int,
    *,
    canary: str,
    shares: Mapping[str, int],
    since_s: int,
) -> Strata:
    """What happened under a ramp; `shares`: digest of each of its manifests -> share then.

    The manifest that a decision was taken under says which share was in force; no clock is
    asked, so edges that are late are where they belong.
    """
    found: dict[int, dict[bool, Any]] = {}
    first = _first(tenant, list(shares), since_s)
    for row in connection.execute(_sums(tenant, attribution_s, first, list(shares), since_s)):
        side = found.setdefault(shares[row.manifest], {}).setdefault(row.bundle == canary, [])
        side.append(row)
    return {name: [_stratum(name, both) for both in found.values()] for name in METRICS}


def _stratum(name: MetricName, both: Mapping[bool, list[Any]]) -> Stratum:
    new, old = (together(_side(name, row) for row in both.get(key, [])) for key in (True, False))
    return Stratum(new, old)


def _side(name: MetricName, row: Any) -> Side:
    return Side(
        units=row.units,
        events=int(getattr(row, f"{name}_events") or 0),
        total=float(getattr(row, f"{name}_total") or 0),
        squares=float(getattr(row, f"{name}_squares") or 0),
    )


def _unit() -> Any:
    """The visitor whose canary ticket it was, in whichever column they stand; else ""."""
    columns = (d.unit, d.global_unit, d.holdout_unit)
    return case(*((column.startswith("v:"), column) for column in columns), else_="")


def _under(tenant: str, manifests: list[str], since_s: int) -> Any:
    return and_(
        d.tenant == tenant,
        d.attested,
        d.time_s >= since_s,
        d.flags.bitwise_and(SESSION) == 0,
        d.manifest.in_(manifests),
        _unit() != "",
    )


def _first(tenant: str, manifests: list[str], since_s: int) -> Subquery:
    """Per unit, its first decision under the ramp."""
    unit = _unit()
    rank = func.row_number().over(partition_by=unit, order_by=(d.time_s, d.id))
    ranked = (
        select(unit.label("unit"), d.manifest, d.bundle, d.time_s, rank.label("rank"))
        .where(_under(tenant, manifests, since_s))
        .subquery("ranked")
    )
    columns = (ranked.c.unit, ranked.c.manifest, ranked.c.bundle, ranked.c.time_s)
    return select(*columns).where(ranked.c.rank == 1).subquery("first")


def _sums(
    tenant: str, attribution_s: int, first: Subquery, manifests: list[str], since_s: int
) -> Any:
    """Per manifest and bundle: how many units, and the sums of each metric and of its square."""
    per_unit = _per_unit(tenant, attribution_s, first, manifests, since_s)
    columns: list[Any] = []
    for name in METRICS:
        value = per_unit.c[name]
        columns += [
            func.sum(case((value != 0, 1), else_=0)).label(f"{name}_events"),
            func.sum(value).label(f"{name}_total"),
            func.sum(value * value).label(f"{name}_squares"),
        ]
    c = per_unit.c
    return select(c.manifest, c.bundle, func.count().label("units"), *columns).group_by(
        c.manifest, c.bundle
    )


def _per_unit(
    tenant: str, attribution_s: int, first: Subquery, manifests: list[str], since_s: int
) -> Subquery:
    earned = _earned(tenant, attribution_s, first)
    held = _withheld(tenant, manifests, since_s)
    broken = (
        select(promises.c.unit, func.min(promises.c.time_s).label("time_s"))
        .where(promises.c.tenant == tenant, promises.c.time_s >= since_s)
        .group_by(promises.c.unit)
        .subquery("broken")
    )
    profit = cast(func.coalesce(earned.c.profit_micros, 0), Float) / 1_000_000.0
    refused = case((broken.c.time_s >= first.c.time_s, 1.0), else_=0.0)
    return (
        select(
            first.c.manifest,
            first.c.bundle,
            profit.label("profit"),
            func.coalesce(held.c.share, 0.0).label("withheld"),
            refused.label("refused"),
        )
        .select_from(first)
        .outerjoin(earned, earned.c.unit == first.c.unit)
        .outerjoin(held, held.c.unit == first.c.unit)
        .outerjoin(broken, broken.c.unit == first.c.unit)
        .subquery("per_unit")
    )


def _earned(tenant: str, attribution_s: int, first: Subquery) -> Subquery:
    orders = order_worth(tenant)
    inside = and_(
        orders.c.unit == first.c.unit,
        orders.c.time_s >= first.c.time_s,
        orders.c.time_s < first.c.time_s + attribution_s,
    )
    return (
        select(first.c.unit, func.sum(orders.c.profit_micros).label("profit_micros"))
        .join(orders, inside)
        .group_by(first.c.unit)
        .subquery("earned")
    )


def _withheld(tenant: str, manifests: list[str], since_s: int) -> Subquery:
    unit = _unit()
    lost = case((d.ghost_reason.in_([int(reason) for reason in WITHHELD]), 1.0), else_=0.0)
    return (
        select(unit.label("unit"), func.avg(lost).label("share"))
        .where(_under(tenant, manifests, since_s))
        .group_by(unit)
        .subquery("held")
    )
