"""The short way in for what comes far more often than everything else: strangers' beacons.

What one costs decides how many a process takes.  The long way is `api/serving.py`'s, for
whatever operation: Starlette asks each route in turn, wraps every call twice in handlers of
exceptions, and builds requests and responses that can do everything.  A batch that shows no key
and asks for nothing special needs none of that.  It meets the same limit on calls, the same
`endpoints.taken`, and its exceptions the same handlers; anything else goes the long way, and
whoever sends cannot tell which way it went.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.api.limits import Limits, address_of
from control_plane.api.operation import Operation
from control_plane.endpoints import taken
from control_plane.telemetry.naming import name_request

Handlers = Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]

HEADERS = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)


class Door:
    """An ASGI middleware, the innermost one.  `handlers` are those of the application."""

    def __init__(self, app: ASGIApp, operation: Operation, handlers: Handlers) -> None:
        self._app = app
        self._operation = operation
        self._media = operation.body_media
        # what nobody foresaw goes on to the middleware that answers 500 and logs it
        self._handlers = {kind: each for kind, each in handlers.items() if kind is not Exception}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_plain(scope):
            return await self._app(scope, receive, send)
        request = Request(scope, receive, send)
        headers = request.headers
        if "authorization" in headers or headers.get("content-type") != self._media:
            return await self._app(scope, receive, send)
        name_request(scope, self._operation.name, self._operation.path)
        try:
            limits: Limits = request.app.state.limits
            limits.addresses.take(address_of(request))
            receipt = await taken(request, request.app.state.services, from_shop=False)
        except Exception as error:
            return await (await self._answer(request, error))(scope, receive, send)
        body = msgspec.json.encode(receipt)
        length = (b"content-length", b"%d" % len(body))
        head = {"type": "http.response.start", "status": 202, "headers": [*HEADERS, length]}
        await send(head)
        await send({"type": "http.response.body", "body": body})
        return None

    def _is_plain(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["path"] == self._operation.path
            and scope["method"] == "POST"
            and not scope["query_string"]
        )

    async def _answer(self, request: Request, error: Exception) -> Response:
        for kind in type(error).__mro__:
            if kind in self._handlers:
                return await self._handlers[kind](request, error)
        raise error
