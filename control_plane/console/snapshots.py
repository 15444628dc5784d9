"""Figures that several readers share: computed at most once a second, and less often
the longer it takes, so that looking at the console never slows the shop down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

from control_plane.console.figures import Figures

LEAST_S = 1.0
SHARE_OF_TIME = 0.1


class Snapshots:
    """The newest figures, for one `key` (what they depend on besides time)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._until = 0.0
        self._figures: Figures | None = None

    def get(self, key: Hashable, compute: Callable[[], Figures]) -> Figures:
        with self._lock:
            start = time.monotonic()
            if self._figures is None or key != self._key or start >= self._until:
                self._figures, self._key = compute(), key
                end = time.monotonic()
                self._until = end + max(LEAST_S, (end - start) / SHARE_OF_TIME)
            return self._figures
