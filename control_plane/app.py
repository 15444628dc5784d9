"""The control plane as an ASGI application: routes, errors, and what runs beside them.

uvicorn --factory control_plane.app:create_app
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Lifespan

from control_plane.accounts.announcing import announce_setup, keep_accounts_swept
from control_plane.analysis.keeping import keep_compacted
from control_plane.api.all import OPERATIONS
from control_plane.api.limits import Limits
from control_plane.api.openapi import encoded
from control_plane.api.operation import Operation
from control_plane.api.serving import routes_of
from control_plane.audit.keeping import keep_checkpointed
from control_plane.collecting import LATE_EVERY_S
from control_plane.console.routes import console_routes
from control_plane.console.snapshots import Snapshots
from control_plane.crowd import Crowd
from control_plane.door import Door
from control_plane.errors import (
    Refused,
    answer_crash,
    answer_http,
    answer_refused,
    problem_response,
)
from control_plane.eventlog.background import keep_folded
from control_plane.issuing import NotOutYet
from control_plane.key_watch import keep_watched
from control_plane.learning.loop import keep_learning
from control_plane.pruning import keep_pruned
from control_plane.publishing import PublishRefused
from control_plane.releasing.watch import keep_releasing
from control_plane.rights.keeping import keep_erased
from control_plane.services import Background, Services
from control_plane.settings import Settings, read_settings
from control_plane.sparing import spare_collector
from control_plane.storage.objects import ObjectError, Tampered
from control_plane.storage.writer import RETRY_AFTER_S, StorageUnavailable
from control_plane.telemetry.logs import log_json
from control_plane.telemetry.metrics import Metrics
from control_plane.telemetry.observing import Observing
from control_plane.telemetry.pulse import beating
from control_plane.telemetry.tracing import tracing
from policy_compiler.diagnostics import CatalogRefused

log = logging.getLogger(__name__)


async def to_console(request: Request) -> Response:
    return RedirectResponse("/console", 307)


PAGES: list[BaseRoute] = [Route("/", to_console), *console_routes()]
"""What people open in a browser; the rest are operations (`api/all.py`)."""
BEACONS = "/v1/beacons"
ROUTES: list[BaseRoute] = [*routes_of(OPERATIONS), *PAGES]


async def keep_signed(services: Services) -> None:
    await asyncio.gather(*(each.keep_signed() for each in services.channels.values()))


async def keep_settled(services: Services) -> None:
    """Events that came before the decision or the order that they are about count by and by."""
    while True:
        await asyncio.sleep(LATE_EVERY_S)
        try:
            await asyncio.to_thread(services.collector.replay_late)
        except StorageUnavailable as error:
            log.warning("what waits in quarantine was not tried again: %s", error)


async def keep_swept(services: Services) -> None:
    await services.redemptions.keep_swept()


BACKGROUND: tuple[Background, ...] = (
    keep_signed,
    keep_swept,
    keep_settled,
    keep_pruned,
    keep_learning,
    keep_compacted,
    keep_checkpointed,
    keep_releasing,
    keep_watched,
    keep_folded,
    keep_erased,
    announce_setup,
    keep_accounts_swept,
)


async def answer_unavailable(request: Request, error: Exception) -> Response:
    name = "not-out-yet" if isinstance(error, NotOutYet) else "storage-unavailable"
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return problem_response(Refused(name, str(error), headers=headers))


async def answer_damaged(request: Request, error: Exception) -> Response:
    return problem_response(Refused("damaged", str(error)))


async def answer_not_published(request: Request, error: Exception) -> Response:
    """For callers of the API; the console shows the findings themselves."""
    help = error.help if isinstance(error, PublishRefused) else ""
    return problem_response(Refused("policy-refused", str(error), help=help))


Handler = Callable[[Request, Exception], Awaitable[Response]]

HANDLERS: dict[type[Exception], Handler] = {
    Refused: answer_refused,
    StorageUnavailable: answer_unavailable,
    ObjectError: answer_unavailable,
    Tampered: answer_damaged,
    CatalogRefused: answer_not_published,
    PublishRefused: answer_not_published,
    HTTPException: answer_http,
    Exception: answer_crash,
}


def assemble(
    settings: Settings,
    operations: Sequence[Operation],
    pages: Sequence[BaseRoute] = (),
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Operations and pages as one application; `lifespan` sets `app.state.services`."""
    routes = [*routes_of(operations), *pages]
    metrics = Metrics()
    around = [Middleware(Observing, metrics=metrics, log=settings.log == "json")]
    around += [
        Middleware(Door, operation=each, handlers=HANDLERS)
        for each in operations
        if each.path == BEACONS
    ]
    app = Starlette(
        routes=routes,
        exception_handlers=HANDLERS,  # type: ignore[arg-type]
        lifespan=lifespan,
        middleware=around,
    )
    app.state.metrics = metrics
    app.state.snapshots = Snapshots()
    app.state.crowd = Crowd()
    app.state.limits = Limits(settings.calls_per_s, settings.public_calls_per_s)
    app.state.openapi = msgspec.Raw(encoded(operations))
    # "/v1/drafts/" is the draft without a name, not the list of drafts
    app.router.redirect_slashes = False
    return app


def create_app(
    settings: Settings | None = None,
    background: Sequence[Background] = BACKGROUND,
    operations: Sequence[Operation] = OPERATIONS,
) -> Starlette:
    """The application; settings default to the environment, read once, here."""
    known = settings or read_settings(os.environ)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if known.log == "json":
            log_json()
        metrics: Metrics = app.state.metrics
        with tracing():
            services = await asyncio.to_thread(Services.open, known)
            app.state.services = services
            metrics.watch(services)
            tasks = [asyncio.create_task(_forever(run, services, metrics)) for run in background]
            if settings is None:
                spare_collector()  # the environment's settings: a server of its own
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.to_thread(services.close)

    return assemble(known, operations, PAGES, lifespan)


async def _forever(run: Background, services: Services, metrics: Metrics) -> None:
    """What fails beside the server is told and ends; the server goes on."""
    name = getattr(run, "__name__", type(run).__name__)
    try:
        with beating(metrics.begin(name)):
            await run(services)
    except Exception:
        log.exception("%s ended", name)
