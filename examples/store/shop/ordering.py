"""Placing an order: the one place where an offer becomes money.

    reserve (the control plane checks token, cart and caps) -> commit -> order -> tell

The customer is never asked to pay more than the checkout page said.  An offer
that cannot be reserved or committed, for whatever reason, is worth nothing on
this order, and the order goes through.
"""

from __future__ import annotations

import logging
import secrets
from decimal import Decimal

from .cart import NOTHING, Cart
from .outbox import Outbox
from .proffer import (
    UNCONFIRMED,
    CartFacts,
    Order,
    Proffer,
    Refusal,
    Reservation,
    ReserveBody,
)
from .session import PlacedOrder
from .visit import Visit

CURRENCY = "EUR"
log = logging.getLogger("shop.orders")


class Applied:
    """What became of the offer: the discount it gave, its decision, a sentence about it."""

    def __init__(self, discount: Decimal = NOTHING, decision: str = "", note: str = "") -> None:
        self.discount = discount
        self.decision = decision
        self.note = note


def new_order_id() -> str:
    return f"Q{secrets.token_hex(6)}"


async def place_order(visit: Visit, proffer: Proffer, outbox: Outbox, token: str) -> PlacedOrder:
    """Order what is in the cart; it must not be empty."""
    order_id = visit.session.order_id or new_order_id()
    cart = visit.cart
    applied = await _apply(visit, proffer, token, order_id) if token else Applied()
    await outbox.tell(_event(visit, cart, order_id, applied))
    log.info("order %s: %s pieces, discount %s", order_id, cart.items, applied.discount)
    return PlacedOrder(order_id, cart.goods, cart.delivery, applied.discount, applied.note)


async def _apply(visit: Visit, proffer: Proffer, token: str, order_id: str) -> Applied:
    held = await _reserve(visit, proffer, token, order_id)
    if isinstance(held, Refusal):
        return _not_applied(held.why)
    if not NOTHING <= held.discount <= visit.cart.total:
        log.warning("order %s: impossible discount %s", order_id, held.discount)
        return _not_applied("Its amount did not fit this order")
    if not await proffer.commit(held.reservation):
        return _not_applied(UNCONFIRMED)
    return Applied(held.discount, held.decision, "Your offer was applied.")


async def _reserve(
    visit: Visit, proffer: Proffer, token: str, order_id: str
) -> Reservation | Refusal:
    """Offers on pages are made to the visitor, those in letters to the customer: say both."""
    facts = CartFacts(f"{visit.cart.goods:.2f}", f"{visit.cart.margin:.2f}", visit.attributes())
    customer = visit.session.customer or ""
    return await proffer.reserve(ReserveBody(token, order_id, facts, visit.visitor, customer))


def _not_applied(why: str) -> Applied:
    return Applied(note=f"Your offer was not applied. {why}.")


def _event(visit: Visit, cart: Cart, order_id: str, applied: Applied) -> Order:
    # Delivery is passed on to the carrier as it is, so it is no revenue.
    return Order(
        order_id=order_id,
        visitor=visit.visitor,
        customer=visit.session.customer,
        revenue=f"{cart.goods - applied.discount:.2f}",
        margin=f"{cart.margin:.2f}",
        discount=f"{applied.discount:.2f}",
        currency=CURRENCY,
        time_s=visit.now_s,
        decisions=[applied.decision] if applied.decision else [],
    )
