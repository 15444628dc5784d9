"""The little of ASGI that the edge needs: a request, an answer, who sends it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    MutableMapping,
)
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from edge.problems import PROBLEM_TYPE, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

NO_STORE = (b"cache-control", b"private, no-store")
CLOSE = (b"connection", b"close")
BODY_WAIT_S = 20.0
"""For the whole body of a request that the edge answers, or for the next piece of another."""
ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#@]+)(.*)", re.DOTALL)
"""A request target with scheme and host, which servers must understand (RFC 9112, 3.2.2)."""


PIPE = "proffer.pipe"
"""An extension of ASGI.  A home that has it among its `extensions` takes, in place of a
body, a message of this type whose `native` is the home's own stream, and passes that on."""


class Disconnected(Exception):
    """The client went away before its request was whole."""


class Answer(Struct, frozen=True):
    """A whole response; names of headers are in lower case."""

    status: int
    headers: Headers = []
    body: bytes = b""


class Request:
    """A request of one client; header names come in lower case.

    `raw_path` is the path as it came, still percent-encoded.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode("utf-8", "replace")
        self.headers: Headers = list(scope["headers"])
        self.scheme: str = scope.get("scheme", "http")
        self.client: str = (scope.get("client") or ("",))[0]
        self.can_pipe: bool = PIPE in (scope.get("extensions") or {})
        self._query: bytes = scope.get("query_string", b"")
        self._receive = receive
        if absolute := ABSOLUTE.fullmatch(self.raw_path):
            self._take_host(absolute)

    def _take_host(self, absolute: re.Match[bytes]) -> None:
        """The host of an absolute target goes before the header."""
        self.raw_path = absolute[2] or b"/"
        self.path = unquote(self.raw_path.decode("latin-1"))
        self.headers = [(name, value) for name, value in self.headers if name != b"host"]
        self.headers.append((b"host", absolute[1]))

    @property
    def target(self) -> bytes:
        """Path and query as they came, still percent-encoded."""
        return self.raw_path + b"?" + self._query if self._query else self.raw_path

    def check(self) -> None:
        """Raises `Problem` 400 for what two servers could read in two ways."""
        if not self.raw_path.startswith(b"/") or b"#" in self.target or self.method == "CONNECT":
            detail = f"{self.method} {self.target[:80]!a} names no path of this server."
            raise Problem("malformed-request", detail, [CLOSE])
        if self.header("content-length") and self.header("transfer-encoding"):
            detail = "Content-Length and Transfer-Encoding contradict each other: send one of them."
            raise Problem("malformed-request", detail, [CLOSE])

    def header(self, name: str) -> str:
        """The header's values, joined; empty if there is none."""
        wanted = name.lower().encode("latin-1")
        separator = "; " if wanted == b"cookie" else ", "
        values = [value for key, value in self.headers if key == wanted]
        return separator.join(value.decode("latin-1") for value in values)

    async def body(self, limit_bytes: int) -> bytes:
        """All of it.  Raises `Problem` 413 beyond the limit, 408 if it takes too long."""
        body = bytearray()
        with late_is_408():
            async with asyncio.timeout(BODY_WAIT_S):
                async for chunk in self.stream(limit_bytes):
                    body += chunk
        return bytes(body)

    async def stream(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """Piece by piece.  Raises as `body`; the time is that of each piece."""
        more, size_bytes = True, 0
        while more:
            with late_is_408():
                async with asyncio.timeout(BODY_WAIT_S):
                    message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            more = message.get("more_body", False)
            chunk = message.get("body", b"")
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise too_large(limit_bytes)
            if chunk:
                yield chunk

    async def gone(self) -> None:
        """Returns when the client has gone away, or has its whole answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


@contextmanager
def late_is_408() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        detail = f"The request's body did not come within {BODY_WAIT_S} s."
        raise Problem("request-timeout", detail, [CLOSE]) from None


def too_large(limit_bytes: int) -> Problem:
    return Problem("too-large", f"The body has more than {limit_bytes} bytes.", [CLOSE])


class Sender:
    """ASGI's `send`, which remembers how the answer began; `status` 0: it has not."""

    def __init__(self, send: Send) -> None:
        self.status = 0
        self._send = send

    @property
    def started(self) -> bool:
        return bool(self.status)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


async def respond(send: Send, answer: Answer, with_body: bool = True) -> None:
    """Send a whole answer; without its body for HEAD."""
    own = [(b"date", formatdate(usegmt=True).encode())]
    if answer.status != 304:  # whose length would be that of what the client has
        own.append((b"content-length", str(len(answer.body)).encode()))
    await start(send, answer.status, [*answer.headers, *own])
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


async def start(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


def json_answer(value: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """JSON that no cache keeps."""
    content_type = (b"content-type", b"application/json")
    return Answer(200, [content_type, NO_STORE, *headers], msgspec.json.encode(value))


def problem_answer(problem: Problem) -> Answer:
    headers = [(b"content-type", PROBLEM_TYPE), NO_STORE, *problem.headers]
    return Answer(problem.status, headers, msgspec.json.encode(problem.body()))


def set_cookies(cookies: Iterable[str]) -> Headers:
    return [(b"set-cookie", cookie.encode("ascii")) for cookie in cookies]
