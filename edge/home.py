"""What a home lends to the whole app: the core's `Host`, chance, and the shop's origin."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from edge.asgi import Headers
from edge.decision.host import Host, HostError

AGAIN = {401, 403, 404, 408, 425, 429}
"""4xx that may pass: keys and addresses that somebody is about to put right, and haste."""


class Refused(HostError):
    """The control plane read it and will never take it; sending it again cannot help."""


class OriginFailed(HostError):
    """The shop's own server cannot be reached, or broke off."""


class OriginTimeout(OriginFailed):
    """The shop's own server took too long."""


class Unaskable(HostError):
    """The client's request cannot be passed on to the origin; the message says why."""


class OriginRequest(Struct, frozen=True):
    """What the origin is asked; `target` is path and query, `body` None for none."""

    method: str
    target: bytes
    headers: Headers
    body: AsyncIterator[bytes] | None = None


class OriginResponse(Protocol):
    """What it answers: chunks are as they came, whatever their content encoding."""

    status: int
    headers: Headers

    native: Any
    """What a home that knows `asgi.PIPE` passes on unread; None elsewhere."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Raises `OriginFailed` when it breaks off."""
        ...

    async def close(self) -> None: ...


class Delivered(Struct, frozen=True):
    """What the control plane did with a batch: counts of events, all of them safe there.

    `duplicates` it had before; `quarantined` do not count until a person mends their cause.
    """

    accepted: int
    duplicates: int
    quarantined: int


class Home(Host, Protocol):
    """`send` raises `Refused` when trying again cannot help."""

    async def deliver(self, events: bytes) -> Delivered:
        """As `send`, and tells what became of them."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can guess."""
        ...

    async def ask_origin(self, request: OriginRequest) -> OriginResponse:
        """Returns with the response's head; follows no redirects.

        Raises `OriginFailed`, and `Unaskable` for a request that cannot be put to it.
        """
        ...


def climbs(target: bytes) -> bool:
    """Whether a server, however it reads separators and escapes, may find `..` in the path."""
    return b".." in re.split(rb"[/\\]", unquote_to_bytes(target.partition(b"?")[0]))
