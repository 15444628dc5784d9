"""Events on their way to the control plane: CloudEvents 1.0, JSON, in batches.

A batch is a JSON array of events (`application/cloudevents-batch+json`), at most
512 KiB and 1,000 events, each at most 64 KiB.  (`source`, `id`) names an event: the
same pair sent twice counts once.

    type                    from        data
    shop.proffer.decision   edge        DecisionData   the record, attested by the edge
    shop.proffer.exposure   page, edge  ShownData      the offer was really visible
    shop.proffer.click      page, edge  ShownData      the visitor followed it
    shop.proffer.order      shop        OrderData      money, from the shop's server
    shop.proffer.return     shop        ReturnData     a later correction of an order

Decisions, exposures and clicks count within seven days; the names of events are kept no
longer.  Orders and returns have ids of their own, and count whenever they come.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

BATCH_TYPE = "application/cloudevents-batch+json"
BATCH_LIMIT_BYTES = 512 << 10
BATCH_LIMIT_EVENTS = 1000
EVENT_LIMIT_BYTES = 64 << 10
EVENT_AGE_LIMIT_S = 7 * 86400
"""Older decisions, exposures and clicks do not count when they come."""
USER_AGENT_CHARS = 512
"""As much of a browser's User-Agent as an edge passes on."""

EventType = Literal[
    "shop.proffer.decision",
    "shop.proffer.exposure",
    "shop.proffer.click",
    "shop.proffer.order",
    "shop.proffer.return",
]


class Event(Struct, kw_only=True, frozen=True):
    """The envelope; `data` is read by `type`.

    `useragent` is an extension of ours: the browser's, where an edge passes an event on.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    data: msgspec.Raw
    time: str | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    useragent: str | None = None


class DecisionData(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A record as drawn in `beacon.py`, base64; `mac` = HMAC-SHA256 of it, hexadecimal."""

    record: bytes
    mac: str


class ShownData(Struct, kw_only=True, frozen=True):
    """Which decision's slot was seen or clicked, and when (Unix seconds).

    `track` tells a ghost exposure (the place was seen, a held-out unit saw the
    default) from a shown one.
    """

    decision: str
    placement: str
    slot: int = 0
    time_s: int
    track: Literal["shown", "ghost"] = "shown"


class OrderData(Struct, kw_only=True, frozen=True):
    """An order as the shop's server tells it; money as decimal strings of the currency.

    `revenue` is what the customer paid, `margin` = revenue before discount - goods,
    `discount` what Proffer's tokens took off, `decisions` the decisions whose tokens
    were redeemed.
    """

    order_id: str
    visitor: str
    customer: str | None = None
    revenue: str
    margin: str
    discount: str = "0"
    currency: str
    time_s: int
    decisions: list[str] = []


class ReturnData(Struct, kw_only=True, frozen=True):
    """A return, refund or repayment as the shop's server tells it, once per `return_id`.

    `refund` is what the customer got back, `margin` what the order's profit loses by it;
    below zero both say that the customer paid after all.
    """

    return_id: str
    order_id: str
    refund: str
    margin: str
    currency: str
    time_s: int
    reason: str = ""
