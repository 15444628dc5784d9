"""The console's addresses: the page, its live part, and the buttons.

Every button is a form that posts and comes back to the page, so nothing needs a script.
A button that is refused shows why, on the same page, and has changed nothing.  Who may not
press a button does not see it, and who presses it all the same gets a 403.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from control_plane.accounts.actor import Actor, Permission
from control_plane.console.entry import entry_routes, no_roles, to_login
from control_plane.console.guard import HEADERS, Visit, read_form, visit_of, with_token
from control_plane.console.page import build_page
from control_plane.console.rendering import Notice, templates
from control_plane.errors import PROBLEMS, Refused
from control_plane.issuing import NotOutYet
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.storage.writer import StorageUnavailable
from policy_compiler.diagnostics import CatalogRefused, Diagnostic, render

STATIC = Path(__file__).parent / "static"


def console_routes() -> list[BaseRoute]:
    return [
        Route("/console", show),
        Route("/console/live", show_live),
        *(
            Route(f"/console/{name}", _endpoint(button), methods=["POST"])
            for name, button in BUTTONS.items()
        ),
        *entry_routes(),
        Mount("/console/static", StaticFiles(directory=STATIC)),
    ]


# --- looking ------------------------------------------------------------------


async def show(request: Request) -> Response:
    visit = await visit_of(request, _services(request))
    if visit.actor is None:
        return to_login()
    try:
        visit.check_may("read")
    except Refused as refused:
        return no_roles(request, visit, refused)
    button = BUTTONS.get(request.query_params.get("done", ""))
    return await _page(request, visit, Notice(kind="done", title=button.done) if button else None)


async def show_live(request: Request) -> Response:
    """The part of the page that a small script fetches again and again."""
    visit = await visit_of(request, _services(request))
    visit.check_may("read")
    return await _page(request, visit, None, template="live.html")


async def _page(
    request: Request,
    visit: Visit,
    notice: Notice | None,
    status: int = 200,
    template: str = "page.html",
) -> Response:
    snapshots = request.app.state.snapshots
    page = await asyncio.to_thread(build_page, _services(request), snapshots, visit)
    html = templates.get_template(template).render(page=page, notice=notice)
    return with_token(request, HTMLResponse(html, status, HEADERS), visit)


def _services(request: Request) -> Services:
    return request.app.state.services


# --- buttons ------------------------------------------------------------------


def _publish(services: Services, actor: Actor, form: Mapping[str, str]) -> None:
    services.catalog.publish(actor=actor.id)
    services.desk.catch_up()


def _roll_back(services: Services, actor: Actor, form: Mapping[str, str]) -> None:
    services.publisher.roll_back(_field(form, "bundle"), actor=actor.id)


def _pause(services: Services, actor: Actor, form: Mapping[str, str]) -> None:
    services.publisher.pause(_field(form, "offer"), actor=actor.id)


def _resume(services: Services, actor: Actor, form: Mapping[str, str]) -> None:
    services.publisher.resume(_field(form, "offer"), actor=actor.id)


def _replay(services: Services, actor: Actor, form: Mapping[str, str]) -> None:
    services.collector.replay_quarantine(actor.id)


class Button(Struct, frozen=True):
    """What it takes, what it does, and what the page says after it worked."""

    permission: Permission
    press: Callable[[Services, Actor, Mapping[str, str]], None]
    done: str


BUTTONS = {
    "publish": Button("publish", _publish, "Published."),
    "roll-back": Button("publish", _roll_back, "Rolled back."),
    "pause": Button("kill", _pause, "Paused."),
    "resume": Button("kill", _resume, "Resumed."),
    "replay": Button("edit", _replay, "Tried the quarantined events again."),
}


def _endpoint(button: Button) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        services = _services(request)
        visit = await visit_of(request, services)
        form = await read_form(request, visit)
        actor = visit.check_may(button.permission)
        try:
            await asyncio.to_thread(button.press, services, actor, form)
        except (CatalogRefused, PublishRefused, StorageUnavailable) as error:
            notice, status = _refusal(services, error)
            return await _page(request, visit, notice, status)
        name = request.url.path.rpartition("/")[2]
        return RedirectResponse(f"/console?done={name}", 303, HEADERS)

    return endpoint


def _field(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise PublishRefused(f"the form has no field {name!r}", "Reload the page and try again.")
    return form[name]


def _refusal(services: Services, error: Exception) -> tuple[Notice, int]:
    """Why a button did nothing, and the status that says so."""
    if isinstance(error, CatalogRefused):
        refused = Refused("policy-refused", str(error))
        problems = [render(found, _text(services, found)) for found in error.diagnostics]
    elif isinstance(error, PublishRefused):
        refused, problems = Refused("policy-refused", str(error), help=error.help), []
    else:
        name = "not-out-yet" if isinstance(error, NotOutYet) else "storage-unavailable"
        refused, problems = Refused(name, str(error)), []
    kind = PROBLEMS[refused.name]
    notice = Notice(
        kind="refused",
        title=f"{kind.title}." + ("" if isinstance(error, NotOutYet) else " Nothing was changed."),
        detail=refused.detail,
        help=refused.help,
        problems=problems,
    )
    return notice, kind.status


def _text(services: Services, found: Diagnostic) -> str | None:
    """The file that a finding is in, for its excerpt."""
    folder = services.settings.catalog
    path = folder / found.file if folder and found.file else None
    if path is None or not path.is_file():
        return None
    return path.read_text("utf-8", "replace")
