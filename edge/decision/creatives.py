"""From a verdict's row to what a page shows: texts, reason, expiry, notice.

Host code, shared by all homes.  Locales fall back from `de-AT` to `de` to the
shop's first one.  Nothing here changes a decision.
"""

from __future__ import annotations

from msgspec import Struct

from . import tables as t
from .beacon import DISCLOSE, NOBODY, Record, Row, decision_id
from .bundle import Bundle
from .notes import Creative
from .reasons import Reason
from .request import Request


class Shown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One slot's decision as a page gets it; without an offer the page shows its default.

    `token_s` is the life of the offer's token in seconds, 0 if it has none.
    """

    decision: str
    placement: str
    slot: int = 0
    reason: str
    offer: str = ""
    rung: str = ""
    creative: Creative = {}
    disclosure: bool = False
    token_s: int = 0
    drawn_by: str = ""
    """The decision that drew a kept arm; tokens are named by it."""

    @property
    def arm(self) -> str:
        return f"{self.offer}/{self.rung}" if self.offer else "none"


def show(bundle: Bundle, record: Record, request: Request, row: Row) -> Shown:
    """Expand one row of the record's verdict in the request's locale."""
    name = decision_id(
        record.bundle_digest, record.manifest_digest, record.request, row.placement, row.slot
    ).hex()
    placement = bundle.placement_name(row.placement)
    reason = Reason(row.shown.reason).name
    drawn_by = name if row.drawn_by == NOBODY else row.drawn_by.hex()
    if not row.shown.arm:
        return Shown(decision=name, placement=placement, slot=row.slot, reason=reason)
    offer, rung = bundle.arm_name(row.shown.arm).split("/")
    number = bundle.tables.rung_offer[row.shown.arm - 1]
    token = bundle.tables.offer_flags[number] & t.TOKEN
    return Shown(
        decision=name,
        placement=placement,
        slot=row.slot,
        reason=reason,
        offer=offer,
        rung=rung,
        creative=creative_of(bundle, number, placement, request.locale),
        disclosure=bool(row.flags & DISCLOSE),
        token_s=bundle.tables.offer_expires_s[number] if token else 0,
        drawn_by=drawn_by,
    )


def creative_of(bundle: Bundle, offer: int, placement: str, locale: str) -> Creative:
    """The best creative for a locale; empty if the offer has none for the placement."""
    by_locale = bundle.notes.offers[offer].creatives.get(placement, {})
    for wanted in (locale, locale.split("-")[0], *bundle.notes.locales):
        if wanted in by_locale:
            return by_locale[wanted]
    return {}
