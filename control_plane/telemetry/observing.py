"""Around every request: its number in the logs, its span, its time.

What a request is called is in `naming.py`: never by the address that was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from random import getrandbits

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.telemetry.logs import CURRENT, Request, access
from control_plane.telemetry.metrics import Metrics
from control_plane.telemetry.naming import name_of, route_of
from control_plane.telemetry.spans import Span, request_span

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observing:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        with request_span(method, lambda: _trace_context(scope)) as span:
            await self._observe(scope, receive, send, method, span)
        return None

    async def _observe(
        self, scope: Scope, receive: Receive, send: Send, method: str, span: Span | None
    ) -> None:
        request = Request(f"{getrandbits(64):016x}", span.trace_id if span else "")
        token, began, status = CURRENT.set(request), time.perf_counter(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-request-id", request.request_id.encode())
                message["headers"] = [*message.get("headers", ()), named]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            name = name_of(scope)
            spent_s = time.perf_counter() - began
            self._metrics.answered(name, status, spent_s)
            if span is not None:
                span.answered(name, route_of(scope), status)
            if self._log:
                self._tell(name, method, status, spent_s)
            CURRENT.reset(token)

    def _tell(self, name: str, method: str, status: int, spent_s: float) -> None:
        fields = {
            "operation": name,
            "method": method,
            "status": status,
            "duration_ms": round(spent_s * 1000, 3),
        }
        access.info("answered", extra={"fields": fields})


def _trace_context(scope: Scope) -> Mapping[str, str]:
    headers = Headers(scope=scope)
    return {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
