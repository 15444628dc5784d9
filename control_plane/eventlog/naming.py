"""Where everything of the event log is.

In the object store (a folder or a bucket), below `log/<tenant>/`:

    offsets.json                            how far each lane was folded: swapped
    segments/<lane>/000000000/001           the lane's first segment: created
    segments/<lane>/000000000/002           its second, and so on without a gap
    aside/<lane>/000000000/002              a copy of what could not be read or folded

In the data folder of each process, `spill/`, while the store is out of reach:

    <nanoseconds><random>.spill             held with flock by the process that lives

A *lane* is one writer for at most a day; its name begins with the second it began (8 hex
digits), and is random after that.  So nobody ever writes under a name that is in use.
"""

from __future__ import annotations

import re
import secrets
import time
from hashlib import sha256

PLAIN = re.compile(r"[a-wyz0-9][a-z0-9-]{0,62}")
"""Tenants that are written as they are; others by a hash behind an x."""
SHARD = 1000
"""Segments in one folder: a lane has hundreds of thousands."""


class Names:
    """Names of one tenant's log."""

    def __init__(self, tenant: str) -> None:
        folder = (
            tenant if PLAIN.fullmatch(tenant) else f"x{sha256(tenant.encode()).hexdigest()[:40]}"
        )
        self.root = f"log/{folder}/"
        self.offsets = f"{self.root}offsets.json"
        self.segments = f"{self.root}segments/"
        self.aside = f"{self.root}aside/"

    def lane(self, lane: str) -> str:
        return f"{self.segments}{lane}/"

    def segment(self, lane: str, number: int) -> str:
        return f"{self.lane(lane)}{_place(number)}"

    def set_aside(self, segment: str) -> str:
        """Where a copy of that segment goes."""
        return self.aside + segment.removeprefix(self.segments)


def number_of(name: str) -> int:
    """Of a segment."""
    _, shard, rest = name.rsplit("/", 2)
    return int(shard) * SHARD + int(rest)


def lane_of(name: str) -> str:
    return name.rsplit("/", 3)[1]


def new_lane() -> str:
    return f"{int(time.time()) & 0xFFFFFFFF:08x}{secrets.token_hex(8)}"


def _place(number: int) -> str:
    return f"{number // SHARD:09d}/{number % SHARD:03d}"
