"""Google Analytics 4, as its Measurement Protocol sends it.

    view_promotion    exposures      promotion_id, creative_slot, at the event or at its items
    select_promotion  clicks         the same
    purchase          an order       transaction_id, value, currency
    refund            a return       transaction_id, value (none: all of it), currency

`value` is the sum of the items without tax and shipping, as Google's reference has it.
`client_id` is the visitor and `user_id` the customer, unless `proffer_visitor` and
`proffer_customer` say better; the offer may be told with its rung, `ten-off/p10`.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Struct

from control_plane.ingest.bots import is_bot
from control_plane.ingest.checking import check_size, decode
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

KINDS: dict[str, Kind] = {"view_promotion": "exposure", "select_promotion": "click"}
MICROS = 1_000_000
NO_PARAMS = msgspec.Raw(b"{}")
NOT_OURS = frozenset(
    {
        "ad_impression", "add_payment_info", "add_shipping_info", "add_to_cart",
        "add_to_wishlist", "begin_checkout", "campaign_details", "click", "close_convert_lead",
        "close_unconvert_lead", "disqualify_lead", "earn_virtual_currency", "exception",
        "file_download", "first_open", "first_visit", "form_start", "form_submit",
        "generate_lead", "join_group", "level_end", "level_start", "level_up", "login",
        "page_view", "post_score", "qualify_lead", "remove_from_cart", "screen_view", "scroll",
        "search", "select_content", "select_item", "session_start", "share", "sign_up",
        "spend_virtual_currency", "tutorial_begin", "tutorial_complete", "unlock_achievement",
        "user_engagement", "video_complete", "video_progress", "video_start", "view_cart",
        "view_item", "view_item_list", "view_search_results", "working_lead",
    }
)  # fmt: skip
"""Other events of Google's own list: good ones, which say nothing that is counted here."""


class Item(Struct, frozen=True, kw_only=True):
    promotion_id: Text | None = None
    creative_slot: Text | None = None
    proffer_decision: str | None = None

    @property
    def tells(self) -> bool:
        return any((self.promotion_id, self.creative_slot, self.proffer_decision))


class Params(Item, frozen=True, kw_only=True):
    transaction_id: Text | None = None
    value: Decimal | None = None
    currency: str | None = None
    items: list[Item] | None = None
    proffer_visitor: Text | None = None
    proffer_customer: Text | None = None
    proffer_margin: Decimal | None = None
    proffer_discount: Decimal | None = None
    proffer_return: Text | None = None


class Named(Struct, frozen=True, kw_only=True):
    name: str
    params: msgspec.Raw = NO_PARAMS
    timestamp_micros: Text | None = None


class Sent(Struct, frozen=True, kw_only=True):
    """A body with one event: `reading.py` takes larger ones apart."""

    events: tuple[Named]
    client_id: Text | None = None
    user_id: Text | None = None
    timestamp_micros: Text | None = None
    user_agent: str | None = None


def translate(raw: bytes, arrival: Arrival, rules: Rules) -> list[Fact]:
    """Raises `Rejected`; nothing for an event that is none of ours."""
    check_size(raw)
    body = decode(raw, Sent, Reason.UNREADABLE)
    (event,) = body.events
    if event.name in NOT_OURS:
        return []
    if event.name not in (*KINDS, "purchase", "refund"):
        raise Rejected(Reason.UNKNOWN_TYPE, f"event {event.name[:80]!a}")
    params = decode(event.params, Params)
    piece = Piece(
        raw=raw,
        format="ga4",
        type=event.name,
        arrival=arrival,
        who=Who(
            visitor=text(params.proffer_visitor) or text(body.client_id),
            customer=text(params.proffer_customer) or text(body.user_id),
        ),
        time_s=_time_s(event.timestamp_micros, body.timestamp_micros),
        bot=is_bot(body.user_agent) if body.user_agent else arrival.bot,
    )
    if event.name in KINDS:
        return shown(piece, KINDS[event.name], _places(params), rules)
    return _sold(piece, params, rules) if event.name == "purchase" else _refunded(piece, params)


def _time_s(*told: Text | None) -> int | None:
    for value in told:
        if value is not None:
            digits = str(value)
            if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
                raise Rejected(Reason.BAD_DATA, "timestamp_micros is no number of microseconds")
            return int(digits) // MICROS
    return None


def _places(params: Params) -> list[Shown]:
    """What an item says goes before what its event says."""
    items = [item for item in params.items or () if item.tells]
    return [
        Shown(
            decision=item.proffer_decision or params.proffer_decision or "",
            offer=text(item.promotion_id) or text(params.promotion_id),
            placement=text(item.creative_slot) or text(params.creative_slot),
        )
        for item in items or [params]
    ]


def _sold(piece: Piece, params: Params, rules: Rules) -> list[Fact]:
    found = Sold(
        order_id=text(params.transaction_id),
        revenue=params.value,
        margin=params.proffer_margin,
        discount=params.proffer_discount,
        currency=params.currency or "",
    )
    return sold(piece, found, rules)


def _refunded(piece: Piece, params: Params) -> list[Fact]:
    found = Refunded(
        return_id=text(params.proffer_return),
        order_id=text(params.transaction_id),
        refund=params.value,
        margin=params.proffer_margin,
        currency=params.currency or "",
    )
    return refunded(piece, found)
