"""Coming in and going out: login, setup links, one's own password and sessions, logout.

Forms that post, as everywhere in the console; no page here needs a script.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from control_plane.accounts.authentication import address_of, clear_cookie, set_cookie
from control_plane.accounts.passwords import LENGTH_LEAST
from control_plane.accounts.sessions import Opened, Session
from control_plane.console.guard import HEADERS, Visit, read_form, visit_of, with_token
from control_plane.console.rendering import Notice, notice_of, templates
from control_plane.errors import PROBLEMS, Refused
from control_plane.services import Services

DONE = {
    "password": "The password is changed; other sessions have ended.",
    "ended": "The session has ended.",
}


class Entry(Struct, frozen=True, kw_only=True):
    """What the templates get.  `kind` is login, setup, account or nothing; `name` who it is
    about, "" where they choose a name; `own` the id of the session that looks."""

    kind: str
    title: str
    token: str
    length_least: int = LENGTH_LEAST
    name: str = ""
    typed: str = ""
    link: str = ""
    sessions: list[Session] = []
    own: str = ""
    now_s: int = 0


def entry_routes() -> list[BaseRoute]:
    return [
        Route("/console/login", show_login),
        Route("/console/login", log_in, methods=["POST"]),
        Route("/console/logout", log_out, methods=["POST"]),
        Route("/console/setup", show_setup),
        Route("/console/setup", set_up, methods=["POST"]),
        Route("/console/account", show_account),
        Route("/console/account/password", change_password, methods=["POST"]),
        Route("/console/account/end", end_session, methods=["POST"]),
    ]


def to_login() -> Response:
    return RedirectResponse("/console/login", 303, HEADERS)


# --- login and logout ---------------------------------------------------------


async def show_login(request: Request) -> Response:
    visit = await visit_of(request, _services(request))
    if visit.session is not None:
        return RedirectResponse("/console", 303, HEADERS)
    return _page(request, visit, Entry(kind="login", title="Log in", token=visit.token))


async def log_in(request: Request) -> Response:
    services = _services(request)
    visit = await visit_of(request, services)
    form = await read_form(request, visit)
    name, password = form.get("name", ""), form.get("password", "")
    try:
        opened = await asyncio.to_thread(
            services.accounts.logins.log_in, name, password, address_of(request)
        )
    except Refused as refused:
        entry = Entry(kind="login", title="Log in", token=visit.token, typed=name[:256])
        return _page(request, visit, entry, refused)
    return _enter(request, opened)


async def log_out(request: Request) -> Response:
    services = _services(request)
    visit = await visit_of(request, services)
    await read_form(request, visit)
    if visit.session is not None and visit.actor is not None:
        session, logins = visit.session, services.accounts.logins
        await asyncio.to_thread(logins.revoke, visit.actor, session.user, session.id)
    response = to_login()
    clear_cookie(request, response)
    return response


def _enter(request: Request, opened: Opened) -> Response:
    response = RedirectResponse("/console", 303, HEADERS)
    set_cookie(request, response, opened)
    return response


# --- setup links --------------------------------------------------------------


async def show_setup(request: Request) -> Response:
    visit = await visit_of(request, _services(request))
    return await _setup(request, visit, request.query_params.get("token", ""))


async def set_up(request: Request) -> Response:
    services = _services(request)
    visit = await visit_of(request, services)
    form = await read_form(request, visit)
    link, name, password = (form.get(field, "") for field in ("token", "name", "password"))
    try:
        if password != form.get("again", ""):
            raise Refused("weak-password", DIFFERENT, help="Type the same twice.")
        opened = await asyncio.to_thread(services.accounts.logins.set_up, link, name, password)
    except Refused as refused:
        return await _setup(request, visit, link, refused, name)
    return _enter(request, opened)


DIFFERENT = "it was typed in two ways"


async def _setup(
    request: Request, visit: Visit, link: str, refused: Refused | None = None, typed: str = ""
) -> Response:
    """The page of a link; without its form if the link is not valid any more."""
    try:
        name = await asyncio.to_thread(_services(request).accounts.logins.looked_at, link)
    except Refused as spent:
        entry = Entry(kind="nothing", title="Set up", token=visit.token)
        return _page(request, visit, entry, spent)
    title = "Choose your password" if name else "The first account"
    entry = Entry(
        kind="setup", title=title, token=visit.token, name=name, link=link, typed=typed[:256]
    )
    return _page(request, visit, entry, refused)


# --- one's own account --------------------------------------------------------


async def show_account(request: Request) -> Response:
    visit = await visit_of(request, _services(request))
    if visit.session is None:
        return to_login()
    done = DONE.get(request.query_params.get("done", ""), "")
    notice = Notice(kind="done", title=done) if done else None
    return _page(request, visit, await _account(request, visit), notice=notice)


async def change_password(request: Request) -> Response:
    def change(services: Services, visit: Visit, form: Mapping[str, str]) -> None:
        assert visit.session and visit.actor
        new = form.get("new", "")
        if new != form.get("again", ""):
            raise Refused("weak-password", DIFFERENT, help="Type the same twice.")
        old, address = form.get("present", ""), address_of(request)
        services.accounts.logins.change_password(visit.actor, old, new, visit.session.id, address)

    return await _change(request, "password", change)


async def end_session(request: Request) -> Response:
    def end(services: Services, visit: Visit, form: Mapping[str, str]) -> None:
        assert visit.session and visit.actor
        session = form.get("session", "").replace("\0", "")
        services.accounts.logins.revoke(visit.actor, visit.session.user, session)

    return await _change(request, "ended", end)


async def _change(
    request: Request, name: str, change: Callable[[Services, Visit, Mapping[str, str]], None]
) -> Response:
    services = _services(request)
    visit = await visit_of(request, services)
    form = await read_form(request, visit)
    if visit.session is None:
        return to_login()
    try:
        await asyncio.to_thread(change, services, visit, form)
    except Refused as refused:
        return _page(request, visit, await _account(request, visit), refused)
    return RedirectResponse(f"/console/account?done={name}", 303, HEADERS)


async def _account(request: Request, visit: Visit) -> Entry:
    assert visit.session and visit.actor
    logins = _services(request).accounts.logins
    return Entry(
        kind="account",
        title="Your account",
        token=visit.token,
        name=visit.actor.name,
        sessions=await asyncio.to_thread(logins.sessions_of, visit.session.user),
        own=visit.session.id,
        now_s=int(time.time()),
    )


def no_roles(request: Request, visit: Visit, refused: Refused) -> Response:
    """For somebody who may not even look."""
    name = visit.actor.name if visit.actor else ""
    entry = Entry(kind="nothing", title="Nothing to see yet", token=visit.token, name=name)
    return _page(request, visit, entry, refused)


# --- parts --------------------------------------------------------------------


def _page(
    request: Request,
    visit: Visit,
    entry: Entry,
    refused: Refused | None = None,
    notice: Notice | None = None,
) -> Response:
    shown = notice_of(refused) if refused else notice
    html = templates.get_template("entry.html").render(entry=entry, notice=shown)
    status = PROBLEMS[refused.name].status if refused else 200
    headers = HEADERS | (refused.headers if refused else {})
    return with_token(request, HTMLResponse(html, status, headers), visit)


def _services(request: Request) -> Services:
    return request.app.state.services
