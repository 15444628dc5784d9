"""What an arm costs for this cart, and whether it may cost that.

    incentive = fixed + rate of the qualifying subtotal + entry of the cost table,
                at most `most`, at most the subtotal itself for discounts

    ceiling   incentive <= ceiling, and <= its share of the order value
    floor     margin of the cart - incentive - incentives already taken >= floor,
              and >= its share of the order value

The order value, the subtotal and the margin are attributes.  While the order value
is absent (no cart yet), the shop's stated typical order stands in for it; while the
margin is absent, its stated share of the order value.  Anything withheld or invalid
cannot be evaluated, and what cannot be evaluated withholds the arm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from . import tables as t
from .money import share_of, to_micros
from .reasons import ArmReason
from .situation import ABSENT_CELL, Situation
from .tables import Tables

if TYPE_CHECKING:
    from .bundle import Bundle


class Cart(Struct, frozen=True):
    """Order value and margin of this cart in micros; None: cannot be evaluated."""

    value: int | None
    margin: int | None


def cart_of(tables: Tables, situation: Situation) -> Cart:
    value = _value(tables, situation)
    return Cart(value, _margin(tables, situation, value))


def _value(tables: Tables, situation: Situation) -> int | None:
    attribute = tables.head[t.HEAD_VALUE]
    if attribute < 0 or situation.cells[attribute] == ABSENT_CELL:
        return tables.head[t.HEAD_VALUE_OTHERWISE]
    return _money(tables, situation, attribute)


def _margin(tables: Tables, situation: Situation, value: int | None) -> int | None:
    attribute = tables.head[t.HEAD_MARGIN]
    if attribute < 0 or situation.cells[attribute] == ABSENT_CELL:
        share = tables.head[t.HEAD_MARGIN_PPM]
        return None if value is None else share_of(value, share, tables.head[t.HEAD_MINOR], t.DOWN)
    return _money(tables, situation, attribute)


def _money(tables: Tables, situation: Situation, attribute: int) -> int | None:
    number = situation.number(attribute)
    return None if number is None else to_micros(number, tables.attribute_scale[attribute])


def incentive_of(bundle: Bundle, situation: Situation, cart: Cart, arm: int) -> int | None:
    """Cost of this arm's incentive for this cart in micros, or None."""
    tables, rung = bundle.tables, arm - 1
    base = _subtotal(tables, situation, cart, tables.rung_offer[rung])
    extra = _table_cost(tables, situation, tables.rung_cost[rung])
    if base is None or extra is None:
        return None
    head = tables.head
    share = share_of(base, tables.rung_rate_ppm[rung], head[t.HEAD_MINOR], head[t.HEAD_ROUNDING])
    cost = tables.rung_fixed[rung] + share + extra
    if tables.rung_limits[rung] & t.MOST:
        cost = min(cost, tables.rung_most[rung])
    return min(cost, base) if tables.rung_limits[rung] & t.WITHIN_BASE else cost


def _subtotal(tables: Tables, situation: Situation, cart: Cart, offer: int) -> int | None:
    scope, order = tables.offer_scope[offer], tables.head[t.HEAD_VALUE]
    if scope < 0 or scope == order:
        return cart.value
    no_cart = order < 0 or situation.cells[order] == ABSENT_CELL
    if no_cart and situation.cells[scope] == ABSENT_CELL:
        return cart.value
    return _money(tables, situation, scope)


def _table_cost(tables: Tables, situation: Situation, table: int) -> int | None:
    if table < 0:
        return 0
    first, last = tables.cost_amount[table], tables.cost_amount[table + 1]
    cell = situation.cells[tables.cost_attribute[table]]
    amount = tables.amount_micros[first + cell if cell >= 0 else last - 1]
    return None if amount < 0 else amount


def guard(
    tables: Tables, cart: Cart, arm: int, incentive: int | None, taken_micros: int | None
) -> ArmReason:
    """CANDIDATE, or the first guardrail that this arm would break.

    `taken_micros`: incentives already taken on this page; None if one is unknown.
    """
    limits = tables.rung_limits[arm - 1]
    if incentive is None:
        return ArmReason.COST_UNKNOWN
    if limits & (t.CEILING | t.CEILING_PPM):
        ceiling = ceiling_of(tables, cart, arm)
        if ceiling is None:
            return ArmReason.COST_UNKNOWN
        if incentive > ceiling:
            return ArmReason.OVER_CEILING
    if limits & (t.FLOOR | t.FLOOR_PPM):
        floor = floor_of(tables, cart, arm)
        if floor is None or cart.margin is None or taken_micros is None:
            return ArmReason.COST_UNKNOWN
        if cart.margin - incentive - taken_micros < floor:
            return ArmReason.UNDER_FLOOR
    return ArmReason.CANDIDATE


def ceiling_of(tables: Tables, cart: Cart, arm: int) -> int | None:
    """The most this arm may cost, in micros; None if it cannot be evaluated."""
    rung = arm - 1
    limits, bounds = tables.rung_limits[rung], []
    if limits & t.CEILING:
        bounds.append(tables.rung_ceiling[rung])
    if limits & t.CEILING_PPM:
        if cart.value is None:
            return None
        ppm = tables.rung_ceiling_ppm[rung]
        bounds.append(share_of(cart.value, ppm, tables.head[t.HEAD_MINOR], t.DOWN))
    return min(bounds)


def floor_of(tables: Tables, cart: Cart, arm: int) -> int | None:
    """The margin that must be left, in micros; None if it cannot be evaluated."""
    rung = arm - 1
    limits, bounds = tables.rung_limits[rung], []
    if limits & t.FLOOR:
        bounds.append(tables.rung_floor[rung])
    if limits & t.FLOOR_PPM:
        if cart.value is None:
            return None
        ppm = tables.rung_floor_ppm[rung]
        bounds.append(share_of(cart.value, ppm, tables.head[t.HEAD_MINOR], t.HALF_UP))
    return max(bounds)
