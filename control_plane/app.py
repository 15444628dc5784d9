"""The control plane as an ASGI application: routes, errors, and what runs beside them.

uvicorn --factory control_plane.app:create_app
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from control_plane import endpoints as api
from control_plane.console.routes import console_routes
from control_plane.console.snapshots import Snapshots
from control_plane.crowd import Crowd
from control_plane.errors import (
    Refused,
    answer_crash,
    answer_http,
    answer_refused,
    problem_response,
)
from control_plane.issuing import NotOutYet
from control_plane.learning.endpoints import learning_routes
from control_plane.learning.loop import keep_learning
from control_plane.publishing import PublishRefused
from control_plane.services import Background, Services
from control_plane.settings import Settings, read_settings
from control_plane.storage.objects import ObjectError, Tampered
from control_plane.storage.writer import RETRY_AFTER_S, StorageUnavailable
from policy_compiler.diagnostics import CatalogRefused

log = logging.getLogger(__name__)


async def to_console(request: Request) -> Response:
    return RedirectResponse("/console", 307)


ROUTES: list[BaseRoute] = [
    Route("/", to_console),
    Route("/healthz", api.healthz),
    Route("/problems/{name}", api.problem),
    Route("/v1/keys/root.{version:int}.jws", api.root),
    Route("/v1/channels/{channel}/{projection}.jws", api.manifest),
    Route("/v1/releases/{digest}", api.release),
    Route("/v1/bundles/{digest}", api.bundle),
    Route("/v1/beacons", api.beacons, methods=["POST"]),
    Route("/v1/redemptions/reserve", api.reserve, methods=["POST"]),
    Route("/v1/redemptions/commit", api.commit, methods=["POST"]),
    Route("/v1/redemptions/release", api.release_reservation, methods=["POST"]),
    Route("/v1/redemptions/reverse", api.reverse, methods=["POST"]),
    *learning_routes(),
    *console_routes(),
]


async def keep_signed(services: Services) -> None:
    await services.publisher.keep_signed()


async def keep_swept(services: Services) -> None:
    await services.redemptions.keep_swept()


BACKGROUND: tuple[Background, ...] = (keep_signed, keep_swept, keep_learning)


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


def create_app(
    settings: Settings | None = None, background: Sequence[Background] = BACKGROUND
) -> Starlette:
    """The application; settings default to the environment, read once, here."""
    known = settings or read_settings(os.environ)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        services = await asyncio.to_thread(Services.open, known)
        app.state.services = services
        tasks = [asyncio.create_task(_forever(run, services)) for run in background]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(services.close)

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        Refused: answer_refused,
        StorageUnavailable: answer_unavailable,
        ObjectError: answer_unavailable,
        Tampered: answer_damaged,
        CatalogRefused: answer_not_published,
        PublishRefused: answer_not_published,
        HTTPException: answer_http,
        Exception: answer_crash,
    }
    app = Starlette(routes=ROUTES, exception_handlers=handlers, lifespan=lifespan)  # type: ignore[arg-type]
    app.state.snapshots = Snapshots()
    app.state.crowd = Crowd()
    return app


async def _forever(run: Background, services: Services) -> None:
    """What fails beside the server is told and ends; the server goes on."""
    try:
        await run(services)
    except Exception:
        log.exception("%s ended", getattr(run, "__name__", run))
