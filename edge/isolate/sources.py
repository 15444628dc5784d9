"""Where signed files come from: an R2 bucket, a KV namespace, or an address.

All three hold the paths of the object store: `keys/root.2.jws`,
`channels/production/edge.jws`, `bundles/<sha256>`.  None of them is trusted: what they
give is verified by whoever asks.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from edge.decision.host import HostError, NotFound
from edge.isolate.platform import Platform

PATIENCE_S = 10.0
"""For one file, whole: a body that drips must not hold a refresh."""


class Source(Protocol):
    async def fetch(self, path: str, max_bytes: int) -> bytes:
        """As `Host.fetch`."""
        ...


class PatientSource:
    """A source that is given `PATIENCE_S`, and whose failures are all `HostError`."""

    def __init__(self, platform: Platform, source: Source) -> None:
        self._platform = platform
        self._source = source

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._source.fetch(path, max_bytes)
        except TimeoutError:
            raise HostError(f"{path}: not whole within {PATIENCE_S:g} s") from None
        except self._platform.error as error:
            raise HostError(f"{path}: {describe(error)}") from None


class Bucket:
    """An R2 bucket."""

    def __init__(self, platform: Platform, bucket: Any) -> None:
        self._platform = platform
        self._bucket = bucket

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        found = await self._bucket.get(path)
        if self._platform.is_nothing(found):
            raise NotFound(f"there is no {path} in the bucket")
        return await self._platform.read(found.body, max_bytes, path)


class Namespace:
    """A KV namespace.  Its own caches keep a file, and also its absence, for a minute."""

    def __init__(self, platform: Platform, namespace: Any) -> None:
        self._platform = platform
        self._namespace = namespace

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        found = await self._namespace.get(path, "stream")
        if self._platform.is_nothing(found):
            raise NotFound(f"there is no {path} in the namespace")
        return await self._platform.read(found, max_bytes, path)


class Address:
    """A control plane, or whatever serves its files: `<address>/<path>`."""

    def __init__(self, platform: Platform, address: str) -> None:
        self._platform = platform
        self._address = address.rstrip("/")

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        platform = self._platform
        answer = await platform.js.fetch(f"{self._address}/{path}", redirect="manual")
        if answer.status == 404:
            raise NotFound(f"there is no {path}")
        if answer.status != 200 or platform.is_nothing(answer.body):
            raise HostError(f"{path}: the answer is a {answer.status}")
        return await platform.read(answer.body, max_bytes, path)


def describe(error: Exception) -> str:
    """The first line of what JavaScript said."""
    return (str(error) or type(error).__name__).partition("\n")[0][:300]
