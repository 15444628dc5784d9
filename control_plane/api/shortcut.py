"""A way past the router, for the operation that is called far more often than all others.

What beacons cost decides how many of them one process takes.  Starlette asks each route in
turn whether a path is its own and wraps every call twice in handlers of exceptions; here one
comparison finds the operation, and its exceptions meet the same handlers.  Everything else of
a call (who, limits, types, answers; telemetry around it) is `serving.py`'s as for any other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.api.operation import Operation
from control_plane.api.serving import serve
from control_plane.telemetry.naming import name_request

Handlers = Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]


class Shortcut:
    """An ASGI middleware, the innermost one.  `handlers` are those of the application."""

    def __init__(self, app: ASGIApp, operation: Operation, handlers: Handlers) -> None:
        self._app = app
        self._operation = operation
        # what nobody foresaw goes on to the middleware that answers 500 and logs it
        self._handlers = {kind: each for kind, each in handlers.items() if kind is not Exception}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._operation
        is_ours = scope["type"] == "http" and scope["path"] == operation.path
        if not is_ours or scope["method"] != operation.method:
            return await self._app(scope, receive, send)
        name_request(scope, operation.name, operation.path)
        request = Request(scope, receive, send)
        response = await self._answer(request)
        return await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await serve(self._operation, request)
        except Exception as error:
            for kind in type(error).__mro__:
                if kind in self._handlers:
                    return await self._handlers[kind](request, error)
            raise
