"""Reading requests: bodies within limits of size and time, and of the right kind."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request

from control_plane.errors import Refused


async def read_body(request: Request, limit_bytes: int, *, within_s: float | None = None) -> bytes:
    """The whole body.  Raises `Refused` too-large without reading on, or too-slow.

    A small body comes along with its head: then there is nothing to wait for, and no timer is set.
    """
    steps = _read_body(request, limit_bytes).__await__()
    try:
        first = next(steps)
    except StopIteration as done:
        return done.value
    try:
        async with asyncio.timeout(within_s):
            return await _rest(steps, first)
    except TimeoutError:
        raise Refused("too-slow", f"the body was not there after {within_s:g} s") from None


@coroutine
def _rest(steps: Generator[Any, Any, bytes], first: Any) -> Generator[Any, Any, bytes]:
    """What is left of a coroutine that waits for `first`: `yield from`, begun in its middle."""
    try:
        while True:
            try:
                sent = yield first
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:
                first = steps.throw(error)
            else:
                first = steps.send(sent)
    except StopIteration as done:
        return done.value


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    """Straight from the server: `request.stream()` costs what a small body costs."""
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise Refused("too-large", f"the body has more than {limit_bytes} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def check_type(request: Request, *wanted: str) -> None:
    """Raises `Refused` wrong-type unless the body is of one of these media types."""
    sent = request.headers.get("content-type", "")
    if sent.partition(";")[0].strip().lower() not in wanted:
        raise Refused("wrong-type", f"Content-Type is {sent[:80]!a}, not {wanted[0]}")
