"""Who looks at the console, and whether a form came from its own pages.

Whoever has a session is that user; without a login (`open_console`) everybody is `LOCAL`.
Against other web pages that the same browser has open, three checks, each enough by itself:

    Host     must be one of the configured names, else a foreign name points at us
             (DNS rebinding)
    Origin   of a POST must be the Host it goes to
    token    must come back in the form: derived from the session, and before there is one
             a random value in a SameSite=Strict cookie
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from control_plane.accounts.actor import Actor, Permission
from control_plane.accounts.authentication import (
    check_form_token,
    check_origin,
    host_name,
    local_actor,
    logged_in_as,
)
from control_plane.accounts.sessions import Session
from control_plane.errors import Refused
from control_plane.http import check_type, read_body
from control_plane.services import Services

COOKIE = "proffer_console"
FIELD = "csrf"
FORM_LIMIT_BYTES = 16 << 10
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Visit(Struct, frozen=True, kw_only=True):
    """One request to the console.  `actor` is None for whoever has to log in first; `session`
    is None in the open console; `token` belongs into every form."""

    actor: Actor | None
    session: Session | None
    token: str

    def check_may(self, permission: Permission) -> Actor:
        """Raises `Refused` unauthorized or not-permitted."""
        if self.actor is None:
            raise Refused("unauthorized", "nobody is logged in", help="Log in at /console/login.")
        if not self.actor.may(permission):
            raise Refused("not-permitted", f"{self.actor.name} may not {permission}")
        return self.actor


async def visit_of(request: Request, services: Services) -> Visit:
    """Raises `Refused` forbidden for a foreign name."""
    check_host(request, services.settings.console_hosts)
    logged_in = await logged_in_as(request, services)
    if logged_in is not None:
        session, token = logged_in.session, logged_in.form_token
        return Visit(actor=logged_in.actor, session=session, token=token)
    actor = local_actor(request, services.settings)
    token = request.cookies.get(COOKIE) or secrets.token_urlsafe(32)
    return Visit(actor=actor, session=None, token=token)


def check_host(request: Request, allowed: tuple[str, ...]) -> None:
    """Raises `Refused` forbidden."""
    name = host_name(request)
    if name not in allowed:
        raise Refused(
            "forbidden",
            f"the console does not answer to the name {name[:80]!a}",
            help=f"Use {allowed[0]}, or add the name to PROFFER_CONSOLE_HOSTS.",
        )


def with_token(request: Request, response: Response, visit: Visit) -> Response:
    """The answer, with the cookie that the form's token is compared with."""
    if visit.session is None:
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, visit.token, path="/console", httponly=True, samesite="strict", secure=secure
        )
    return response


async def read_form(request: Request, visit: Visit) -> Mapping[str, str]:
    """The fields of a form of ours.  Raises `Refused`."""
    check_origin(request)
    check_type(request, "application/x-www-form-urlencoded")
    body = await read_body(request, FORM_LIMIT_BYTES)
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    wanted = visit.token if visit.session else request.cookies.get(COOKIE, "")
    check_form_token(fields.get(FIELD, ""), wanted)
    return fields
