"""The shop's own session: a small cookie that only the shop can write.

    shop_session = base64url(JSON of Session) "." base64url(HMAC-SHA256 of the first part)

Everything fits into the cookie, so the shop needs no database.  A cookie that
is not ours is no error: its bearer simply starts anew.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from decimal import Decimal
from hashlib import sha256

import msgspec
from msgspec import Struct

COOKIE = "shop_session"
COOKIE_AGE_S = 30 * 86400
MOST_TOKEN_CHARS = 1600
"""Longer ones would not fit into a cookie besides the rest (browsers stop at 4,096 bytes)."""


class PlacedOrder(Struct):
    """What the thank-you page says about the order just placed."""

    id: str
    goods: Decimal
    delivery: Decimal
    discount: Decimal
    offer: str = ""

    @property
    def total(self) -> Decimal:
        return self.goods + self.delivery - self.discount


class Session(Struct, omit_defaults=True):
    """One browser.  Times are Unix seconds."""

    first_seen_s: int
    cart: dict[str, int] = {}
    cart_updated_at_s: int = 0
    persona: str = "new"
    customer: str | None = None
    source: str = "direct"
    device: str = "desktop"
    pages: int = 0
    offer_token: str = ""
    """The offer that its visitor accepted; a new one replaces it: one offer per order."""
    order_id: str = ""
    """Of the checkout under way, so that pressing the button twice orders once."""
    has_ordered: bool = False
    placed: PlacedOrder | None = None
    notice: str = ""


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _mac(secret: bytes, body: str) -> str:
    return _encode(hmac.digest(secret, body.encode(), sha256))


def seal(session: Session, secret: bytes) -> str:
    """The cookie's value."""
    body = _encode(msgspec.json.encode(session))
    return f"{body}.{_mac(secret, body)}"


def unseal(cookie: str, secret: bytes) -> Session | None:
    """The session in a cookie, or None when it is not one of ours."""
    body, _, mac = cookie.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(secret, body).encode()):
        return None
    try:
        return msgspec.json.decode(_decode(body), type=Session)
    except (ValueError, msgspec.DecodeError):  # written by another version of this shop
        return None
