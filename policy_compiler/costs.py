"""What each kind of offer costs, as one formula in integers.

incentive = fixed + rate of the subtotal + entry of a table, at most `most`,
            at most the subtotal for the kinds that only take something off it

percent     rate, most = cap                     within the subtotal
fixed       fixed                                within the subtotal
bundle      fixed = what the set saves           within the subtotal
gift        fixed = unit cost
shipping    table by an attribute, or fixed
points      rate = points per unit x value of a point x (1 - breakage), or fixed
financing   rate = fee + risk
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal

from msgspec import Struct

from edge.decision import tables as t
from policy_compiler.catalog import CostTable, Guardrails, Offer, Rung

MICROS = 1_000_000


class Cost(Struct, frozen=True):
    """Micros, parts per million, and flags as in `edge.decision.tables`."""

    fixed: int = 0
    rate_ppm: int = 0
    most: int | None = None
    table: CostTable | None = None
    within_base: bool = False


def micros(amount: Decimal) -> int:
    """A currency amount in micros, to the nearest (ties to even)."""
    return int((amount * MICROS).to_integral_value(ROUND_HALF_EVEN))


def ppm_of_percent(percent: Decimal) -> int:
    """Parts per million, rounded up: a cost is never understated."""
    return int((percent * 10_000).to_integral_value(ROUND_UP))


def ppm_at_most(percent: Decimal) -> int:
    """Parts per million, rounded down: a ceiling or a margin is never overstated."""
    return int((percent * 10_000).to_integral_value(ROUND_DOWN))


def cost_of(offer: Offer, rung: Rung) -> Cost:
    """The checked rung's cost."""
    match offer.kind:
        case "percent":
            most = None if rung.cap is None else micros(rung.cap)
            return Cost(0, ppm_of_percent(_given(rung.percent)), most, within_base=True)
        case "fixed":
            return Cost(micros(_given(rung.amount)), within_base=True)
        case "bundle":
            return Cost(micros(_given(rung.saves)), within_base=True)
        case "gift":
            return Cost(micros(_given(rung.unit_cost)))
        case "shipping":
            table = rung.cost_table
            return Cost(table=table) if table else Cost(micros(_given(rung.amount)))
        case "points":
            return _points(rung)
        case "financing":
            return Cost(0, ppm_of_percent(_given(rung.fee_percent) + rung.risk_percent))


def _points(rung: Rung) -> Cost:
    value = _given(rung.point_value) * (1 - rung.breakage_percent / 100)
    if rung.points is not None:
        return Cost(micros(rung.points * value))
    return Cost(0, ppm_of_percent(_given(rung.points_per_unit) * value * 100))


def _given(value: Decimal | None) -> Decimal:
    if value is None:
        raise ValueError("check.py lets no rung pass without the fields of its kind")
    return value


def limits_of(cost: Cost, guardrails: Guardrails) -> int:
    """The rung's flags: which of its numbers apply."""
    given = {
        t.CEILING: guardrails.ceiling,
        t.CEILING_PPM: guardrails.ceiling_percent,
        t.FLOOR: guardrails.margin_floor,
        t.FLOOR_PPM: guardrails.margin_floor_percent,
        t.MOST: cost.most,
    }
    flags = sum(flag for flag, value in given.items() if value is not None)
    return flags | (t.WITHIN_BASE if cost.within_base else 0)
