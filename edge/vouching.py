"""Who says what: an attribute is believed only from a source that may say it.

    body of a decide call            client
    `session` in it, signed          client and signed
    header Proffer-Context           client and signed (the origin is the shop itself)
    what the edge sees               edge, and client where nobody claims it

What somebody says who may not, or about attributes that the policy does not know, is
ignored and reported, never silently believed.  Personal attributes do not even enter
the request without consent: the decision would withhold them, and the log need not
know them.

A session token is what the shop's server gives its page to pass on:

    base64url(JSON) "." base64url(HMAC-SHA256(shop key, "proffer-session." base64url(JSON)))

with the JSON {"attributes": {...}, "customer": "c-123", "consent": "full", "locale":
"en", "visitor": "...", "expires_s": 1790000000}; all but `expires_s` may be left out.
With `visitor` it counts for that visitor only.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.jws import from_base64url
from edge.decision.request_json import Json, read_json
from edge.problems import Problem

SESSION_LABEL = b"proffer-session."
CONTEXT_FIELDS = {"attributes", "customer", "consent", "locale"}
SESSION_FIELDS = CONTEXT_FIELDS | {"visitor", "expires_s"}
Attributes = Mapping[str, Json]
Speaker = Literal["client", "shop", "edge"]

BELIEVED: dict[Speaker, tuple[int, ...]] = {
    "client": (t.CLIENT,),
    "shop": (t.CLIENT, t.SIGNED),
    "edge": (t.EDGE, t.CLIENT),
}
SOURCES = ("edge", "signed", "client", "computed")


class Vouched(Struct, frozen=True, kw_only=True):
    """What the shop says about a visit; `visitor` is whom alone it is said of, if anybody."""

    visitor: str = ""
    attributes: Attributes = {}
    customer: str = ""
    consent: str = ""
    locale: str = ""


class Ignored(Struct, frozen=True):
    """A name that was sent and not used, and why."""

    name: str
    why: str


class ContextError(ValueError):
    """The shop's statement cannot be read; the message says why."""


# --- the shop's statements ----------------------------------------------------


def read_context(header: str) -> Vouched:
    """The origin's Proffer-Context header.  Raises `ContextError`.

    base64url of a JSON object: either with the key `attributes`, or flat, attributes
    by name and nothing else.
    """
    if not header:
        return Vouched()
    try:
        said = read_json(from_base64url(header.encode("ascii").rstrip(b"=")))
    except ValueError as error:
        raise ContextError(f"Proffer-Context: {error}") from None
    if "attributes" not in said:
        return Vouched(attributes=said)
    return _vouched(said, CONTEXT_FIELDS)


def read_session(shop_key: str, token: Json, visitor: str, now_s: int) -> Vouched:
    """The session token of a decide call.  Raises `Problem` 400."""
    try:
        said = _unseal_session(shop_key, token)
        _check_session(said, visitor, now_s)
        return _vouched(said, SESSION_FIELDS)
    except ValueError as error:
        raise Problem("session", f"session: {error}") from None


def _unseal_session(shop_key: str, token: Json) -> dict[str, Json]:
    if not isinstance(token, str):
        raise ContextError("must be a text")
    payload, _, code = token.encode("ascii").partition(b".")
    expected = hmac.digest(shop_key.encode(), SESSION_LABEL + payload, "sha256")
    if not hmac.compare_digest(from_base64url(code), expected):
        raise ContextError("not signed with the shop's key, or changed since")
    return read_json(from_base64url(payload))


def _check_session(said: dict[str, Json], visitor: str, now_s: int) -> None:
    expires_s = said.get("expires_s")
    if isinstance(expires_s, bool) or not isinstance(expires_s, int):
        raise ContextError("expires_s must be Unix seconds")
    if now_s >= expires_s:
        raise ContextError(f"expired {now_s - expires_s} s ago")
    if said.get("visitor") not in (None, visitor):
        raise ContextError("is for another visitor")


def _vouched(said: dict[str, Json], fields: set[str]) -> Vouched:
    if unknown := sorted(set(said) - fields):
        raise ContextError(f"unknown field {unknown[0]!a}")
    attributes = said.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise ContextError("attributes must be an object")
    return Vouched(
        visitor=_text(said, "visitor"),
        attributes=attributes or {},
        customer=_text(said, "customer"),
        consent=_text(said, "consent"),
        locale=_text(said, "locale"),
    )


def _text(said: dict[str, Json], name: str) -> str:
    value = said.get(name)
    if value is not None and not isinstance(value, str):
        raise ContextError(f"{name} must be a text")
    return value or ""


# --- whom to believe ----------------------------------------------------------


def admit(
    bundle: Bundle, consent: str, client: Attributes, shop: Attributes, edge: Attributes
) -> tuple[dict[str, Json], tuple[Ignored, ...]]:
    """The attributes to decide on, and what was said in vain.

    The shop's word goes before the client's, and that before what the edge guesses; an
    attribute of source `edge` has no other speaker.
    """
    believed: dict[str, Json] = {}
    ignored: list[Ignored] = []
    speakers: tuple[tuple[Speaker, Attributes], ...] = (
        ("edge", edge),
        ("client", client),
        ("shop", shop),
    )
    for speaker, said in speakers:
        for name, value in said.items():
            why = _objection(bundle, consent, speaker, name)
            if not why:
                believed[name] = value
            elif speaker != "edge":
                ignored.append(Ignored(readable(name), why))
    return believed, tuple(ignored)


def readable(name: str) -> str:
    """The name, with U+FFFD for what no text in UTF-8 can hold."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in name)


def _objection(bundle: Bundle, consent: str, speaker: Speaker, name: str) -> str:
    row = bundle.attribute_rows.get(name)
    if row is None:
        return "this policy has no such attribute to send"
    source = bundle.tables.attribute_source[row]
    if source not in BELIEVED[speaker]:
        return f"has source {SOURCES[source]}; the {speaker} cannot vouch for it"
    personal = bundle.tables.attribute_flags[row] & t.PERSONAL
    return "personal, and there is no consent to it" if personal and consent != "full" else ""
