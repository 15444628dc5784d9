"""What an offer is worth for a cart, asked once more at the checkout.

The edge promised an arm for the cart of that moment.  At redemption the shop's own
server tells the cart, and the same arithmetic runs again, over the bundle that made
the promise:

    attributes of the cart -> cells -> incentive of the arm -> its guardrails

What a page only claimed then (cart lines, the total) must hold now: of the offer's
rule, the constraints on the attributes that redemption re-checks, the order value and
the offer's scope.  A constraint on anything else counts as fulfilled, since time may
have changed it rightly (a cart that was recovered is no longer abandoned).

Nothing is taken for granted in the shopper's favour.  A page may decide without knowing;
the shop knows, so at redemption it must say: a re-checked attribute of source `signed`
that it does not tell is *withheld*, and not even `!has(x)` is true of it.  A margin floor
needs the cart's own margin where the shop has an attribute for it, not the typical one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from control_plane.errors import Refused
from edge.decision import tables as t
from edge.decision.arbitration import Page, exclusion
from edge.decision.bundle import Bundle
from edge.decision.errors import RequestError
from edge.decision.guardrails import (
    NO_FLOOR,
    Cart,
    cart_of,
    cost_terms,
    floor_of,
    guard,
    incentive_of,
)
from edge.decision.reasons import ArmReason
from edge.decision.request import UNKNOWN_ARM, unpack_request
from edge.decision.request_json import encode_fields
from edge.decision.situation import ABSENT_CELL, WITHHELD_CELL, Situation, situate
from edge.decision.token import Token

COSTS_NO_DISCOUNT = ("gift", "points", "financing")
"""Kinds whose incentive the shop pays, and the customer does not see in the total."""

WORDS = {
    ArmReason.OFFER_TAKEN: "the order uses this offer already",
    ArmReason.GROUP_TAKEN: "the order uses another offer of its group",
    ArmReason.NOT_STACKABLE: "it does not combine with another offer of the order",
    ArmReason.TAKEN_UNKNOWN: "the order uses an offer of another policy",
    ArmReason.COST_UNKNOWN: "its cost or the cart's margin cannot be computed",
    ArmReason.OVER_CEILING: "it would cost more than it may for this cart",
    ArmReason.UNDER_FLOOR: "it would leave less margin than it must for this cart",
}


class CartFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """The cart as the shop's server knows it, before any discount; decimals as strings."""

    order_value: str
    margin: str | None = None
    attributes: dict[str, Any] = {}


class Taken(Struct, frozen=True):
    """An offer that the order uses already, and what it costs in micros."""

    arm: str
    cost_micros: int


class Worth(Struct, frozen=True, kw_only=True):
    """`discount_micros` off the customer's total; `cost_micros` to the shop, handling included."""

    discount_micros: int
    cost_micros: int
    currency: str
    minor_digits: int


def appraise(
    bundle: Bundle, token: Token, cart: CartFacts, taken: Sequence[Taken], now_s: int
) -> Worth:
    """What the token's arm is worth for this cart.  Raises `Refused`."""
    arm = bundle.arm_rows.get(f"{token.offer}/{token.rung}")
    if arm is None:
        raise Refused("token-invalid", f"its policy has no offer {token.offer}/{token.rung}")
    situation = _situation(bundle, token, cart, now_s)
    offer = bundle.tables.rung_offer[arm - 1]
    _withhold_untold(bundle, situation, offer)
    if not is_still_eligible(bundle, situation, offer):
        raise _refused(token, "its conditions do not hold for this cart")
    money = cart_of(bundle.tables, situation)
    if money.value is not None and money.value <= 0:
        raise _refused(token, "the cart is empty")
    page = _page(bundle, money, taken)
    if reason := exclusion(bundle, page, offer):
        raise _refused(token, WORDS[reason])
    floor = max(page.floor, floor_of(bundle.tables, money, arm))
    if floor != NO_FLOOR and cart.margin is None and bundle.head(t.HEAD_MARGIN) >= 0:
        raise _refused(token, "it must leave a margin, and the cart's margin was not told")
    incentive = incentive_of(bundle, situation, money, cost_terms(bundle.tables, arm))
    if reason := guard(bundle.tables, money, arm, incentive, page.micros, page.floor):
        raise _refused(token, WORDS[reason])
    assert incentive is not None  # guard refuses unknown costs
    free = bundle.notes.offers[offer].kind in COSTS_NO_DISCOUNT
    return Worth(
        discount_micros=0 if free else incentive,
        cost_micros=incentive + bundle.tables.rung_handling[arm - 1],
        currency=bundle.notes.currency,
        minor_digits=bundle.notes.minor_digits,
    )


def _situation(bundle: Bundle, token: Token, cart: CartFacts, now_s: int) -> Situation:
    fields = {
        "visitor": token.subject,
        "nonce": token.id,
        "consent": "full",
        "now_s": now_s,
        "placements": [token.placement],
        "attributes": _attributes(bundle, cart),
    }
    try:
        return situate(bundle, unpack_request(encode_fields(bundle, fields).data))
    except RequestError as error:
        raise Refused("malformed-request", f"cart: {error.detail}") from None


def _withhold_untold(bundle: Bundle, situation: Situation, offer: int) -> None:
    """What the shop alone can vouch for, is re-checked, and was not told holds for no rule."""
    for name in bundle.notes.offers[offer].recheck:
        row = bundle.attribute_rows.get(name)
        if row is None or bundle.tables.attribute_source[row] != t.SIGNED:
            continue
        if situation.cells[row] == ABSENT_CELL:
            situation.cells[row] = WITHHELD_CELL


def _attributes(bundle: Bundle, cart: CartFacts) -> dict[str, Any]:
    """The cart's attributes; its order value and margin win over same-named ones."""
    names = {row: name for name, row in bundle.attribute_rows.items()}
    value, margin = bundle.head(t.HEAD_VALUE), bundle.head(t.HEAD_MARGIN)
    told: Mapping[int, str | None] = {value: cart.order_value, margin: cart.margin}
    money = {names[row]: text for row, text in told.items() if row in names}
    return {**cart.attributes, **money}


def _page(bundle: Bundle, money: Cart, taken: Sequence[Taken]) -> Page:
    page = Page([])
    for each in taken:
        arm = bundle.arm_rows.get(each.arm, UNKNOWN_ARM)
        floor = NO_FLOOR if arm == UNKNOWN_ARM else floor_of(bundle.tables, money, arm)
        page.take(arm, each.cost_micros, floor)
    return page


def is_still_eligible(bundle: Bundle, situation: Situation, offer: int) -> bool:
    """Whether some clause of the offer holds, as far as it is re-checked."""
    tables, checked = bundle.tables, rechecked(bundle, offer)
    first, last = tables.offer_clause[offer], tables.offer_clause[offer + 1]
    return any(
        all(
            _fits(bundle, situation, constraint)
            for constraint in _constraints(bundle, clause)
            if tables.constraint_attribute[constraint] in checked
        )
        for clause in range(first, last)
    )


def _constraints(bundle: Bundle, clause: int) -> Sequence[int]:
    tables = bundle.tables
    first, last = tables.clause_literal[clause], tables.clause_literal[clause + 1]
    return tables.literal_constraint[first:last]


def _fits(bundle: Bundle, situation: Situation, constraint: int) -> bool:
    attribute = bundle.tables.constraint_attribute[constraint]
    cell = situation.cells[attribute]
    if bundle.tables.attribute_type[attribute] == t.SET:
        return bundle.clauses.set_fits(constraint, cell, situation.masks[attribute])
    return bundle.clauses.cell_fits(constraint, cell)


def rechecked(bundle: Bundle, offer: int) -> set[int]:
    """Rows of the attributes that redemption re-checks, and of what derives from them."""
    tables = bundle.tables
    names = bundle.notes.offers[offer].recheck
    rows = {bundle.attribute_rows[name] for name in names if name in bundle.attribute_rows}
    rows |= {bundle.head(t.HEAD_VALUE), bundle.head(t.HEAD_MARGIN), tables.offer_scope[offer]}
    derived = [
        row
        for row in range(bundle.rows["attribute"])
        if {tables.attribute_left[row], tables.attribute_right[row]} & rows - {-1}
    ]
    return rows.union(derived) - {-1}


def _refused(token: Token, why: str) -> Refused:
    return Refused("not-redeemable", f"offer {token.offer}/{token.rung}: {why}")
