"""A fetch event as an ASGI conversation.

The app speaks ASGI in every home.  Here its answer becomes a `Response`: at once when it
is whole, and as a stream when more is to come; then the app goes on while the client
reads, held up by the client's own pace.  What the app passes through unread
(`asgi.PIPE`) never enters Python: the platform hands its bytes on.

An app that ends in the middle of an answer breaks the stream off, so that nobody takes
half of it for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from edge.asgi import PIPE, Message, Receive, Scope, Send
from edge.isolate.platform import Platform

WITHOUT_BODY = {101, 103, 204, 205, 304}
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Exchange:
    """One request and its answer: `answer` is a future JavaScript `Response`."""

    def __init__(self, platform: Platform, request: Any) -> None:
        self._platform = platform
        self._request = request
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._body: AsyncIterator[bytes] | None = None
        self._writer: Any = None
        self._head: dict[str, Any] = {}
        self._asked_for_all = False

    async def run(self, app: AsgiApp) -> None:
        """Let the app answer.  Never raises: what it raises before an answer is in `answer`."""
        try:
            await app(self._scope(), self._receive, self._send)
            if not self.answer.done():
                raise RuntimeError("the app gave no answer")
        except Exception as error:
            if not self.answer.done():
                self.answer.set_exception(error)
        finally:
            await self._break_off()

    async def _break_off(self) -> None:
        if self._writer is not None and not self._over.is_set():
            await self._quietly(self._writer.abort("the answer broke off"))
        self._over.set()

    async def _quietly(self, promise: Any) -> None:
        """The client has gone, or its stream has: then there is nobody to tell."""
        try:
            await promise
        except self._platform.error:
            self._over.set()

    # --- the request --------------------------------------------------------

    def _scope(self) -> Scope:
        js = self._platform.js
        url = js.URL.new(self._request.url)
        headers = self._platform.pairs(self._request.headers)
        address = dict(headers).get(b"cf-connecting-ip", b"").decode("latin-1")
        if b"host" not in dict(headers):
            headers.append((b"host", url.host.encode("latin-1")))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.protocol.rstrip(":"),
            "path": unquote(url.pathname),
            "raw_path": url.pathname.encode("latin-1"),
            "query_string": url.search[1:].encode("latin-1"),
            "headers": headers,
            "client": (address, 0),
            "extensions": {PIPE: {}},
        }

    async def _receive(self) -> Message:
        if self._body is None:
            stream = self._request.body
            nothing = self._platform.is_nothing(stream)
            self._body = no_chunks() if nothing else self._platform.chunks(stream)
        try:
            async for chunk in self._body:
                return {"type": "http.request", "body": chunk, "more_body": True}
        except self._platform.error:
            return {"type": "http.disconnect"}
        if self._asked_for_all:
            await self._over.wait()
            return {"type": "http.disconnect"}
        self._asked_for_all = True
        return {"type": "http.request", "body": b"", "more_body": False}

    # --- the answer ---------------------------------------------------------

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                self._head = dict(message)
            case "http.response.body" if self._writer is not None:
                await self._write(message)
            case "http.response.body" if message.get("more_body"):
                pipe = self._platform.js.IdentityTransformStream.new()
                self._writer = pipe.writable.getWriter()
                self._answer(pipe.readable)
                await self._write(message)
            case "http.response.body":
                body = message.get("body", b"")
                self._answer(self._platform.buffer(body) if body else None)
                self._over.set()
            case kind if kind == PIPE:
                self._answer(message["native"])
                self._over.set()

    async def _write(self, message: Message) -> None:
        if self._over.is_set():
            return
        if body := message.get("body", b""):
            await self._quietly(self._writer.write(self._platform.buffer(body)))
        if not message.get("more_body"):
            await self._quietly(self._writer.close())
            self._over.set()

    def _answer(self, body: Any) -> None:
        js, status = self._platform.js, self._head["status"]
        headers = self._platform.headers(self._head["headers"])
        empty = body is None or status in WITHOUT_BODY
        answer = js.Response.new(
            self._platform.null if empty else body, status=status, headers=headers
        )
        self.answer.set_result(answer)


async def no_chunks() -> AsyncIterator[bytes]:
    return
    yield b""
