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

from typing import TYPE_CHECKING, NamedTuple

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


class CostTerms(NamedTuple):
    """All that an arm's incentive depends on: arms alike in this cost the same on any cart."""

    scope: int
    table: int
    fixed: int
    rate_ppm: int
    most: int
    within_base: bool


def cost_terms(tables: Tables, arm: int) -> CostTerms:
    rung = arm - 1
    limits = tables.rung_limits[rung]
    return CostTerms(
        scope=tables.offer_scope[tables.rung_offer[rung]],
        table=tables.rung_cost[rung],
        fixed=tables.rung_fixed[rung],
        rate_ppm=tables.rung_rate_ppm[rung],
        most=tables.rung_most[rung] if limits & t.MOST else t.SAFE,
        within_base=bool(limits & t.WITHIN_BASE),
    )


def incentive_of(bundle: Bundle, situation: Situation, cart: Cart, terms: CostTerms) -> int | None:
    """Cost of an incentive for this cart in micros, or None."""
    tables, head = bundle.tables, bundle.tables.head
    base = _subtotal(tables, situation, cart, terms.scope)
    extra = _table_cost(tables, situation, terms.table) if terms.table >= 0 else 0
    if base is None or extra is None:
        return None
    cost = terms.fixed + extra
    if terms.rate_ppm:
        cost += share_of(base, terms.rate_ppm, head[t.HEAD_MINOR], head[t.HEAD_ROUNDING])
    return min(cost, terms.most, base) if terms.within_base else min(cost, terms.most)


def _subtotal(tables: Tables, situation: Situation, cart: Cart, scope: int) -> int | None:
    order = tables.head[t.HEAD_VALUE]
    if scope < 0 or scope == order:
        return cart.value
    no_cart = order < 0 or situation.cells[order] == ABSENT_CELL
    if no_cart and situation.cells[scope] == ABSENT_CELL:
        return cart.value
    return _money(tables, situation, scope)


def _table_cost(tables: Tables, situation: Situation, table: int) -> int | None:
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


def cannot_break(tables: Tables, arm: int, terms: CostTerms) -> bool:
    """Whether an arm keeps its guardrails on any cart of known value, on a page without floors."""
    limits, order = tables.rung_limits[arm - 1], tables.head[t.HEAD_VALUE]
    if limits & (t.FLOOR | t.FLOOR_PPM | t.CEILING_PPM) or terms.table >= 0:
        return False
    if terms.scope not in (-1, order):
        return False
    most = min(terms.most, t.SAFE if terms.rate_ppm else terms.fixed)
    return not limits & t.CEILING or most <= tables.rung_ceiling[arm - 1]


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
