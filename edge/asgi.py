"""The little of ASGI that the edge needs: a request, an answer, who sends it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
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
ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#@]+)(.*)", re.DOTALL)
"""A request target with scheme and host, which servers must understand (RFC 9112, 3.2.2)."""


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
        """All of it.  Raises `Problem` 413 beyond the limit."""
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > limit_bytes:
                raise Problem("too-large", f"The body has more than {limit_bytes} bytes.")
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


class Sender:
    """ASGI's `send`, which remembers whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        self.started = self.started or message["type"] == "http.response.start"
        await self._send(message)


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
    headers = [(b"content-type", PROBLEM_TYPE), NO_STORE, *problem.headers]
    return Answer(problem.status, headers, msgspec.json.encode(problem.body()))


def set_cookies(cookies: Iterable[str]) -> Headers:
    return [(b"set-cookie", cookie.encode("ascii")) for cookie in cookies]
