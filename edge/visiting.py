"""Who asks, and what may be known about it: cookies, consent, and what headers show.

`arrive` reads a request's headers into a `Guest`.  What the guest agreed to is settled
only later, since the shop may say it in its response: `begin_visit` makes the `Visit`
that a decision is taken for.

Several may speak about consent: a cookie, the page, the shop.  The strictest counts,
and a word that nobody knows counts as `none`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from edge.asgi import Request
from edge.cookies import (
    STATE_COOKIE,
    VISITOR_BYTES,
    VISITOR_COOKIE,
    forget_cookies,
    read_cookies,
    read_state,
    read_visitor,
    state_cookie,
    visitor_cookie,
)
from edge.decision.hashing import is_part
from edge.decision.request import CONSENTS
from edge.decision.request_json import Json
from edge.decision.state import State
from edge.home import Home
from edge.settings import Settings

NONCE_BYTES = 16
LOCALE_BYTES_MAX = 35
DEVICE = "device.type"
NOWHERE = {"XX", "T1", "ZZ"}
"""What proxies send for a country that they do not know, and for Tor."""
TABLET = re.compile(r"iPad|Tablet|Kindle|Silk/|Android(?!.*Mobile)")
PHONE = re.compile(r"Mobi|iPhone|iPod")


class Guest(Struct, frozen=True, kw_only=True):
    """Whoever sends a request, as far as its headers tell.

    `visitor` is the id of a cookie of ours or, if `is_new`, one that was made just now.
    `consent` is what a cookie says, "" if there is none.  `observed` are attributes
    that the edge sees by itself.
    """

    visitor: str
    is_new: bool
    state: State | None
    had_cookies: bool
    consent: str
    locale: str
    observed: Mapping[str, Json]


class Visit(Struct, frozen=True, kw_only=True):
    """Whom a decision is taken for; `visitor` and `customer` are "" unless consent is full.

    `cookies` are the Set-Cookie values that belong into the response.
    """

    consent: str
    visitor: str = ""
    customer: str = ""
    nonce: str
    locale: str
    now_s: int
    state: State | None = None
    observed: Mapping[str, Json]
    cookies: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What canary shares are keyed on."""
        return self.visitor or self.nonce


def arrive(request: Request, settings: Settings, home: Home) -> Guest:
    cookies = read_cookies(request.header("cookie"))
    secret = settings.secrets.cookie_secret
    known = read_visitor(secret, cookies)
    remembered = read_state(secret, cookies, known) if known else None
    # A visitor made just now has seen nothing; one whose state is lost has seen who knows what.
    state = remembered.state if remembered else None if known else State()
    return Guest(
        visitor=known or home.random_bytes(VISITOR_BYTES).hex(),
        is_new=not known,
        state=state,
        had_cookies=not {VISITOR_COOKIE, STATE_COOKIE}.isdisjoint(cookies),
        consent=cookies.get(settings.consent_cookie, ""),
        locale=preferred_locale(request.header("accept-language")),
        observed=observe(request, settings.edge_headers),
    )


def begin_visit(
    guest: Guest,
    settings: Settings,
    home: Home,
    said: Iterable[str | None],
    customer: str = "",
    locale: str = "",
) -> Visit:
    """What the guest agreed to; `said`: what page and shop say about consent."""
    consent = settle_consent([guest.consent, *said], settings.default_consent)
    now_s, full = home.now_s(), consent == "full"
    return Visit(
        consent=consent,
        visitor=guest.visitor if full else "",
        customer=customer if full else "",
        nonce=home.random_bytes(NONCE_BYTES).hex(),
        locale=locale or guest.locale,
        now_s=now_s,
        state=guest.state if full else None,
        observed=guest.observed,
        cookies=tuple(_cookies(guest, consent, settings.secrets.cookie_secret, now_s)),
    )


def _cookies(guest: Guest, consent: str, secret: bytes, now_s: int) -> list[str]:
    if consent == "full" and guest.is_new:
        empty = state_cookie(secret, guest.visitor, State(), now_s)
        return [visitor_cookie(secret, guest.visitor), empty]
    return forget_cookies() if consent == "none" and guest.had_cookies else []


def settle_consent(said: Iterable[str | None], default: str) -> str:
    """The strictest of what was said."""
    words = [word if word in CONSENTS else "none" for word in said if word]
    return max(words, key=CONSENTS.index, default=default)


# --- what headers show --------------------------------------------------------


def observe(request: Request, edge_headers: Mapping[str, str]) -> dict[str, Json]:
    """Attributes that the edge sees by itself."""
    seen: dict[str, Json] = {}
    if device := device_type(request.header("user-agent")):
        seen[DEVICE] = device
    for header, attribute in edge_headers.items():
        if (value := request.header(header)) and value not in NOWHERE:
            seen[attribute] = value
    return seen


def device_type(user_agent: str) -> str:
    """phone, tablet, desktop, or "" when nothing is said."""
    if TABLET.search(user_agent):
        return "tablet"
    if PHONE.search(user_agent):
        return "phone"
    return "desktop" if user_agent else ""


def preferred_locale(header: str) -> str:
    """The language that an Accept-Language header likes best; "" if it names none."""
    ranges = [part.partition(";") for part in header.split(",")]
    liked = [(_quality(parameters), name.strip()) for name, _, parameters in ranges]
    usable = [(q, name) for q, name in liked if q > 0 and name != "*" and is_locale(name)]
    return max(usable, key=lambda x: x[0], default=(0.0, ""))[1]


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def is_locale(text: str) -> bool:
    return is_part(text) and len(text.encode()) <= LOCALE_BYTES_MAX
