"""Whose request this is.  In this order, and the first that is there decides:

Authorization   `Bearer` and a key.  A wrong one is refused, whatever else came along.
                Browsers send it only when a program says so, so no page can forge it.
the cookie      of a login.  Browsers send it by themselves, also when another page makes
                them; so a request that changes something must come from a page of ours
                (`Origin`) and bring what only such a page can read (`X-CSRF-Token`).
open console    Without a login everybody on this machine is `LOCAL`; but only under a
                name of the console (else a foreign name that points here would do: DNS
                rebinding), and not from a foreign page.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from contextlib import suppress

from msgspec import Struct
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from control_plane.accounts import sessions, users
from control_plane.accounts.actor import LOCAL, Actor
from control_plane.accounts.api_keys import SHOP
from control_plane.accounts.sessions import Opened, Session
from control_plane.errors import Refused
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.writer import StorageUnavailable

COOKIE = "proffer_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over https: browsers take a cookie of this name only with Secure, Path=/ and no Domain, so
that no neighbour under the same domain can set it."""
HEADER = "X-CSRF-Token"
SAFE = ("GET", "HEAD", "OPTIONS")
CHALLENGE = {"WWW-Authenticate": "Bearer"}


class LoggedIn(Struct, frozen=True, kw_only=True):
    """Somebody with a session; `form_token` is what their forms carry."""

    actor: Actor
    session: Session
    form_token: str


async def actor_of(request: Request, services: Services) -> Actor | None:
    """Whoever is calling, None for nobody known.

    Raises `Refused`: unauthorized for a wrong key, forbidden for a request that another page
    made a browser send.  Console forms are checked by the console's own guard.
    """
    if "authorization" in request.headers:
        return await _bearer(request, services)
    logged_in = await logged_in_as(request, services)
    if logged_in is not None:
        if request.method not in SAFE:
            check_origin(request)
            check_form_token(request.headers.get(HEADER, ""), logged_in.form_token)
        return logged_in.actor
    return local_actor(request, services.settings)


async def logged_in_as(request: Request, services: Services) -> LoggedIn | None:
    """Who has the cookie of an open session.  Forgery is the caller's to check."""
    token = request.cookies.get(_cookie(request), "")
    return await asyncio.to_thread(_session, services, token) if token else None


def local_actor(request: Request, settings: Settings) -> Actor | None:
    """`LOCAL` where the console is open, None where there is a login.

    Raises `Refused` forbidden for what another page made a browser send.
    """
    if not settings.open_console or host_name(request) not in settings.console_hosts:
        return None
    if request.method not in SAFE and "origin" in request.headers:
        check_origin(request)
    return LOCAL


# --- keys ---------------------------------------------------------------------


async def _bearer(request: Request, services: Services) -> Actor:
    scheme, _, key = request.headers["authorization"].partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized("Authorization does not begin with Bearer")
    key = key.strip()
    if sum(hmac.compare_digest(key.encode(), each.encode()) for each in services.keys.shop_keys):
        return SHOP
    actor = await asyncio.to_thread(services.accounts.keys.actor_of, key)
    if actor is None:
        raise _unauthorized("the key in Authorization is unknown, expired or revoked")
    return actor


def _unauthorized(what: str) -> Refused:
    return Refused("unauthorized", what, headers=CHALLENGE)


# --- sessions -----------------------------------------------------------------


def _session(services: Services, token: str) -> LoggedIn | None:
    settings, now_s = services.settings, int(time.time())
    tenant, idle_s = settings.tenant, settings.session_idle_s
    with services.database.reading() as connection:
        session = sessions.by_token(connection, tenant, token, idle_s)
        user = users.found(connection, tenant, session.user) if session else None
    if session is None or user is None or not user.can_log_in:
        return None
    if now_s >= session.seen_s + min(sessions.SEEN_EVERY_S, idle_s // 2):
        with suppress(StorageUnavailable):  # that nothing can be noted keeps nobody out
            services.writer.submit(lambda each: sessions.touch(each, tenant, session.id))
    return LoggedIn(actor=user.actor, session=session, form_token=sessions.form_token(token))


def set_cookie(request: HTTPConnection, response: Response, opened: Opened) -> None:
    response.set_cookie(
        _cookie(request),
        opened.token,
        max_age=opened.session.ends_s - opened.session.opened_s,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(request: HTTPConnection, response: Response) -> None:
    response.delete_cookie(
        _cookie(request), path="/", secure=_is_secure(request), httponly=True, samesite="lax"
    )


def _cookie(request: HTTPConnection) -> str:
    return SECURE_COOKIE if _is_secure(request) else COOKIE


def _is_secure(request: HTTPConnection) -> bool:
    return request.url.scheme == "https"


# --- forgery ------------------------------------------------------------------


def host_name(request: Request) -> str:
    """The Host header without its port."""
    host = request.headers.get("host", "")
    return host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host


def check_origin(request: Request) -> None:
    """Raises `Refused` forbidden unless a page of this very server sent the request."""
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    scheme, _, name = origin.partition("://")
    if not host or name != host or (_is_secure(request) and scheme != "https"):
        raise Refused("forbidden", f"it came from {origin[:80]!a}, not from a page of ours")


def check_form_token(sent: str, wanted: str) -> None:
    """Raises `Refused` forbidden."""
    if not wanted or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise Refused("forbidden", "the form's token is missing or of another visit")


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""
