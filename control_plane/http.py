"""Reading requests: bodies within limits, typed JSON, and who is calling."""

from __future__ import annotations

import asyncio
import hmac
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from control_plane.errors import Refused

T = TypeVar("T")
JSON_LIMIT_BYTES = 64 << 10


async def read_body(request: Request, limit_bytes: int, *, within_s: float | None = None) -> bytes:
    """The whole body.  Raises `Refused` too-large without reading on, or too-slow."""
    try:
        async with asyncio.timeout(within_s):
            return await _read_body(request, limit_bytes)
    except TimeoutError:
        raise Refused("too-slow", f"the body was not there after {within_s:g} s") from None


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise Refused("too-large", f"the body has more than {limit_bytes} bytes")
    return bytes(body)


def check_type(request: Request, wanted: str) -> None:
    """Raises `Refused` wrong-type unless the body is of this media type."""
    sent = request.headers.get("content-type", "")
    if sent.partition(";")[0].strip().lower() != wanted:
        raise Refused("wrong-type", f"Content-Type is {sent[:80]!a}, not {wanted}")


async def read_json(request: Request, kind: type[T]) -> T:
    """A JSON body of this type.  Raises `Refused`."""
    check_type(request, "application/json")
    body = await read_body(request, JSON_LIMIT_BYTES)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("malformed-request", f"body: {error}") from None


def json_response(value: object, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def is_shop(request: Request, shop_key: str) -> bool:
    """Whether the shop's key came along; raises `Refused` for a wrong one."""
    sent = request.headers.get("authorization")
    if sent is None:
        return False
    scheme, _, key = sent.partition(" ")
    right = hmac.compare_digest(key.strip().encode(), shop_key.encode())
    if scheme.lower() != "bearer" or not right:
        raise _unauthorized("the key in Authorization is not the shop's")
    return True


def require_shop(request: Request, shop_key: str) -> None:
    if not is_shop(request, shop_key):
        raise _unauthorized("there is no Authorization header")


def _unauthorized(what: str) -> Refused:
    return Refused("unauthorized", what, headers={"WWW-Authenticate": "Bearer"})
