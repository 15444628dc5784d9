"""Strangers at the door: how many of their batches are held in memory at once.

Beacons need no login, so whoever likes can send them.  What one request may cost is
bounded by the limits of a batch; how much of it there is at a time is bounded here, by the
sizes that requests declare: many small ones have as much room as few large ones.
Nothing is remembered per sender: a table of senders is itself something to fill.  The
shop's server, which shows its key, does not queue with strangers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.requests import Request

from control_plane.errors import Refused
from edge.decision.events import BATCH_LIMIT_BYTES

PLACES = 32
"""For batches of 512 KiB, which is what one may have and what one counts that does not say."""
ROOM_BYTES = PLACES * BATCH_LIMIT_BYTES
LEAST_BYTES = 16 << 10
"""What a small batch counts, since a request needs memory, too."""
RETRY_AFTER_S = 1
SIZE_DIGITS = 9


class Crowd:
    """For one event loop."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._free_bytes = room_bytes

    @contextmanager
    def place(self, request: Request | None = None) -> Iterator[None]:
        """Hold a place meanwhile, for what the request declares to be its size.

        Raises `Refused` busy when there is no room left.
        """
        size_bytes = size_of(request.headers if request else {})
        if size_bytes > self._free_bytes:
            raise Refused(
                "busy",
                "as many batches without the shop's key are being read as there is room for",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self._free_bytes -= size_bytes
        try:
            yield
        finally:
            self._free_bytes += size_bytes


def size_of(headers: Mapping[str, str]) -> int:
    """What a batch may come to; one that does not say may be as large as any."""
    declared = "" if "transfer-encoding" in headers else headers.get("content-length", "")
    if not declared.isdecimal() or len(declared) > SIZE_DIGITS:
        return BATCH_LIMIT_BYTES
    return min(max(int(declared), LEAST_BYTES), BATCH_LIMIT_BYTES)
