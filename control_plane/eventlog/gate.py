"""Whether the log's bucket answers, as far as this process knows."""

from __future__ import annotations

import time

REST_S = 1.0
"""After a failure the bucket is left alone for so long."""


class Gate:
    """Opened by every write that succeeds, shut by every one that fails."""

    def __init__(self) -> None:
        self.is_open = True
        self.segments = 0
        """Written by this process."""
        self._rested_s = 0.0

    @property
    def may_knock(self) -> bool:
        return self.is_open or time.monotonic() >= self._rested_s

    def succeeded(self) -> None:
        """A segment was written."""
        self.segments += 1
        self.is_open = True

    def failed(self) -> None:
        self._rested_s = time.monotonic() + REST_S
        self.is_open = False
