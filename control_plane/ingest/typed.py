"""What events say, whoever wrote them and in which format: typed facts.

    Decided     what an edge or a page decided, as rows
    Touch       an exposure or a click of a decision
    Promotion   the same, told by who was shown which offer where: the decision is found
                when the fact is stored
    Order       money that came in
    Return      money that went back, or, below zero, came after all

Whatever does not count is `Rejected` with a `Reason`, which is a closed list.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from control_plane.recording import Decision, StoredRecord, customer_unit, visitor_unit

Format = Literal[
    "cloudevents", "ga4", "segment", "webhook", "cloudevents-body", "ga4-body", "segment-body"
]
"""How a piece is written: an event of its own, or a whole body that could not be taken apart."""

Kind = Literal["exposure", "click"]


class Reason(StrEnum):
    """Why an event did not count."""

    UNREADABLE_BODY = "the body is no batch of events"
    UNREADABLE = "it is no event of its format"
    TOO_LARGE = "it is larger than an event may be"
    UNKNOWN_TYPE = "its type is not one of ours"
    BAD_DATA = "its data do not fit its type"
    BAD_TIME = "it claims to be from the future"
    TOO_OLD = "it was more than seven days old when it came"
    BAD_MAC = "the edge did not attest this record"
    BAD_RECORD = "the record does not fit its bundle"
    UNKNOWN_BUNDLE = "the record's bundle was not published here"
    NO_DECISION = "no decision is known that it could be about"
    NOT_FROM_SHOP = "money counts only when the shop's key or its webhook tells it"
    NO_MARGIN = "the order's margin is neither told nor set"
    NO_ORDER = "the order that it corrects is not known"
    WRONG_CURRENCY = "it is not in the shop's currency"
    CONFLICT = "an order or return of this id was told before, with other content"


class Trust(StrEnum):
    """Whose word an event is."""

    EDGE = "edge"
    """A decision with the edge's MAC, whoever brought it."""
    SHOP = "shop"
    """It came with the shop's key, or signed by its webhook."""
    PAGE = "page"
    """Everything else; anybody could have sent it."""


class Rejected(Exception):
    """An event that does not count: what exactly, and whether the edge attested it."""

    def __init__(self, reason: Reason, detail: str, *, attested: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.attested = attested


class Decided(Struct, frozen=True):
    record: StoredRecord
    decisions: list[Decision]


class Touch(Struct, frozen=True, kw_only=True):
    """An exposure or a click: a row of `touches`.  `bot`: its browser says that it is a robot."""

    decision: str
    kind: Kind
    time_s: int
    track: str
    bot: bool = False


class Promotion(Struct, frozen=True, kw_only=True):
    """An exposure or a click of an offer by one of `units`; "" for an unknown offer or placement.

    It is about the newest such decision that was taken in [since_s, time_s].
    """

    kind: Kind
    units: list[str]
    offer: str
    placement: str
    since_s: int
    time_s: int
    bot: bool = False


class Order(Struct, frozen=True, kw_only=True):
    """A row of `orders`, and the units that placed it."""

    order_id: str
    visitor: str
    customer: str
    revenue_micros: int
    margin_micros: int
    discount_micros: int
    currency: str
    time_s: int
    decisions: str

    @property
    def units(self) -> list[str]:
        return units_of(self.visitor, self.customer)


class Return(Struct, frozen=True, kw_only=True):
    """A row of `returns`: a later correction of an order.

    `margin_micros` is what the order's profit loses; below zero it is a repayment.  None: the
    refund is the whole order, and the margin falls in the same proportion.
    """

    return_id: str
    order_id: str
    refund_micros: int | None
    margin_micros: int | None
    currency: str
    time_s: int
    reason: str


Body = Decided | Touch | Promotion | Order | Return


class Fact(Struct, frozen=True, kw_only=True):
    """An event that counts, unless its name (`trust`, `source`, `id`) was seen before.

    `raw` and `format` are the piece as it came, and `received_s` when; `sender` is the source
    that an edge names itself by.
    """

    trust: Trust
    source: str
    id: str
    type: str
    body: Body
    raw: bytes
    format: Format = "cloudevents"
    received_s: int = 0
    sender: str = ""


class Arrival(Struct, frozen=True, kw_only=True):
    """How a batch came: whether the shop told it, and when (Unix seconds).

    `now_s` is when it is read, `received_s` when it came, if that was earlier.  `currency` is
    the shop's now, "" before anything is published.  `bot`: whoever sent it says so.
    """

    from_shop: bool
    now_s: int
    currency: str
    received_s: int | None = None
    bot: bool = False

    @property
    def arrived_s(self) -> int:
        return self.now_s if self.received_s is None else self.received_s

    def trust(self, *, attested: bool = False) -> Trust:
        if attested:
            return Trust.EDGE
        return Trust.SHOP if self.from_shop else Trust.PAGE


class Rules(Struct, frozen=True, kw_only=True):
    """What is set about reading events.

    `margin_share`: of an order's revenue, where its margin is not told.
    """

    tenant: str = ""
    attribution_s: int = 7 * 86400
    margin_share: Decimal | None = None


def units_of(visitor: str, customer: str) -> list[str]:
    return [unit for unit in (visitor_unit(visitor), customer_unit(customer)) if unit]
