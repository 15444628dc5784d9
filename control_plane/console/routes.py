"""The console's addresses: the page, its live part, and the buttons.

Every button is a form that posts and comes back to the page, so nothing needs a script.
A button that is refused shows why, on the same page, and has changed nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from control_plane.console.guard import HEADERS, check_host, read_form, token_of, with_token
from control_plane.console.page import build_page
from control_plane.console.texts import FILTERS
from control_plane.errors import PROBLEMS, Refused
from control_plane.issuing import NotOutYet
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.storage.writer import StorageUnavailable
from policy_compiler.diagnostics import CatalogRefused, Diagnostic, render

STATIC = Path(__file__).parent / "static"
ACTOR = "console"

DONE = {
    "publish": "Published.",
    "roll-back": "Rolled back.",
    "pause": "Paused.",
    "resume": "Resumed.",
    "replay": "Tried the quarantined events again.",
}
"""What the page says after a button worked."""

templates = Environment(
    loader=PackageLoader("control_plane.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters.update(FILTERS)


class Notice(Struct, frozen=True, kw_only=True):
    """A message above the page; `problems` are the compiler's findings, as text."""

    kind: str
    title: str
    detail: str = ""
    help: str = ""
    problems: list[str] = []


def console_routes() -> list[BaseRoute]:
    return [
        Route("/console", show),
        Route("/console/live", show_live),
        Route("/console/publish", _button("publish", _publish), methods=["POST"]),
        Route("/console/roll-back", _button("roll-back", _roll_back), methods=["POST"]),
        Route("/console/pause", _button("pause", _pause), methods=["POST"]),
        Route("/console/resume", _button("resume", _resume), methods=["POST"]),
        Route("/console/replay", _button("replay", _replay), methods=["POST"]),
        Mount("/console/static", StaticFiles(directory=STATIC)),
    ]


# --- looking ------------------------------------------------------------------


async def show(request: Request) -> Response:
    done = DONE.get(request.query_params.get("done", ""), "")
    return await _page(request, Notice(kind="done", title=done) if done else None)


async def show_live(request: Request) -> Response:
    """The part of the page that a small script fetches again and again."""
    return await _page(request, None, template="live.html")


async def _page(
    request: Request, notice: Notice | None, status: int = 200, template: str = "page.html"
) -> Response:
    services = _services(request)
    check_host(request, services.settings.console_hosts)
    token = token_of(request)
    page = await asyncio.to_thread(build_page, services, request.app.state.snapshots, token)
    html = templates.get_template(template).render(page=page, notice=notice)
    return with_token(request, HTMLResponse(html, status, HEADERS), token)


def _services(request: Request) -> Services:
    return request.app.state.services


# --- buttons ------------------------------------------------------------------

Action = Callable[[Services, Mapping[str, str]], object]


def _button(name: str, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        services = _services(request)
        check_host(request, services.settings.console_hosts)
        form = await read_form(request)
        try:
            await asyncio.to_thread(action, services, form)
        except (CatalogRefused, PublishRefused, StorageUnavailable) as error:
            notice, status = _refusal(services, error)
            return await _page(request, notice, status)
        return RedirectResponse(f"/console?done={name}", 303, HEADERS)

    return endpoint


def _publish(services: Services, form: Mapping[str, str]) -> None:
    services.catalog.publish(actor=ACTOR)


def _roll_back(services: Services, form: Mapping[str, str]) -> None:
    services.publisher.roll_back(_field(form, "bundle"), actor=ACTOR)


def _pause(services: Services, form: Mapping[str, str]) -> None:
    services.publisher.pause(_field(form, "offer"), actor=ACTOR)


def _resume(services: Services, form: Mapping[str, str]) -> None:
    services.publisher.resume(_field(form, "offer"), actor=ACTOR)


def _replay(services: Services, form: Mapping[str, str]) -> None:
    services.collector.replay_quarantine()


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
