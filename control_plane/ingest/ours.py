"""Our own events but decisions, as `edge/decision/events.py` has them."""

from __future__ import annotations

import msgspec

from control_plane.ingest.bots import is_bot
from control_plane.ingest.checking import (
    UNREADABLE,
    check_currency,
    check_decision,
    check_from_shop,
    check_name,
    check_names,
    check_time,
    checked_reason,
    decode,
    is_name,
    micros_of,
)
from control_plane.ingest.typed import Arrival, Kind, Order, Reason, Rejected, Return, Touch
from edge.decision.events import Event, OrderData, ReturnData, ShownData


def read_envelope(raw: bytes) -> Event:
    """Raises `Rejected`."""
    try:
        event = msgspec.json.decode(raw, type=Event)
    except UNREADABLE as error:
        raise Rejected(Reason.UNREADABLE, str(error)) from None
    for name, value in (("id", event.id), ("source", event.source)):
        if not is_name(value):
            raise Rejected(Reason.UNREADABLE, f"{name} is empty, too long, or not plain text")
    return event


def touch_of(event: Event, kind: Kind, arrival: Arrival) -> Touch:
    """Whose browser it was, an edge tells with the event; else it was the sender's."""
    data = decode(event.data, ShownData)
    check_decision(data.decision)
    check_time(data.time_s, arrival)
    bot = arrival.bot if event.useragent is None else is_bot(event.useragent)
    return Touch(decision=data.decision, kind=kind, time_s=data.time_s, track=data.track, bot=bot)


def order_of(data: OrderData, arrival: Arrival) -> Order:
    check_from_shop(arrival, f"order {data.order_id[:80]!a}")
    check_time(data.time_s, arrival, ages=False)
    check_names((data.visitor, data.customer), "visitor and customer")
    check_name(data.order_id, "order_id")
    check_currency(data.currency, arrival)
    return Order(
        order_id=data.order_id,
        visitor=data.visitor,
        customer=data.customer or "",
        revenue_micros=micros_of(data.revenue, "revenue"),
        margin_micros=micros_of(data.margin, "margin", negative=True),
        discount_micros=micros_of(data.discount, "discount"),
        currency=data.currency,
        time_s=data.time_s,
        decisions=msgspec.json.encode(data.decisions).decode(),
    )


def return_of(data: ReturnData, arrival: Arrival) -> Return:
    check_from_shop(arrival, f"return {data.return_id[:80]!a}")
    check_time(data.time_s, arrival, ages=False)
    check_name(data.return_id, "return_id")
    check_name(data.order_id, "order_id")
    check_currency(data.currency, arrival)
    return Return(
        return_id=data.return_id,
        order_id=data.order_id,
        refund_micros=micros_of(data.refund, "refund", negative=True),
        margin_micros=micros_of(data.margin, "margin", negative=True),
        currency=data.currency,
        time_s=data.time_s,
        reason=checked_reason(data.reason),
    )
