"""The decision log on its way to the control plane: queued, batched, tried again.

    log() -> queue -> batch (250 ms after its first event, 200 events or 512 KiB) -> home.send

Logging never waits and never fails; it is a page that is being served.  The queue is
bounded: while the control plane is away longer than it lasts, the newest records are
dropped and counted.  What the control plane refuses for good is dropped and counted
too; everything else is tried again with growing pauses.  The name of an event is the
id of its first decision, so that sending twice counts once.

The source of its events tells edges apart, so that it can be measured when each of them
got a policy: `name` is asked once, at the first record, since some homes have no chance
before their first request.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from edge.decision.events import (
    BATCH_LIMIT_BYTES,
    EVENT_LIMIT_BYTES,
    DecisionData,
    Event,
)
from edge.decision.host import Host, HostError
from edge.home import Refused

QUEUE_LIMIT = 10_000
BATCH_EVENTS = 200
BATCH_WAIT_S = 0.25
RETRY_FIRST_S, RETRY_MOST_S = 0.25, 30.0
FLUSH_S = 5.0
PUSH_S = 60.0

logger = logging.getLogger("edge.outbox")


class Tally(Struct):
    """What became of the events so far."""

    sent: int = 0
    dropped_full: int = 0
    dropped_large: int = 0
    dropped_refused: int = 0
    failures: int = 0


class Outbox:
    """`run` it as a task; `log` is what decisions call."""

    def __init__(
        self,
        host: Host,
        secret: bytes,
        tenant: str,
        limit: int = QUEUE_LIMIT,
        name: Callable[[], str] = lambda: "",
    ) -> None:
        self.tally = Tally()
        self._host = host
        self._secret = secret
        self._tenant = tenant
        self._name = name
        self._source = ""
        self._limit = limit
        self._queue: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._full_batch = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._pushed: dict[int, tuple[float, list[bytes]]] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def log(self, decision: str, record: bytes) -> None:
        """Queue a decision's record; `decision` is the id of its first slot, hexadecimal."""
        self._source = self._source or source_of(self._tenant, self._name())
        event = encode_event(self._secret, self._source, decision, record)
        if len(event) > EVENT_LIMIT_BYTES:
            self.tally.dropped_large += 1
            logger.error("a record makes an event of %d bytes and was dropped", len(event))
        elif len(self._queue) >= self._limit:
            self._drop_full()
        else:
            self._queue.append(event)
            self._filled.set()
            if len(self._queue) >= BATCH_EVENTS:
                self._full_batch.set()

    def _drop_full(self) -> None:
        if not self.tally.dropped_full % 1000:
            logger.error("the decision log is full; records are being dropped")
        self.tally.dropped_full += 1

    def start(self) -> None:
        self._running = asyncio.create_task(self._run(), name="outbox")

    async def stop(self) -> None:
        """Send what is queued, as far as that goes within five seconds."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._flush()
        if self._queue:
            logger.error("%d records were not sent before the end", len(self._queue))

    async def push(self) -> None:
        """Send what is queued, each batch once; for homes that have no tasks of their own.

        Several may run at once, and each may be lost half-way: what a push took comes
        back when it fails, or when `PUSH_S` have passed without a word.
        """
        self._take_back(time.monotonic())
        while self._queue:
            events = self._next_batch()
            for _ in events:
                self._queue.popleft()
            key = id(events)
            self._pushed[key] = (time.monotonic() + PUSH_S, events)
            done = await self._try(events)
            if self._pushed.pop(key, None) and not done:
                self._queue.extendleft(reversed(events))
            if not done:
                return

    def _take_back(self, now_s: float) -> None:
        for key, (deadline_s, events) in list(self._pushed.items()):
            if now_s >= deadline_s:
                del self._pushed[key]
                self._queue.extendleft(reversed(events))

    async def _flush(self) -> None:
        while self._queue:
            await self._send_next()

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(BATCH_WAIT_S):
                    await self._full_batch.wait()
            await self._send_next()

    async def _send_next(self) -> None:
        """Send one batch, however often that takes."""
        events = self._next_batch()
        pause_s = RETRY_FIRST_S
        while not await self._try(events):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MOST_S)
        # Only now: an end in the middle of sending loses nothing.
        for _ in events:
            self._queue.popleft()
        if not self._queue:
            self._filled.clear()
        if len(self._queue) < BATCH_EVENTS:
            self._full_batch.clear()

    async def _try(self, events: list[bytes]) -> bool:
        """Whether these are done with: taken, or refused for good."""
        try:
            await self._host.send(b"[" + b",".join(events) + b"]")
        except Refused as error:
            self.tally.dropped_refused += len(events)
            logger.error("%d records were refused: %s", len(events), error)
        except HostError as error:
            self.tally.failures += 1
            logger.warning("%d records wait to be sent again: %s", len(events), error)
            return False
        else:
            self.tally.sent += len(events)
        return True

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size_bytes = 2
        for event in self._queue:
            size_bytes += len(event) + 1
            if len(batch) == BATCH_EVENTS or size_bytes > BATCH_LIMIT_BYTES:
                break
            batch.append(event)
        return batch


def source_of(tenant: str, name: str) -> str:
    """Who sends: the shop's edge, and which of them where it has a name."""
    return f"/edge/{tenant}/{name}" if name else f"/edge/{tenant}"


def encode_event(secret: bytes, source: str, decision: str, record: bytes) -> bytes:
    """The CloudEvent of a record, attested by this edge."""
    data = DecisionData(record=record, mac=hmac.digest(secret, record, "sha256").hex())
    event = Event(
        specversion="1.0",
        id=decision,
        source=source,
        type="shop.proffer.decision",
        data=msgspec.Raw(msgspec.json.encode(data)),
        datacontenttype="application/json",
    )
    return msgspec.json.encode(event)
