"""What a home lends to the core's callers: bytes, a verifier, a clock, a way out.

A worker, a server and a browser each bring one `Host`; everything that can fail
or wait is behind it.  Paths are those of the object store: `keys/root.2.jws`,
`channels/production/edge.jws`, `bundles/<sha256>`.
"""

from __future__ import annotations

from typing import Protocol


class HostError(Exception):
    """The home could not do it (network, storage); trying again later may help."""


class NotFound(HostError):
    """There is no such file, which ends a chain of roots and is no fault of the network."""


class Host(Protocol):
    """All failures are `HostError`; nothing waits for ever."""

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        """A file of the store, as it is now.

        Stops reading and raises `HostError` beyond `max_bytes`.  Raises `NotFound`.
        """
        ...

    async def verify(self, key_x: bytes, message: bytes, signature: bytes) -> bool:
        """Whether this is an Ed25519 signature by the key (32 bytes); False for any nonsense."""
        ...

    def now_s(self) -> int:
        """Unix seconds."""
        ...

    async def send(self, events: bytes) -> None:
        """Hand a batch of events (`events.py`) on; returns when it is safe there."""
        ...

    async def load(self, path: str) -> bytes | None:
        """The signed file (manifest or root) saved under its path, or None.

        Whoever asks verifies it again: a saved manifest is the floor (`recall_floor`),
        a saved root keeps a removed key from coming back.
        """
        ...

    async def save(self, path: str, signed: bytes) -> None:
        """Keep a signed file, whole or not at all; after the policy was swapped in."""
        ...
