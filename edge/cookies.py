"""The edge's two cookies, and how it knows them again.

    __Host-pv   visitor   id "." mac                 32 hexadecimal digits
    __Host-ps   state     payload "." mac            base64url of i64 issue time (Unix
                                                     seconds, big endian) and the bytes
                                                     drawn in `decision/state.py`

A MAC is HMAC-SHA256, base64url, over a label and length-prefixed parts, so nothing
made for one purpose passes for another.  The state's MAC covers the visitor's id:
a state counts for one visitor only.  Both cookies are `Secure; HttpOnly`, bound to
one host by their prefix, and unreadable to the page's scripts.
"""

from __future__ import annotations

import hmac
import re

from msgspec import Struct

from edge.decision.errors import StateError
from edge.decision.jws import from_base64url, to_base64url
from edge.decision.state import State, pack_state, unpack_state

VISITOR_COOKIE, STATE_COOKIE = "__Host-pv", "__Host-ps"
YEAR_S = 365 * 86_400
VISITOR_BYTES = 16
VISITOR = re.compile(r"[0-9a-f]{32}", re.ASCII)
ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"


class Remembered(Struct, frozen=True):
    """What a state cookie holds, and when it was issued (Unix seconds)."""

    state: State
    issued_s: int


def mac(secret: bytes, purpose: str, *parts: bytes) -> bytes:
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(secret, f"proffer-{purpose}.".encode() + framed, "sha256")


def seal(secret: bytes, purpose: str, payload: bytes, *context: bytes) -> str:
    """base64url(payload) "." base64url(mac); `context` is covered and not carried."""
    code = mac(secret, purpose, payload, *context)
    return (to_base64url(payload) + b"." + to_base64url(code)).decode()


def unseal(secret: bytes, purpose: str, text: str, *context: bytes) -> bytes | None:
    """The payload, or None unless `seal` made this text."""
    try:
        payload, code = (from_base64url(part) for part in text.encode("ascii").split(b"."))
    except ValueError:
        return None
    return payload if hmac.compare_digest(code, mac(secret, purpose, payload, *context)) else None


def read_cookies(header: str) -> dict[str, str]:
    """Cookies by name; of two with one name the first, as browsers send the closer one first."""
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, separator, value = pair.strip().partition("=")
        if separator:
            found.setdefault(name, value)
    return found


def visitor_cookie(secret: bytes, visitor: str) -> str:
    """The Set-Cookie value that names a visitor for a year."""
    code = to_base64url(mac(secret, "visitor", visitor.encode())).decode()
    return f"{VISITOR_COOKIE}={visitor}.{code}; Max-Age={YEAR_S}; {ATTRIBUTES}"


def read_visitor(secret: bytes, cookies: dict[str, str]) -> str:
    """The visitor's id, or "" unless this edge issued it."""
    visitor, _, code = cookies.get(VISITOR_COOKIE, "").partition(".")
    expected = to_base64url(mac(secret, "visitor", visitor.encode("utf-8", "replace")))
    ours = hmac.compare_digest(code.encode("utf-8", "replace"), expected)
    return visitor if ours and VISITOR.fullmatch(visitor) else ""


def state_cookie(secret: bytes, visitor: str, state: State, now_s: int) -> str:
    payload = now_s.to_bytes(8, "big") + pack_state(state)
    value = seal(secret, "state", payload, visitor.encode())
    return f"{STATE_COOKIE}={value}; Max-Age={YEAR_S}; {ATTRIBUTES}"


def read_state(secret: bytes, cookies: dict[str, str], visitor: str) -> Remembered | None:
    """This visitor's state, or None if it is missing, damaged or another's."""
    payload = unseal(secret, "state", cookies.get(STATE_COOKIE, ""), visitor.encode())
    if payload is None or len(payload) < 8:
        return None
    try:
        return Remembered(unpack_state(payload[8:]), int.from_bytes(payload[:8], "big"))
    except StateError:
        return None


def forget_cookies() -> list[str]:
    """Set-Cookie values that end both cookies: scripts of the page cannot."""
    return [f"{name}=; Max-Age=0; {ATTRIBUTES}" for name in (VISITOR_COOKIE, STATE_COOKIE)]
