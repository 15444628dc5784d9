"""Strangers at the door: how many of their batches are held in memory at once.

Beacons need no login, so whoever likes can send them.  What one request may cost is
bounded by the limits of a batch; how many requests there are at a time is bounded here.
Nothing is remembered per sender: a table of senders is itself something to fill.  The
shop's server, which shows its key, does not queue with strangers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from control_plane.errors import Refused

PLACES = 32
"""With batches of at most 512 KiB that is 16 MiB."""
RETRY_AFTER_S = 1


class Crowd:
    """For one event loop."""

    def __init__(self, places: int = PLACES) -> None:
        self._free = places
        self._places = places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place meanwhile.  Raises `Refused` busy when all are taken."""
        if not self._free:
            raise Refused(
                "busy",
                f"{self._places} batches without the shop's key are being read already",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
