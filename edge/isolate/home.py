"""The home in an isolate: sources, what survives, events, the origin.

Events are safe once the queue has them, or the control plane.  From the queue the
worker's own consumer (`hand_on`) takes them to the control plane; what it cannot hand
on stays in the queue, and in the end goes to the queue of the dead.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from edge.asgi import Headers
from edge.decision.events import BATCH_TYPE
from edge.decision.host import HostError
from edge.decision.jws import from_base64url
from edge.home import (
    AGAIN,
    Delivered,
    OriginFailed,
    OriginRequest,
    OriginTimeout,
    Refused,
    Unaskable,
    climbs,
)
from edge.isolate.platform import Platform
from edge.isolate.settings import Addresses, Lookup
from edge.isolate.sources import Address, Bucket, Namespace, PatientSource, Source, describe

CONTROL_TIMEOUT_S = 10.0
ANSWER_LIMIT_BYTES = 64 << 10
MESSAGE_LIMIT_BYTES = 96 << 10
"""Of a message in the queue; the platform takes 128 kB with what it adds."""
BUNDLES_KEPT_S = 90 * 86_400
WITHOUT_BODY = ("GET", "HEAD")


class IsolateHome:
    """A `Home` over bindings.  Making one does nothing yet."""

    def __init__(self, platform: Platform, lookup: Lookup, addresses: Addresses) -> None:
        self._platform = platform
        self._addresses = addresses
        self._source = PatientSource(platform, source_of(platform, lookup, addresses))
        self._kept = lookup("EDGE_KV")
        self._queue = lookup("BEACONS")

    def now_s(self) -> int:
        return int(time.time())

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    async def verify(self, key_x: bytes, message: bytes, signature: bytes) -> bool:
        subtle, buffer = self._platform.js.crypto.subtle, self._platform.buffer
        uses = self._platform.js.Array.of("verify")
        try:
            key = await subtle.importKey("raw", buffer(key_x), "Ed25519", False, uses)
            said = await subtle.verify("Ed25519", key, buffer(signature), buffer(message))
        except self._platform.error:
            return False
        return said is True

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        return await self._source.fetch(path, max_bytes)

    # --- what survives ------------------------------------------------------

    async def load(self, path: str) -> bytes | None:
        if self._kept is None:
            return None
        try:
            async with asyncio.timeout(CONTROL_TIMEOUT_S):
                found = await self._kept.get(path, "arrayBuffer")
        except (TimeoutError, self._platform.error) as error:
            raise HostError(f"{path} cannot be read: {describe(error)}") from None
        return None if self._platform.is_nothing(found) else found.to_bytes()

    async def save(self, path: str, signed: bytes) -> None:
        if self._kept is None or not is_news(signed, await self.load(path)):
            return
        life = {"expirationTtl": BUNDLES_KEPT_S} if path.startswith("bundles/") else {}
        try:
            async with asyncio.timeout(CONTROL_TIMEOUT_S):
                await self._kept.put(path, self._platform.buffer(signed), **life)
        except (TimeoutError, self._platform.error) as error:
            raise HostError(f"{path} cannot be saved: {describe(error)}") from None

    # --- events -------------------------------------------------------------

    async def send(self, events: bytes) -> None:
        await self.deliver(events)

    async def deliver(self, events: bytes) -> Delivered:
        if self._queue is None:
            return await self.hand_on(events)
        batch = msgspec.json.decode(events, type=list[msgspec.Raw])
        try:
            for message in messages(batch):
                await self._queue.send(message.decode(), contentType="text")
        except self._platform.error as error:
            raise HostError(f"the queue: {describe(error)}") from None
        return Delivered(accepted=len(batch), duplicates=0, quarantined=0)

    async def hand_on(self, events: bytes) -> Delivered:
        """To the control plane.  Raises `HostError`, and `Refused` where that is for good."""
        if not self._addresses.control_url:
            raise HostError("no control plane: PROFFER_CONTROL_URL is not set")
        try:
            async with asyncio.timeout(CONTROL_TIMEOUT_S):
                return await self._post_beacons(events)
        except (TimeoutError, self._platform.error) as error:
            raise HostError(f"beacons: {describe(error)}") from None

    async def _post_beacons(self, events: bytes) -> Delivered:
        js = self._platform.js
        answer = await js.fetch(
            f"{self._addresses.control_url}/v1/beacons",
            method="POST",
            headers=self._platform.headers([(b"content-type", BATCH_TYPE.encode())]),
            body=self._platform.buffer(events),
            redirect="manual",
        )
        said = b""
        if not self._platform.is_nothing(answer.body):
            said = await self._platform.read(answer.body, ANSWER_LIMIT_BYTES, "an answer")
        if 400 <= answer.status < 500 and answer.status not in AGAIN:
            raise Refused(f"beacons: the control plane answers {answer.status}: {said[:300]!a}")
        if not 200 <= answer.status < 300:
            raise HostError(f"beacons: the control plane answers {answer.status}")
        try:
            return msgspec.json.decode(said, type=Delivered)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise HostError(f"beacons: an answer {answer.status} without counts") from None

    # --- the origin ---------------------------------------------------------

    async def ask_origin(self, request: OriginRequest) -> IsolateOriginResponse:
        platform = self._platform
        url = self._origin_address(request)
        body, pumping = self._request_body(request)
        controller = platform.js.AbortController.new()
        try:
            async with asyncio.timeout(self._addresses.origin_timeout_s):
                answer = await platform.js.fetch(
                    url, method=request.method, headers=self._origin_headers(request),
                    redirect="manual", signal=controller.signal, **body,
                )  # fmt: skip
        except (TimeoutError, platform.error) as error:
            controller.abort()
            if pumping is not None:
                pumping.cancel()
            if isinstance(error, TimeoutError):
                raise OriginTimeout("it took too long to begin its answer") from None
            raise OriginFailed(describe(error)) from None
        return IsolateOriginResponse(platform, answer)

    def _origin_address(self, request: OriginRequest) -> str:
        origin = self._addresses.origin_url
        if not origin:
            said = dict(request.headers)
            host, scheme = said.get(b"host", b""), said.get(b"x-forwarded-proto", b"https")
            origin = f"{scheme.decode('latin-1')}://{host.decode('latin-1')}"
        elif origin.count("/") > 2 and climbs(request.target):
            raise Unaskable(f"{request.target[:80]!a} has a segment `..`")
        return origin + request.target.decode("latin-1")

    def _origin_headers(self, request: OriginRequest) -> Any:
        """`Host` is the address's own: the platform would not send another."""
        not_ours = (b"host", b"content-length")
        return self._platform.headers([h for h in request.headers if h[0] not in not_ours])

    def _request_body(self, request: OriginRequest) -> tuple[dict[str, Any], Any]:
        if request.body is None or request.method in WITHOUT_BODY:
            return {}, None
        length = dict(request.headers).get(b"content-length")
        js = self._platform.js
        pipe = js.FixedLengthStream.new(int(length)) if length else js.IdentityTransformStream.new()
        pumping = asyncio.ensure_future(self._pump(request.body, pipe.writable.getWriter()))
        return {"body": pipe.readable}, pumping

    async def _pump(self, body: AsyncIterator[bytes], writer: Any) -> None:
        with suppress(self._platform.error):  # the origin does not want more of it
            async for chunk in body:
                await writer.write(self._platform.buffer(chunk))
            await writer.close()


class IsolateOriginResponse:
    """`native` is JavaScript's own body, for answers that go through as they are."""

    def __init__(self, platform: Platform, answer: Any) -> None:
        self.status: int = answer.status
        self.headers: Headers = platform.pairs(answer.headers)
        self.native = None if platform.is_nothing(answer.body) else answer.body
        self._platform = platform
        self._taken = False

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.native is None:
            return
        self._taken = True
        try:
            async for chunk in self._platform.chunks(self.native):
                yield chunk
        except self._platform.error as error:
            raise OriginFailed(describe(error)) from None

    async def close(self) -> None:
        """An untaken body goes on to the client, or ends with the request."""


def source_of(platform: Platform, lookup: Lookup, addresses: Addresses) -> Source:
    if bucket := lookup("POLICY_BUCKET"):
        return Bucket(platform, bucket)
    if namespace := lookup("POLICY_KV"):
        return Namespace(platform, namespace)
    return Address(platform, f"{addresses.control_url}/v1" if addresses.control_url else "")


class _Place(Struct, frozen=True):
    """Where a manifest stands among all; roots have no sequence."""

    epoch: int
    sequence: int


def is_news(signed: bytes, kept: bytes | None) -> bool:
    """Whether to write this over what is kept.

    Every isolate saves, and writes are few and dear.  An isolate that is behind must not
    lower the floor under the others'.  What is kept is not verified for that: who can
    write there can lower the floor anyway.
    """
    if kept is None or kept == signed:
        return kept is None
    ours, theirs = _place_of(signed), _place_of(kept)
    if ours is None or theirs is None:
        return True
    return (ours.epoch, ours.sequence) > (theirs.epoch, theirs.sequence)


def _place_of(signed: bytes) -> _Place | None:
    try:
        _, payload, _ = signed.split(b".")
        return msgspec.json.decode(from_base64url(payload), type=_Place)
    except (ValueError, msgspec.MsgspecError):
        return None


def messages(batch: list[msgspec.Raw]) -> Iterator[bytes]:
    """The same events as arrays that fit into a message each."""
    taken: list[bytes] = []
    size_bytes = 2
    for event in map(bytes, batch):
        if taken and size_bytes + len(event) + 1 > MESSAGE_LIMIT_BYTES:
            yield b"[" + b",".join(taken) + b"]"
            taken, size_bytes = [], 2
        taken.append(event)
        size_bytes += len(event) + 1
    if taken:
        yield b"[" + b",".join(taken) + b"]"
