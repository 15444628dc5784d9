"""The little of ASGI that the edge needs: a request, an answer, a problem."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

NO_STORE = (b"cache-control", b"private, no-store")


class Problem(Exception):
    """A request that is not served: becomes `application/problem+json` (RFC 9457)."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = list(headers)


class Disconnected(Exception):
    """The client went away before its request was whole."""


class Answer(Struct, frozen=True):
    """A whole response; names of headers are in lower case."""

    status: int
    headers: Headers = []
    body: bytes = b""


class Request:
    """A request of one client; header names come in lower case."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = list(scope["headers"])
        self.scheme: str = scope.get("scheme", "http")
        self.client: str = (scope.get("client") or ("",))[0]
        self._scope = scope
        self._receive = receive

    @property
    def target(self) -> bytes:
        """Path and query as they came, still percent-encoded."""
        path = self._scope.get("raw_path") or self.path.encode()
        query = self._scope.get("query_string", b"")
        return path + b"?" + query if query else path

    def header(self, name: str) -> str:
        """The header's values, joined; empty if there is none."""
        wanted = name.lower().encode("latin-1")
        separator = "; " if wanted == b"cookie" else ", "
        values = [value for key, value in self.headers if key == wanted]
        return separator.join(value.decode("latin-1") for value in values)

    async def body(self, limit_bytes: int) -> bytes:
        """All of it.  Raises `Problem` 413 beyond the limit."""
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > limit_bytes:
                raise Problem(413, "too-large", f"The body has more than {limit_bytes} bytes.")
        return bytes(body)

    async def stream(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk

    async def gone(self) -> None:
        """Returns when the client has gone away, or has its whole answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def respond(send: Send, answer: Answer, with_body: bool = True) -> None:
    """Send a whole answer; without its body for HEAD."""
    own = [
        (b"content-length", str(len(answer.body)).encode()),
        (b"date", formatdate(usegmt=True).encode()),
    ]
    await start(send, answer.status, [*answer.headers, *own])
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


async def start(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


def json_answer(value: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """JSON that no cache keeps."""
    content_type = (b"content-type", b"application/json")
    return Answer(200, [content_type, NO_STORE, *headers], msgspec.json.encode(value))


def problem_answer(problem: Problem) -> Answer:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
    }
    content_type = (b"content-type", b"application/problem+json")
    return Answer(
        problem.status, [content_type, NO_STORE, *problem.headers], msgspec.json.encode(body)
    )


def set_cookies(cookies: Iterable[str]) -> Headers:
    return [(b"set-cookie", cookie.encode("ascii")) for cookie in cookies]
