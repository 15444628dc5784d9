"""Which events count: each is read, checked, and turned into rows, or rejected with a reason.

Trust is decided here.  A record counts as *attested* when the edge's MAC over it
holds; one without a MAC (made in a browser) is kept but never trusted for money; one
with a wrong MAC is rejected.  Orders are money, so only the shop's key may tell them.
Who is believed belongs to an event's name (`Trust`): anybody can send a page's event,
and no page's event shall ever pass for an earlier telling of somebody else's.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from control_plane.policies import Policies
from control_plane.recording import (
    Decision,
    StoredRecord,
    customer_unit,
    decisions_of,
    store_form,
    visitor_unit,
)
from control_plane.storage.objects import Tampered
from edge.decision.beacon import unpack_record
from edge.decision.errors import BundleError, RequestError
from edge.decision.events import (
    EVENT_LIMIT_BYTES,
    DecisionData,
    Event,
    OrderData,
    ShownData,
)
from edge.decision.hashing import is_part

T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON of strangers raises."""

AHEAD_LIMIT_S = 600
"""How far a sender's clock may be ahead."""
NAME_LIMIT_BYTES = 256
MONEY = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)
DECISION = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Reason(StrEnum):
    """Why an event did not count."""

    UNREADABLE = "it is no CloudEvent 1.0"
    TOO_LARGE = "it is larger than an event may be"
    UNKNOWN_TYPE = "its type is not one of ours"
    BAD_DATA = "its data do not fit its type"
    BAD_TIME = "it claims to be from the future"
    BAD_MAC = "the edge did not attest this record"
    BAD_RECORD = "the record does not fit its bundle"
    UNKNOWN_BUNDLE = "the record's bundle was not published here"
    NOT_FROM_SHOP = "an order counts only when the shop's key tells it"
    WRONG_CURRENCY = "the order is not in the shop's currency"
    CONFLICT = "an order of this id was told before, with other content"


class Trust(StrEnum):
    """Whose word an event is."""

    EDGE = "edge"
    """A decision with the edge's MAC, whoever brought it."""
    SHOP = "shop"
    """It came with the shop's key."""
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
    """An exposure or a click: a row of `touches`."""

    decision: str
    kind: Literal["exposure", "click"]
    time_s: int
    track: str


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
        return [u for u in (visitor_unit(self.visitor), customer_unit(self.customer)) if u]


class Fact(Struct, frozen=True, kw_only=True):
    """An event that counts, unless its name was seen before."""

    trust: Trust
    source: str
    id: str
    type: str
    body: Decided | Touch | Order
    raw: bytes


class Arrival(Struct, frozen=True, kw_only=True):
    """How a batch came: whether with the shop's key, and when (Unix seconds).

    `currency` is the shop's now, "" before anything is published.
    """

    from_shop: bool
    now_s: int
    currency: str

    def trust(self, *, attested: bool) -> Trust:
        if attested:
            return Trust.EDGE
        return Trust.SHOP if self.from_shop else Trust.PAGE


class Admission:
    """Reads events; holds what that needs.  Thread-safe."""

    def __init__(self, policies: Policies, edge_secrets: Callable[[], tuple[bytes, ...]]) -> None:
        self._policies = policies
        self._edge_secrets = edge_secrets

    def admit(self, raw: bytes, arrival: Arrival) -> Fact:
        """What an event says.  Raises `Rejected`."""
        if len(raw) > EVENT_LIMIT_BYTES:
            raise Rejected(Reason.TOO_LARGE, f"{len(raw)} bytes; at most {EVENT_LIMIT_BYTES}")
        event = _envelope(raw)
        body = self._body(event, arrival)
        return Fact(
            trust=arrival.trust(attested=isinstance(body, Decided) and body.record.attested),
            source=event.source,
            id=event.id,
            type=event.type,
            body=body,
            raw=raw,
        )

    def _body(self, event: Event, arrival: Arrival) -> Decided | Touch | Order:
        match event.type:
            case "shop.proffer.decision":
                return self._decided(_data(event, DecisionData))
            case "shop.proffer.exposure":
                return _touch(_data(event, ShownData), "exposure", arrival.now_s)
            case "shop.proffer.click":
                return _touch(_data(event, ShownData), "click", arrival.now_s)
            case "shop.proffer.order":
                return _order(_data(event, OrderData), arrival)
            case _:
                raise Rejected(Reason.UNKNOWN_TYPE, f"type {event.type[:80]!a}")

    def _decided(self, data: DecisionData) -> Decided:
        attested, digest = self._is_attested(data), ""
        try:
            record = unpack_record(data.record)
            digest = record.bundle_digest.hex()
            bundle = self._policies.get(digest)
            if bundle is None:
                raise Rejected(Reason.UNKNOWN_BUNDLE, f"bundle {digest}", attested=attested)
            stored = store_form(data.record, record, attested)
            return Decided(stored, decisions_of(bundle, record, stored))
        except Tampered:
            what = f"the file of bundle {digest} is damaged"
            raise Rejected(Reason.UNKNOWN_BUNDLE, what, attested=attested) from None
        except (RequestError, BundleError) as error:
            raise Rejected(Reason.BAD_RECORD, str(error), attested=attested) from None

    def _is_attested(self, data: DecisionData) -> bool:
        if not data.mac:
            return False
        for secret in self._edge_secrets():
            expected = hmac.digest(secret, data.record, "sha256").hex()
            if hmac.compare_digest(expected.encode(), data.mac.encode()):
                return True
        raise Rejected(Reason.BAD_MAC, "the MAC is not that of an edge's secret")


def _envelope(raw: bytes) -> Event:
    try:
        event = msgspec.json.decode(raw, type=Event)
    except UNREADABLE as error:
        raise Rejected(Reason.UNREADABLE, str(error)) from None
    for name, value in (("id", event.id), ("source", event.source)):
        if not is_part(value) or len(value.encode()) > NAME_LIMIT_BYTES:
            raise Rejected(Reason.UNREADABLE, f"{name} is empty, too long, or not plain text")
    return event


def _data(event: Event, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(event.data, type=kind)
    except UNREADABLE as error:
        raise Rejected(Reason.BAD_DATA, str(error)) from None


def _touch(data: ShownData, kind: Literal["exposure", "click"], now_s: int) -> Touch:
    if not DECISION.fullmatch(data.decision):
        raise Rejected(Reason.BAD_DATA, "decision must be 32 hexadecimal digits")
    _check_time(data.time_s, now_s)
    return Touch(decision=data.decision, kind=kind, time_s=data.time_s, track=data.track)


def _order(data: OrderData, arrival: Arrival) -> Order:
    if not arrival.from_shop:
        raise Rejected(Reason.NOT_FROM_SHOP, f"order {data.order_id[:80]!a}")
    _check_time(data.time_s, arrival.now_s)
    for name in filter(None, (data.visitor, data.customer)):
        _check_name(name, "visitor and customer")
    _check_name(data.order_id, "order_id")
    if data.currency != (arrival.currency or data.currency):
        raise Rejected(Reason.WRONG_CURRENCY, f"{data.currency[:8]!a}, not {arrival.currency}")
    return Order(
        order_id=data.order_id,
        visitor=data.visitor,
        customer=data.customer or "",
        revenue_micros=_micros(data.revenue, "revenue"),
        margin_micros=_micros(data.margin, "margin", negative=True),
        discount_micros=_micros(data.discount, "discount"),
        currency=data.currency,
        time_s=data.time_s,
        decisions=msgspec.json.encode(data.decisions).decode(),
    )


def _check_time(time_s: int, now_s: int) -> None:
    if not 0 <= time_s <= now_s + AHEAD_LIMIT_S:
        raise Rejected(Reason.BAD_TIME, f"time_s {time_s} when it was {now_s}")


def _check_name(name: str, what: str) -> None:
    if not is_part(name) or len(name.encode()) > NAME_LIMIT_BYTES:
        raise Rejected(Reason.BAD_DATA, f"{what} must be 1 to {NAME_LIMIT_BYTES} bytes of text")


def _micros(text: str, what: str, *, negative: bool = False) -> int:
    """Decimal money as micros; at most a billion, so that sums stay far below 2^63."""
    if not MONEY.fullmatch(text) or (text.startswith("-") and not negative):
        raise Rejected(Reason.BAD_DATA, f"{what} {text[:40]!a} is no amount such as 12.50")
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.lstrip("-").partition(".")
    return sign * (int(whole) * 1_000_000 + int(fraction.ljust(6, "0")))
