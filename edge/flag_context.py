"""OpenFeature's evaluation context, and whom it is believed from.

    targetingKey         whom the flags are for (see below)
    proffer.customer     the customer, as in a decide call; so are the next four
    proffer.consent, proffer.locale, proffer.session, proffer.taken
    proffer.placements   bulk: the placements of this screen; the others are left out
    anything else        an attribute; {"cart": {"total": 9}} is `cart.total`

The rules are those of `/_proffer/decide`, for OpenFeature's two kinds of callers:

* A server of the shop sends the shop's key (`Authorization: Bearer`, or `X-API-Key`).
  Its word is the shop's: `signed` attributes count, and the targeting key is the
  visitor.  What the edge sees of such a request (device, country) is the server's own
  and nobody's attribute.
* Anybody else is a client.  The edge's own cookie says who it is.  Without a cookie the
  targeting key counts, but as a claim: the visitor is a code of it, so nobody can claim
  to be a visitor whom the edge knows, unless a session of the shop says so.

Whoever comes without cookie brings no state: choices then stay with the unit for an
epoch, caps begin anew each time, and strict caps withhold.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct, structs

from edge.asgi import Request
from edge.cookies import VISITOR_BYTES, mac
from edge.decision.errors import RequestError
from edge.decision.hashing import is_part
from edge.decision.request_json import DECIMAL_TEXT, Json
from edge.decision.state import State
from edge.home import Home
from edge.settings import Settings
from edge.visiting import Guest, Visit, arrive, begin_visit
from edge.vouching import Attributes, Ignored, Vouched, read_session

TARGET = "targetingKey"
OWN = "proffer."
TEXTS = ("customer", "consent", "locale", "session")
FIELDS = {*TEXTS, "taken", "placements"}
KEY_BYTES_MAX = 128

ErrorCode = Literal[
    "PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND", "GENERAL"
]


class FlagError(Exception):
    """An evaluation that failed, with OpenFeature's word for it and the HTTP status."""

    def __init__(self, code: ErrorCode, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.code: ErrorCode = code
        self.detail = detail
        self.status = status


class Context(Struct, frozen=True, kw_only=True):
    """As it was sent, sorted; `said` are the fields of ours, without their prefix."""

    target: str = ""
    said: Mapping[str, Json] = {}
    attributes: Attributes = {}

    def text(self, name: str) -> str:
        value = self.said.get(name)
        return value if isinstance(value, str) else ""


class Asker(Struct, frozen=True, kw_only=True):
    """Who asks: for whom, and what is believed of it."""

    visit: Visit
    by_client: Attributes = {}
    by_shop: Attributes = {}
    ignored: tuple[Ignored, ...] = ()


# --- reading ------------------------------------------------------------------


def read_context(body: Mapping[str, Json]) -> Context:
    """Raises `FlagError` INVALID_CONTEXT."""
    context = body.get("context")
    if context is None:
        return Context()
    if not isinstance(context, dict):
        raise FlagError("INVALID_CONTEXT", "context must be an object")
    flat = dict(_flattened(context))
    target = _target(flat.pop(TARGET, None))
    said = {name.removeprefix(OWN): flat.pop(name) for name in list(flat) if name.startswith(OWN)}
    _check_own(said)
    return Context(target=target, said=said, attributes=flat)


def _flattened(fields: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + name, _decimal(value) if isinstance(value, float) else value


def _decimal(value: float) -> Json:
    """Contexts have numbers where decimals are meant: what the shortest form of it says."""
    text = repr(value)
    return text if DECIMAL_TEXT.fullmatch(text) else value


def _target(value: Json) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not is_part(value) or len(value.encode()) > KEY_BYTES_MAX:
        detail = f"{TARGET} must be 1 to {KEY_BYTES_MAX} bytes without control characters"
        raise FlagError("INVALID_CONTEXT", detail)
    return value


def _check_own(said: Mapping[str, Json]) -> None:
    if unknown := sorted(set(said) - FIELDS):
        known = ", ".join(OWN + name for name in sorted(FIELDS))
        raise FlagError("INVALID_CONTEXT", f"unknown field {OWN + unknown[0]!a}; there are {known}")
    for name in TEXTS:
        if not isinstance(said.get(name, ""), str):
            raise FlagError("INVALID_CONTEXT", f"{OWN}{name} must be a text")


# --- who asks -----------------------------------------------------------------


def is_shop(request: Request, shop_key: str) -> bool:
    """Whether the shop's key came along.  Raises `FlagError` 401 for a wrong one.

    Another scheme than Bearer is not meant for us: it may be that of a test site's door.
    """
    scheme, _, bearer = request.header("authorization").partition(" ")
    sent = bearer.strip() if scheme.lower() == "bearer" else request.header("x-api-key")
    if not sent:
        return False
    if not hmac.compare_digest(sent.encode("latin-1"), shop_key.encode()):
        raise FlagError("GENERAL", "the key is not the shop's", 401)
    return True


def asker(request: Request, context: Context, settings: Settings, home: Home) -> Asker:
    """Raises `FlagError`, and `Problem` for a session that does not count."""
    if is_shop(request, settings.secrets.shop_key):
        return _server(context, settings, home)
    guest = arrive(request, settings, home)
    known = "" if guest.is_new else guest.visitor
    shop = _session(context, known or context.target, settings, home)
    if guest.is_new and context.target:
        vouched = shop.visitor == context.target
        visitor = context.target if vouched else code_of(settings, context.target)
        guest = structs.replace(guest, visitor=visitor, is_new=False, state=State(overflow=True))
    visit = _visit(context, shop, guest, settings, home)
    passed_over = known and context.target not in ("", known)
    why = "the cookie of this edge says who the visitor is"
    return Asker(
        visit=visit,
        by_client=context.attributes,
        by_shop=shop.attributes,
        ignored=(Ignored(TARGET, why),) if passed_over else (),
    )


def _server(context: Context, settings: Settings, home: Home) -> Asker:
    """A server of the shop, which speaks for a visitor of its own."""
    guest = Guest(
        visitor=context.target, is_new=False, state=State(overflow=True), had_cookies=False,
        consent="", locale="", observed={},
    )  # fmt: skip
    shop = _session(context, context.target, settings, home)
    visit = _visit(context, shop, guest, settings, home)
    if visit.consent == "full" and not visit.visitor:
        raise FlagError("TARGETING_KEY_MISSING", f"{TARGET} must say who the visitor is")
    return Asker(visit=visit, by_shop={**context.attributes, **shop.attributes})


def code_of(settings: Settings, target: str) -> str:
    """A visitor's id for a claimed targeting key: the same for the same, and nobody else's."""
    code = mac(settings.secrets.cookie_secret, "targeting-key", target.encode())
    return code[:VISITOR_BYTES].hex()


def _session(context: Context, visitor: str, settings: Settings, home: Home) -> Vouched:
    token = context.said.get("session")
    if token is None:
        return Vouched()
    return read_session(settings.secrets.shop_key, token, visitor, home.now_s())


def _visit(context: Context, shop: Vouched, guest: Guest, settings: Settings, home: Home) -> Visit:
    return begin_visit(
        guest,
        settings,
        home,
        [context.text("consent"), shop.consent],
        customer=shop.customer or context.text("customer"),
        locale=context.text("locale") or shop.locale,
    )


def placements_of(context: Context, limit: int) -> list[str]:
    """The placements that were named; empty if none were.  Raises `RequestError`."""
    value = context.said.get("placements")
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    if value is not None and (not isinstance(value, list) or len(names) != len(value)):
        raise RequestError("FIELD", f"{OWN}placements must be a list of names")
    if len(names) > limit or len(set(names)) != len(names) or not all(map(is_part, names)):
        raise RequestError("FIELD", f"{OWN}placements are 1 to {limit} names, none twice")
    return names
