"""Segment and RudderStack: `track` calls of their e-commerce specification (version 2).

    Promotion Viewed    exposure     promotion_id, position
    Promotion Clicked   click        the same
    Order Completed     an order     order_id, revenue, currency
    Order Refunded      a return     order_id, total (none: all of it), currency

`revenue` is without tax and shipping; where it is missing, it is `total` without `tax` and
`shipping`.  `anonymousId` is the visitor and `userId` the customer, unless `proffer_visitor`
and `proffer_customer` say better; `position` names the placement.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from control_plane.ingest.bots import is_bot
from control_plane.ingest.checking import check_size, decode, micros, seconds
from control_plane.ingest.foreign import (
    Piece,
    Refunded,
    Shown,
    Sold,
    Text,
    Who,
    refunded,
    shown,
    sold,
    text,
)
from control_plane.ingest.typed import Arrival, Fact, Kind, Reason, Rejected, Rules

KINDS: dict[str, Kind] = {"Promotion Viewed": "exposure", "Promotion Clicked": "click"}
ORDER, REFUND = "Order Completed", "Order Refunded"
OTHER_CALLS = ("identify", "page", "screen", "group", "alias")
NOT_OURS = frozenset(
    {
        "Products Searched", "Product List Viewed", "Product List Filtered", "Product Clicked",
        "Product Viewed", "Product Added", "Product Removed", "Cart Viewed", "Checkout Started",
        "Checkout Step Viewed", "Checkout Step Completed", "Payment Info Entered", "Order Updated",
        "Order Cancelled", "Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed",
        "Product Added to Wishlist", "Product Removed from Wishlist",
        "Wishlist Product Added to Cart", "Product Shared", "Cart Shared", "Product Reviewed",
    }
)  # fmt: skip
"""Other events of the specification: good ones, which say nothing that is counted here."""
NO_PROPERTIES = msgspec.Raw(b"{}")


class Properties(Struct, frozen=True, kw_only=True):
    promotion_id: Text | None = None
    position: Text | None = None
    order_id: Text | None = None
    revenue: Decimal | None = None
    total: Decimal | None = None
    tax: Decimal | None = None
    shipping: Decimal | None = None
    currency: str | None = None
    proffer_decision: str | None = None
    proffer_visitor: Text | None = None
    proffer_customer: Text | None = None
    proffer_margin: Decimal | None = None
    proffer_discount: Decimal | None = None
    proffer_return: Text | None = None


class Context(Struct, frozen=True, rename="camel"):
    user_agent: str | None = None


class Called(Struct, frozen=True, kw_only=True, rename="camel"):
    """A call: of a batch, or sent alone."""

    type: str = "track"
    event: str | None = None
    user_id: Text | None = None
    anonymous_id: Text | None = None
    message_id: str | None = None
    timestamp: datetime | None = None
    original_timestamp: datetime | None = None
    properties: msgspec.Raw = NO_PROPERTIES
    context: Context | None = None


def translate(raw: bytes, arrival: Arrival, rules: Rules) -> list[Fact]:
    """Raises `Rejected`; nothing for a call that is none of ours."""
    check_size(raw)
    call = decode(raw, Called, Reason.UNREADABLE)
    if call.type in OTHER_CALLS or (call.type == "track" and call.event in NOT_OURS):
        return []
    if call.type != "track" or call.event not in (*KINDS, ORDER, REFUND):
        what = f"{call.type[:40]!a} call, event {(call.event or '')[:80]!a}"
        raise Rejected(Reason.UNKNOWN_TYPE, what)
    told = decode(_object(call.properties), Properties)
    when = call.timestamp or call.original_timestamp
    agent = call.context.user_agent if call.context else None
    piece = Piece(
        raw=raw,
        format="segment",
        type=call.event,
        arrival=arrival,
        who=Who(
            visitor=text(told.proffer_visitor) or text(call.anonymous_id),
            customer=text(told.proffer_customer) or text(call.user_id),
        ),
        time_s=seconds(when) if when else None,
        id=call.message_id or "",
        bot=is_bot(agent) if agent else arrival.bot,
    )
    if call.event in KINDS:
        return shown(piece, KINDS[call.event], [_place(told)], rules)
    return _sold(piece, told, rules) if call.event == ORDER else _refunded(piece, told)


def _object(properties: msgspec.Raw) -> msgspec.Raw:
    """Libraries write null for none."""
    return NO_PROPERTIES if bytes(properties) == b"null" else properties


def _place(told: Properties) -> Shown:
    return Shown(
        decision=told.proffer_decision or "",
        offer=text(told.promotion_id),
        placement=text(told.position),
    )


def _sold(piece: Piece, told: Properties, rules: Rules) -> list[Fact]:
    found = Sold(
        order_id=text(told.order_id),
        revenue=_revenue(told),
        margin=told.proffer_margin,
        discount=told.proffer_discount,
        currency=told.currency or "",
    )
    return sold(piece, found, rules)


def _revenue(told: Properties) -> Decimal | None:
    if told.revenue is not None or told.total is None:
        return told.revenue
    beside = [told.tax or Decimal(0), told.shipping or Decimal(0)]
    for amount in (told.total, *beside):
        micros(amount, "total, tax or shipping")  # before it is counted with
    return told.total - sum(beside)


def _refunded(piece: Piece, told: Properties) -> list[Fact]:
    found = Refunded(
        return_id=text(told.proffer_return),
        order_id=text(told.order_id),
        refund=told.total,
        margin=told.proffer_margin,
        currency=told.currency or "",
    )
    return refunded(piece, found)
