"""The edge as an ASGI application: decide, beacon, page script, health, and the page proxy.

    POST /_proffer/decide     decisions as JSON                        answering.py
    POST /_proffer/beacon     what pages saw                           beacons.py
    POST /_proffer/confirm    a token for what a page decided          confirming.py
    GET  /_proffer/page.js    the script that tells what pages saw     scripts.py
    GET  /_proffer/first...   the kernel script, for first paints      scripts.py
    GET  /_proffer/healthz    which policy runs, and what waits
    GET  /_proffer/metrics    numbers for Prometheus                   metering.py
    GET  /_proffer/problems/  what a problem's type means             problems.py
    POST /ofrep/v1/...        decisions as feature flags               ofrep.py
    anything else             from the shop's origin, its slots filled proxy.py

No framework: a home in a CDN worker brings none.  The application owns two tasks, the
refresh of the policy and the outbox of the decision log; ASGI's lifespan starts and
ends them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from edge.answering import answer_decide
from edge.asgi import (
    CLOSE,
    NO_STORE,
    Answer,
    Disconnected,
    Receive,
    Request,
    Scope,
    Send,
    Sender,
    json_answer,
    problem_answer,
    respond,
)
from edge.beacons import answer_beacon
from edge.confirming import answer_confirm
from edge.deciding import Desk
from edge.home import Home, OriginFailed
from edge.metering import METRICS_TYPE, SILENT, Meter, check_reader
from edge.ofrep import PREFIX as OFREP
from edge.ofrep import Ofrep
from edge.outbox import Outbox, Tally
from edge.policy import Policies, Refreshing
from edge.problems import PLACE, PROBLEMS, Problem
from edge.proxy import PageProxy
from edge.scripts import PAGE_SCRIPT, PREFIX, all_scripts
from edge.settings import Settings

NAME_BYTES = 8
"""Of chance, for the name under which this edge sends events."""

logger = logging.getLogger("edge.app")


class RunningPolicy(Struct, frozen=True):
    """The policy that decides; `age_s` since it was signed, bundles by SHA-256."""

    epoch: int
    sequence: int
    bundles: list[str]
    issued_s: int
    expires_s: int
    age_s: int


class Health(Struct, frozen=True):
    """`status`: ok, stale (the policy has expired) or no-policy; pages are served in any case.

    `open`: requests that are being answered right now, this one among them.
    """

    status: str
    policy: RunningPolicy | None
    refreshing: Refreshing
    open: int
    queued: int
    outbox: Tally


class App:
    def __init__(self, settings: Settings, home: Home, meter: Meter = SILENT) -> None:
        self.policies = Policies(settings, home)
        self.outbox = Outbox(
            home,
            settings.secrets.edge_secret,
            settings.tenant,
            name=lambda: home.random_bytes(NAME_BYTES).hex(),
        )
        self._settings = settings
        self._home = home
        self._meter = meter
        self._open = 0
        self._desk = Desk(settings, self.outbox, meter)
        self._proxy = PageProxy(settings, home, self._desk, meter)
        self._ofrep = Ofrep(settings, home, self._desk)
        self._scripts = all_scripts()
        self._routes: dict[str, tuple[str, Callable[[Request], Awaitable[Answer]]]] = {
            "decide": ("POST", self._decide),
            "confirm": ("POST", self._confirm),
            "beacon": ("POST", self._beacon),
            "healthz": ("GET", self._health),
            "metrics": ("GET", self._metrics),
            "problems/": ("GET", self._problem),
            **dict.fromkeys(self._scripts, ("GET", self._script)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(Request(scope, receive), Sender(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def start(self) -> None:
        """For homes without lifespan.  Raises `TrustError` for a pinned root that is none."""
        await self.policies.start()
        self.outbox.start()

    async def stop(self) -> None:
        await self.policies.stop()
        await self.outbox.stop()

    # --- requests -----------------------------------------------------------

    async def _serve(self, request: Request, send: Sender) -> None:
        begin_s = time.perf_counter()
        self._open += 1
        try:
            await self._serve_well(request, send)
        finally:
            self._open -= 1
            spent_s = time.perf_counter() - begin_s
            self._meter.answered(self._route_of(request.path), send.status, spent_s)

    async def _serve_well(self, request: Request, send: Sender) -> None:
        """An answer, or half of one: whatever fails after its beginning ends the connection."""
        try:
            await self._answer(request, send)
        except Disconnected:
            logger.debug("a client went away")
        except OriginFailed as error:
            logger.error("%s %s broke off: %s", request.method, request.path[:200], error)
        except asyncio.CancelledError:
            # The server is being stopped and has waited long enough.
            problem = Problem("stopping", "The edge was stopped before it could answer.", [CLOSE])
            await _apologise(request, send, problem)
        except Exception:
            logger.exception("a request failed")
            await _apologise(request, send, Problem("internal", "The request was not answered."))

    async def _answer(self, request: Request, send: Sender) -> None:
        try:
            request.check()
            if self._is_origins(request.path):
                await self._proxy.serve(request, send, self.policies.current)
                return
            answer = await self._handler(request)(request)
        except Problem as problem:
            answer = problem_answer(problem)
        await respond(send, answer, request.method != "HEAD")

    def _route_of(self, path: str) -> str:
        """One of a few names, whatever was asked for."""
        if self._is_origins(path):
            return "origin"
        if path.startswith(OFREP):
            return "ofrep"
        name = "problems/" if path.startswith(PLACE) else path.removeprefix(PREFIX)
        if name in self._scripts and name != PAGE_SCRIPT:
            return "first.js"
        return name.rstrip("/") if name in self._routes else "unknown"

    def _is_origins(self, path: str) -> bool:
        return not path.startswith((PREFIX, OFREP) if self._settings.ofrep else PREFIX)

    def _handler(self, request: Request) -> Callable[[Request], Awaitable[Answer]]:
        if request.path.startswith(OFREP):
            return self._flags
        name = "problems/" if request.path.startswith(PLACE) else request.path.removeprefix(PREFIX)
        method, handler = self._routes.get(name, ("", None))
        if handler is None:
            raise Problem("not-found", f"The edge has nothing at {request.path[:200]!a}.")
        if request.method != method and (method, request.method) != ("GET", "HEAD"):
            allow = (b"allow", method.encode())
            raise Problem("method-not-allowed", f"{request.path!a} takes {method}.", [allow])
        return handler

    async def _decide(self, request: Request) -> Answer:
        policy = self.policies.current
        return await answer_decide(request, self._settings, self._home, self._desk, policy)

    async def _flags(self, request: Request) -> Answer:
        return await self._ofrep.answer(request, self.policies.current)

    async def _beacon(self, request: Request) -> Answer:
        return await answer_beacon(request, self._settings, self._home, self.policies.current)

    async def _confirm(self, request: Request) -> Answer:
        policy = self.policies.current
        return await answer_confirm(request, self._settings, self._home, self._desk, policy)

    async def _script(self, request: Request) -> Answer:
        return self._scripts[request.path.removeprefix(PREFIX)].answer(request)

    async def _problem(self, request: Request) -> Answer:
        """What a problem's `type` points to."""
        name = request.path.removeprefix(PLACE)
        kind = PROBLEMS.get(name)
        if kind is None:
            raise Problem("not-found", f"There is no problem type {name[:80]!a}.")
        text = f"{kind.title} ({kind.status})\n\n{kind.help}\n"
        return Answer(200, [(b"content-type", b"text/plain; charset=utf-8")], text.encode())

    async def _health(self, request: Request) -> Answer:
        return json_answer(self.health())

    async def _metrics(self, request: Request) -> Answer:
        text = self._meter.text()
        if not text:
            raise Problem("not-found", "This home of the edge keeps no numbers.")
        check_reader(request, self._settings.secrets.metrics_token)
        return Answer(200, [(b"content-type", METRICS_TYPE), NO_STORE], text)

    def health(self) -> Health:
        running = self._running_policy()
        status = "no-policy"
        if running is not None:
            status = "ok" if self._home.now_s() < running.expires_s else "stale"
        return Health(
            status,
            running,
            self.policies.story,
            self._open,
            len(self.outbox),
            self.outbox.tally,
        )

    def _running_policy(self) -> RunningPolicy | None:
        policy = self.policies.current
        if policy is None:
            return None
        manifest = policy.manifest
        return RunningPolicy(
            epoch=manifest.epoch,
            sequence=manifest.sequence,
            bundles=[release.bundle for release in manifest.releases],
            issued_s=manifest.issued_s,
            expires_s=manifest.expires_s,
            age_s=self._home.now_s() - manifest.issued_s,
        )

    # --- lifespan -----------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            logger.exception("the edge cannot start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
            await self.stop()
        except asyncio.CancelledError:
            logger.warning("stopped at once; %d records were not sent", len(self.outbox))
            return
        await send({"type": "lifespan.shutdown.complete"})


async def _apologise(request: Request, send: Sender, problem: Problem) -> None:
    if not send.started:
        await respond(send, problem_answer(problem), request.method != "HEAD")


def create_app(settings: Settings, home: Home, meter: Meter = SILENT) -> App:
    """The application; run it in a server that speaks ASGI's lifespan."""
    return App(settings, home, meter)
