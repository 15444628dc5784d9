"""What JavaScript lends, in one object, so that only `worker.py` imports it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from msgspec import Struct

from edge.asgi import Headers
from edge.decision.host import HostError

WaitUntil = Callable[[Awaitable[object]], object]
"""`ctx.waitUntil`: keeps the request's own context alive until this is done."""


class Platform(Struct, frozen=True):
    """`js` is JavaScript's global object, `error` what its exceptions are in Python,
    `null` its null."""

    js: Any
    error: type[Exception]
    null: Any

    def buffer(self, data: bytes) -> Any:
        """A Uint8Array with a copy of these bytes."""
        array = self.js.Uint8Array.new(len(data))
        if data:
            array.assign(data)
        return array

    def is_nothing(self, value: Any) -> bool:
        return value is None or value is self.null

    def pairs(self, headers: Any) -> Headers:
        """What JavaScript's Headers hold; each Set-Cookie by itself."""
        pairs = self.js.Array.from_(headers).to_py()
        return [(k.lower().encode("latin-1"), v.encode("latin-1", "replace")) for k, v in pairs]

    def headers(self, pairs: Headers) -> Any:
        """JavaScript's Headers with these."""
        made = self.js.Headers.new()
        for name, value in pairs:
            made.append(name.decode("latin-1"), value.decode("latin-1"))
        return made

    async def chunks(self, stream: Any) -> AsyncIterator[bytes]:
        """A ReadableStream's chunks; whoever stops early ends the stream."""
        reader = stream.getReader()
        done = False
        try:
            while True:
                step = await reader.read()
                if step.done:
                    done = True
                    return
                yield step.value.to_bytes()
        finally:
            if not done:
                _forget(reader.cancel())

    async def read(self, stream: Any, max_bytes: int, what: str) -> bytes:
        """All of a stream.  Raises `HostError` beyond `max_bytes`."""
        body = bytearray()
        chunks = self.chunks(stream)
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > max_bytes:
                    raise HostError(f"{what} has more than {max_bytes} bytes")
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]
        return bytes(body)


def _forget(promise: Any) -> None:
    """Nobody waits for it, and its failure is nobody's business."""
    task = asyncio.ensure_future(promise)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
