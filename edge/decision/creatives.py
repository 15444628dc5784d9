"""From a verdict's row to what a page shows: texts, reason, expiry, notice.

Host code, shared by all homes.  Locales fall back from `de-AT` to `de` to the
shop's first one.  `{percent}`, `{amount}`, `{cap}`, `{points}` and `{months}` in a
text stand for the rung's size, with a decimal comma where the language has one.
Nothing here changes a decision.
"""

from __future__ import annotations

from msgspec import Struct

from . import tables as t
from .beacon import DISCLOSE, NOBODY, Record, Row, decision_id
from .bundle import Bundle
from .notes import Creative
from .reasons import Reason
from .request import Request

DECIMAL_COMMA = frozenset(
    ["bg", "cs", "da", "de", "el", "es", "et", "fi", "fr", "hr", "hu", "is", "it"]
    + ["lt", "lv", "nb", "nl", "pl", "pt", "ro", "sk", "sl", "sv", "tr"]
)
"""Languages whose numbers have a decimal comma."""


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
        creative=sized(bundle, row.shown.arm, placement, request.locale),
        disclosure=bool(row.flags & DISCLOSE),
        token_s=bundle.tables.offer_expires_s[number] if token else 0,
        drawn_by=drawn_by,
    )


def sized(bundle: Bundle, arm: int, placement: str, locale: str) -> Creative:
    """The arm's creative in a locale, its size filled in; empty if it has none there."""
    offer = bundle.tables.rung_offer[arm - 1]
    found, creative = creative_of(bundle, offer, placement, locale)
    sizes = bundle.notes.offers[offer].sizes
    size = sizes[arm - bundle.arms(offer).start] if sizes else {}
    return {name: _filled(text, size, found) for name, text in creative.items()}


def _filled(text: str, size: dict[str, str], locale: str) -> str:
    comma = locale.split("-")[0] in DECIMAL_COMMA
    for name, value in size.items():
        text = text.replace("{" + name + "}", value.replace(".", ",") if comma else value)
    return text


def creative_of(bundle: Bundle, offer: int, placement: str, locale: str) -> tuple[str, Creative]:
    """The best creative for a locale, and the locale it is in."""
    by_locale = bundle.notes.offers[offer].creatives.get(placement, {})
    for wanted in (locale, locale.split("-")[0], *bundle.notes.locales):
        if wanted in by_locale:
            return wanted, by_locale[wanted]
    return "", {}
