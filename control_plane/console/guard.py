"""Who may press the console's buttons: a page of this console, open in a browser here.

There is no login yet; the console listens on this machine only.  Against other web
pages that the same browser has open, three checks, each enough by itself:

    Host     must be one of the configured names, else a foreign name points at us
             (DNS rebinding)
    Origin   of a POST must be the Host it goes to
    token    a random value in a SameSite=Strict cookie must come back in the form
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from control_plane.errors import Refused
from control_plane.http import check_type, read_body

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


def check_host(request: Request, allowed: tuple[str, ...]) -> None:
    """Raises `Refused` forbidden."""
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name not in allowed:
        raise Refused(
            "forbidden",
            f"the console does not answer to the name {name[:80]!a}",
            help=f"Use {allowed[0]}, or add the name to PROFFER_CONSOLE_HOSTS.",
        )


def token_of(request: Request) -> str:
    """The browser's token; a new one if it has none."""
    return request.cookies.get(COOKIE) or secrets.token_urlsafe(32)


def with_token(request: Request, response: Response, token: str) -> Response:
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, token, path="/console", httponly=True, samesite="strict", secure=secure
    )
    return response


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours.  Raises `Refused`."""
    _check_origin(request)
    check_type(request, "application/x-www-form-urlencoded")
    body = await read_body(request, FORM_LIMIT_BYTES)
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), fields.get(FIELD, "").encode()):
        raise Refused("forbidden", "the form's token is missing or of another visit")
    return fields


def _check_origin(request: Request) -> None:
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    if origin.partition("://")[2] != host or not host:
        raise Refused("forbidden", f"the form came from {origin[:80]!a}")
