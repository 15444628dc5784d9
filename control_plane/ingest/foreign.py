"""What the formats of others have in common, once their fields have been read.

A format says which offer was seen or clicked where (`Shown`), or what was bought (`Sold`)
or went back (`Refunded`), in its own words.  What that means here is decided once:

* A decision is named by `proffer_decision`; else it is the newest one that showed this
  offer in this placement to this visitor or customer, inside the attribution window.
* Money is the shop's word alone.
* An order's margin is what `proffer_margin` says, else the set share of its revenue before
  Proffer's own discount.  Without either nothing is guessed.
* A refund without an amount is the whole order's.  What it takes from the profit is what
  `proffer_margin` says, else in proportion to the order's own.

The name of an event is its format's own id where it has one, else the SHA-256 of what was
sent: the same bytes count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256

from msgspec import Struct

from control_plane.ingest.checking import (
    check_currency,
    check_decision,
    check_from_shop,
    check_name,
    check_names,
    check_time,
    checked_reason,
    is_name,
    micros,
)
from control_plane.ingest.typed import (
    Arrival,
    Body,
    Fact,
    Format,
    Kind,
    Order,
    Promotion,
    Reason,
    Rejected,
    Return,
    Rules,
    Touch,
    units_of,
)

CONTENT_CHARS = 32
Text = str | int
"""Ids, which others also send as numbers."""


class Who(Struct, frozen=True, kw_only=True):
    visitor: str = ""
    customer: str = ""


class Shown(Struct, frozen=True, kw_only=True):
    """An offer in a place; `decision` "" where it is not told."""

    decision: str = ""
    offer: str = ""
    placement: str = ""


class Sold(Struct, frozen=True, kw_only=True):
    order_id: str
    revenue: Decimal | None
    margin: Decimal | None
    discount: Decimal | None
    currency: str


class Refunded(Struct, frozen=True, kw_only=True):
    """`return_id` "" where it is not told; `refund` None: everything."""

    return_id: str
    order_id: str
    refund: Decimal | None
    margin: Decimal | None
    currency: str
    reason: str = ""


class Piece(Struct, frozen=True, kw_only=True):
    """An event of another format, while it is read.

    `time_s` None: not told, so it was when it came.  `id`: the format's own, if any.
    """

    raw: bytes
    format: Format
    type: str
    arrival: Arrival
    who: Who
    time_s: int | None
    id: str = ""
    bot: bool = False

    @property
    def when_s(self) -> int:
        return self.arrival.arrived_s if self.time_s is None else self.time_s

    @property
    def content(self) -> str:
        """What names the same bytes alike."""
        return sha256(self.raw).hexdigest()[:CONTENT_CHARS]

    def facts(self, bodies: Sequence[Body], *, timed: bool = False) -> list[Fact]:
        """`timed`: without a time of its own the same bytes are another event each time."""
        name = self.id if is_name(self.id) else self.content
        if timed and self.time_s is None and not self.id:
            name = f"{name}@{self.when_s}"
        return [
            Fact(
                trust=self.arrival.trust(),
                source=self.format,
                id=name if number == 0 else f"{name}#{number}",
                type=self.type,
                body=body,
                raw=self.raw,
                format=self.format,
                received_s=self.arrival.arrived_s,
            )
            for number, body in enumerate(bodies)
        ]


def text(value: Text | None) -> str:
    return "" if value is None else str(value)


def shown(piece: Piece, kind: Kind, found: Sequence[Shown], rules: Rules) -> list[Fact]:
    """Raises `Rejected`."""
    check_time(piece.when_s, piece.arrival)
    each = dict.fromkeys(found)
    return piece.facts([_shown(piece, kind, one, rules) for one in each], timed=True)


def _shown(piece: Piece, kind: Kind, one: Shown, rules: Rules) -> Touch | Promotion:
    if one.decision:
        check_decision(one.decision)
        return Touch(
            decision=one.decision, kind=kind, time_s=piece.when_s, track="shown", bot=piece.bot
        )
    check_names((piece.who.visitor, piece.who.customer), "visitor and customer")
    check_names((one.offer, one.placement), "offer and placement")
    units = units_of(piece.who.visitor, piece.who.customer)
    if not units or not (one.offer or one.placement):
        what = "it names neither a decision, nor a visitor with an offer or a placement"
        raise Rejected(Reason.BAD_DATA, what)
    return Promotion(
        kind=kind,
        units=units,
        offer=one.offer,
        placement=one.placement,
        since_s=piece.when_s - rules.attribution_s,
        time_s=piece.when_s,
        bot=piece.bot,
    )


def sold(piece: Piece, found: Sold, rules: Rules) -> list[Fact]:
    """Raises `Rejected`."""
    check_from_shop(piece.arrival, f"order {found.order_id[:80]!a}")
    check_time(piece.when_s, piece.arrival, ages=False)
    check_name(found.order_id, "the order's id")
    check_names((piece.who.visitor, piece.who.customer), "visitor and customer")
    check_currency(found.currency, piece.arrival)
    if found.revenue is None:
        raise Rejected(Reason.BAD_DATA, "the order's revenue is missing")
    discount = found.discount or Decimal(0)
    body = Order(
        order_id=found.order_id,
        visitor=piece.who.visitor,
        customer=piece.who.customer,
        revenue_micros=micros(found.revenue, "revenue"),
        margin_micros=micros(_margin(found, discount, rules), "margin", negative=True),
        discount_micros=micros(discount, "discount"),
        currency=found.currency,
        time_s=piece.when_s,
        decisions="[]",
    )
    return piece.facts([body])


def _margin(found: Sold, discount: Decimal, rules: Rules) -> Decimal:
    """Before Proffer's discount, as all margins here."""
    if found.margin is not None:
        return found.margin
    if rules.margin_share is None or found.revenue is None:
        what = "send proffer_margin, or set PROFFER_MARGIN_SHARE"
        raise Rejected(Reason.NO_MARGIN, f"order {found.order_id[:80]!a}: {what}")
    micros(found.revenue, "revenue")  # before it is counted with
    micros(discount, "discount")
    return (found.revenue + discount) * rules.margin_share


def refunded(piece: Piece, found: Refunded) -> list[Fact]:
    """Raises `Rejected`."""
    check_from_shop(piece.arrival, f"a refund of order {found.order_id[:80]!a}")
    check_time(piece.when_s, piece.arrival, ages=False)
    check_name(found.order_id, "the order's id")
    if found.currency or found.refund is not None:
        check_currency(found.currency, piece.arrival)
    return_id = found.return_id or f"{piece.format}-{piece.content}"
    check_name(return_id, "the return's id")
    body = Return(
        return_id=return_id,
        order_id=found.order_id,
        refund_micros=_told(found.refund, "refund"),
        margin_micros=_told(found.margin, "margin"),
        currency=found.currency or piece.arrival.currency,
        time_s=piece.when_s,
        reason=checked_reason(found.reason),
    )
    return piece.facts([body])


def _told(amount: Decimal | None, what: str) -> int | None:
    return None if amount is None else micros(amount, what, negative=True)
