"""What an arm costs for this cart, and whether it may cost that.

    incentive = fixed + rate of the qualifying subtotal + entry of the cost table,
                at most `most`, at most the subtotal itself for discounts

    ceiling   incentive <= ceiling, and <= its share of the order value
    floor     margin of the cart - incentive - incentives already taken >= floor,
              and >= its share of the order value; what is on the page already
              keeps its floors, whatever is added

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


NO_CEILING, NO_FLOOR, UNKNOWN_FLOOR = t.SAFE, -t.SAFE, t.SAFE


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


def cost_terms(tables: Tables, arm: int) -> tuple[int, ...]:
    """All that `incentive_of` reads of an arm: arms alike in this cost the same."""
    rung = arm - 1
    return (
        tables.offer_scope[tables.rung_offer[rung]],
        tables.rung_cost[rung],
        tables.rung_fixed[rung],
        tables.rung_rate_ppm[rung],
        tables.rung_limits[rung] & (t.MOST | t.WITHIN_BASE),
        tables.rung_most[rung],
    )


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
    tables: Tables,
    cart: Cart,
    arm: int,
    incentive: int | None,
    taken_micros: int | None,
    taken_floor: int = NO_FLOOR,
) -> ArmReason:
    """CANDIDATE, or the first guardrail that this arm would break.

    `taken_micros`: incentives already taken on this page; None if one is unknown.
    `taken_floor`: the highest floor among them: what is taken later must keep it, too.
    """
    if incentive is None:
        return ArmReason.COST_UNKNOWN
    ceiling = ceiling_of(tables, cart, arm)
    if ceiling is None:
        return ArmReason.COST_UNKNOWN
    if incentive > ceiling:
        return ArmReason.OVER_CEILING
    floor = max(floor_of(tables, cart, arm), taken_floor)
    if floor == NO_FLOOR:
        return ArmReason.CANDIDATE
    if floor == UNKNOWN_FLOOR or cart.margin is None or taken_micros is None:
        return ArmReason.COST_UNKNOWN
    enough = cart.margin - incentive - taken_micros >= floor
    return ArmReason.CANDIDATE if enough else ArmReason.UNDER_FLOOR


def cannot_break(tables: Tables, arm: int) -> bool:
    """Whether an arm keeps its guardrails on any cart of known value, on a page without floors."""
    rung, order = arm - 1, tables.head[t.HEAD_VALUE]
    limits = tables.rung_limits[rung]
    if limits & (t.FLOOR | t.FLOOR_PPM | t.CEILING_PPM) or tables.rung_cost[rung] >= 0:
        return False
    if tables.offer_scope[tables.rung_offer[rung]] not in (-1, order):
        return False
    return not limits & t.CEILING or _most(tables, rung) <= tables.rung_ceiling[rung]


def _most(tables: Tables, rung: int) -> int:
    """The most that an arm without cost table can cost."""
    if tables.rung_limits[rung] & t.MOST:
        return tables.rung_most[rung]
    return t.SAFE if tables.rung_rate_ppm[rung] else tables.rung_fixed[rung]


def ceiling_of(tables: Tables, cart: Cart, arm: int) -> int | None:
    """The most this arm may cost in micros (NO_CEILING: anything); None: not to be evaluated."""
    rung = arm - 1
    limits, ceiling = tables.rung_limits[rung], NO_CEILING
    if limits & t.CEILING:
        ceiling = tables.rung_ceiling[rung]
    if limits & t.CEILING_PPM:
        if cart.value is None:
            return None
        ppm = tables.rung_ceiling_ppm[rung]
        ceiling = min(ceiling, share_of(cart.value, ppm, tables.head[t.HEAD_MINOR], t.DOWN))
    return ceiling


def floor_of(tables: Tables, cart: Cart, arm: int) -> int:
    """The margin in micros that must be left while this arm is on the page.

    NO_FLOOR if it asks for none, UNKNOWN_FLOOR if that cannot be evaluated.
    """
    rung = arm - 1
    limits, floor = tables.rung_limits[rung], NO_FLOOR
    if limits & t.FLOOR:
        floor = tables.rung_floor[rung]
    if limits & t.FLOOR_PPM:
        if cart.value is None:
            return UNKNOWN_FLOOR
        ppm = tables.rung_floor_ppm[rung]
        floor = max(floor, share_of(cart.value, ppm, tables.head[t.HEAD_MINOR], t.HALF_UP))
    return floor
