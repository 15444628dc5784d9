"""What the shop tells the edge about a visitor and a cart.

One response header, `Proffer-Context`: base64url of a JSON object with `attributes`
(name -> value; decimals are strings, times whole Unix seconds), the `customer` if
somebody is signed in, and the `locale` of the page, so that offers speak its
language.  The edge takes the header off before the page goes on to the browser, so
margins and points never leave the house.

What does not exist is left out instead of being sent as zero: an empty cart is
no cart worth 0.00, it is no cart.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

import msgspec
from msgspec import Struct

from .cart import Cart
from .personas import DAY_S, PERSONAS, Persona
from .products import Product
from .session import Session

HEADER = "Proffer-Context"
VISIT_S = 1800
"""A visitor who comes back after half an hour is a returning one."""

LOCALE = "en"

Value = str | int | bool | list[str]
Attributes = dict[str, Value]


class Context(Struct, omit_defaults=True):
    """What the header says; the fields are its keys."""

    attributes: Attributes
    customer: str | None = None
    locale: str = ""


def header_value(context: Context) -> str:
    """The context as it travels."""
    return urlsafe_b64encode(msgspec.json.encode(context)).rstrip(b"=").decode()


def attributes_of(session: Session, cart: Cart, product: Product | None, now_s: int) -> Attributes:
    """Everything that is known, by attribute name."""
    persona = PERSONAS[session.persona]
    attributes: Attributes = {
        "visit.kind": _visit_kind(session, persona, now_s),
        "visit.source": session.source,
        "visit.pages": session.pages,
        "device.type": session.device,
    }
    attributes |= _cart(cart) | _customer(persona, session, now_s) | _loyalty(persona)
    if product is not None:
        attributes["product.category"] = product.category
    return attributes


def _visit_kind(session: Session, persona: Persona, now_s: int) -> str:
    if persona.visit_kind != "new":
        return persona.visit_kind
    return "new" if now_s - session.first_seen_s < VISIT_S else "returning"


def _cart(cart: Cart) -> Attributes:
    if not cart.lines:
        return {}
    return {
        "cart.total": f"{cart.goods:.2f}",
        "cart.margin": f"{cart.margin:.2f}",
        "cart.items": cart.items,
        "cart.categories": list(cart.categories),
        "cart.updated_at": cart.updated_at_s,
        "cart.garden_total": f"{cart.goods_in('garden'):.2f}",
        "cart.weight_g": cart.weight_g,
    }


def _customer(persona: Persona, session: Session, now_s: int) -> Attributes:
    if persona.id == "new":
        # Said even if it is nothing: redemption asks for it, and silence is no answer.
        return {"customer.is_new": not session.has_ordered, "customer.segments": []}
    attributes: Attributes = {
        "customer.is_new": False,
        "customer.orders_90d": persona.orders_90d,
        "customer.returns_90d": 0,
        "customer.segments": list(persona.segments),
        "customer.tier": persona.member_of,
        "customer.newsletter": persona.newsletter,
        "customer.financing_allowed": persona.financing_allowed,
    }
    if persona.last_order_days is not None:
        attributes["customer.last_order_at"] = now_s - persona.last_order_days * DAY_S
    if persona.average_basket is not None:
        attributes["customer.average_basket"] = persona.average_basket
    return attributes


def _loyalty(persona: Persona) -> Attributes:
    if persona.points is None or persona.next_tier_points is None:
        return {}
    return {"loyalty.points": persona.points, "loyalty.next_tier_points": persona.next_tier_points}
