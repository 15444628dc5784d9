"""What keeps events: one interface, whatever is behind it.

`keep` returns only when the batch is durable: whoever awaited it may answer 2xx.  It
raises `StorageUnavailable` when nothing was kept, which becomes 503 with Retry-After;
the sender tries again, so a batch may come twice, and counts once by its events' names.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from control_plane.facts import Receipt
from control_plane.ingest.typed import Format


class Batch(Struct, frozen=True, kw_only=True):
    """Events as they came: unread, each in bytes of its own.

    `from_shop`: the shop's key came with them; `received_s`: when (Unix seconds).  Both
    belong to the arrival, and stay with the batch however late it is read.  `bot`: the
    sender's User-Agent is a robot's.
    """

    events: tuple[bytes, ...]
    from_shop: bool
    received_s: int
    format: Format = "cloudevents"
    bot: bool = False


class EventStore(Protocol):
    async def keep(self, batch: Batch) -> Receipt:
        """Keep a batch durably.  Raises `StorageUnavailable`; nothing was kept then."""
        ...
