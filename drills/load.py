"""Beacons, as fast as they are acknowledged, and the memory of what was: for drills.

    sender = Sender(prefix="k1", size=1)
    with sender.at(port):            one life of a server; it may be killed meanwhile
        ...
    sender.acked, sender.unsure      numbers of batches

Each of `connections` keep-alive connections sends a batch, waits for its answer, and sends
the next.  An answer of 202 is remembered as an acknowledgement.  A batch without one (503, or
the connection broke) is *unsure*: it is sent again, the same bytes, before anything new, in
this life or the next; so whatever was stored without an acknowledgement comes twice, and must
still count once.  Anything but a 202 whose receipt fits, or a 503 with Retry-After, is `wrong`.

`counting.py` compares this memory with what a store holds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from edge.decision.events import BATCH_TYPE

CONNECTIONS = 16
PAUSE_S = 0.02
"""How long a connection waits after it was told that the server cannot store."""
RETRY_S = 0.05
"""After which a connection that broke is tried anew, while the life goes on."""
JOIN_S = 30.0


class Told(Struct):
    """A receipt, as far as drills care; `quarantined` must be 0, since all we send is good."""

    accepted: int
    duplicates: int
    quarantined: int


class Response(Struct, frozen=True):
    """`body` without its head."""

    status: int
    headers: dict[str, str]
    """By name, in lower case."""
    body: bytes


# --- what is sent -------------------------------------------------------------


def decision_of(name: str) -> str:
    """The decision that the exposure of this name is about: each its own."""
    return sha256(name.encode()).hexdigest()[:32]


def exposure(name: str, time_s: int) -> dict[str, Any]:
    data = {"decision": decision_of(name), "placement": "hero", "time_s": time_s}
    return {
        "specversion": "1.0", "type": "shop.proffer.exposure", "id": name, "source": "/drill",
        "data": data,
    }  # fmt: skip


def post(body: bytes, *, key: str = "", path: str = "/v1/beacons") -> bytes:
    """The bytes of a request that sends a batch; `key`: the shop's."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {BATCH_TYPE}",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode() + body


# --- who sends ----------------------------------------------------------------


class Sender:
    """Numbered batches of `size` exposures; the events of batch 7 are `prefix-7-0`, and so on."""

    def __init__(
        self,
        prefix: str,
        *,
        size: int = 1,
        connections: int = CONNECTIONS,
        key: str = "",
        pause_s: float = PAUSE_S,
    ) -> None:
        self.prefix = prefix
        self.size = size
        self.connections = connections
        self.pause_s = pause_s
        self.acked: set[int] = set()
        self.unsure: deque[int] = deque()
        self.sent = 0
        """Batches that were begun; their numbers are those below."""
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self._key = key
        self._time_s = int(time.time())

    def names(self, number: int) -> list[str]:
        return [f"{self.prefix}-{number}-{n}" for n in range(self.size)]

    def next_number(self) -> int:
        if self.unsure:
            return self.unsure.popleft()
        self.sent += 1
        return self.sent - 1

    def request(self, number: int) -> bytes:
        """The same bytes each time."""
        events = [exposure(name, self._time_s) for name in self.names(number)]
        return post(msgspec.json.encode(events), key=self._key)

    def answered(self, number: int, response: Response) -> bool:
        """Remember the answer; whether it was an acknowledgement."""
        self.statuses[response.status] += 1
        if response.status == 202 and self._fits(response.body):
            self.acked.add(number)
            return True
        self.unsure.append(number)
        if response.status != 503 or "retry-after" not in response.headers:
            self.wrong.append(f"{response.status}: {response.body[:200]!r}")
        return False

    def _fits(self, body: bytes) -> bool:
        told = msgspec.json.decode(body, type=Told)
        return not told.quarantined and told.accepted + told.duplicates == self.size

    @contextmanager
    def at(self, port: int) -> Iterator[None]:
        """Send to the server at this port meanwhile."""
        life = _Life(self, port)
        life.start()
        try:
            yield
        finally:
            life.over.set()
            life.join(JOIN_S)
            assert not life.is_alive(), "the load does not end"
        assert not life.broken, life.broken

    def wait_for(self, more: int, within_s: float = 60.0) -> None:
        """Until so many more batches are acknowledged."""
        wanted, deadline_s = len(self.acked) + more, time.monotonic() + within_s
        while len(self.acked) < wanted:
            assert time.monotonic() < deadline_s, f"not acknowledged: {dict(self.statuses)}"
            time.sleep(0.002)


class _Life(threading.Thread):
    """All connections to one server."""

    def __init__(self, sender: Sender, port: int) -> None:
        super().__init__(name="load", daemon=True)
        self.over = threading.Event()
        self.broken = ""
        self._sender = sender
        self._port = port

    def run(self) -> None:
        try:
            asyncio.run(self._all())
        except Exception as error:
            self.broken = repr(error)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._sender.connections):
                group.create_task(self._one())

    async def _one(self) -> None:
        while not self.over.is_set():
            try:
                line = await Line.to(self._port)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            try:
                await self._talk(line)
            finally:
                line.close()

    async def _talk(self, line: Line) -> None:
        sender = self._sender
        while not self.over.is_set():
            number = sender.next_number()
            try:
                response = await line.ask(sender.request(number))
            except (OSError, EOFError):
                sender.unsure.append(number)
                return
            if not sender.answered(number, response) and sender.pause_s:
                await asyncio.sleep(sender.pause_s)
            if response.headers.get("connection", "") == "close":
                return


# --- a connection -------------------------------------------------------------


class Line(asyncio.Protocol):
    """A connection that is kept alive: one request at a time."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._waiting: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None
        self._broken = False

    @classmethod
    async def to(cls, port: int) -> Line:
        """Raises OSError if nobody listens."""
        _, line = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return line

    async def ask(self, request: bytes) -> Response:
        """Raises EOFError if the connection breaks before the answer is whole."""
        if self._broken or self._transport is None:
            raise EOFError
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        response = whole(self._got)
        if response is not None and self._waiting is not None and not self._waiting.done():
            self._got.clear()
            self._waiting.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(EOFError())


def whole(got: bytearray) -> Response | None:
    """The response, once all of it is there."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    status, *lines = got[:end].decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = bytes(got[end + 4 :])
    if len(body) < int(headers.get("content-length", "0")):
        return None
    return Response(int(status.split()[1]), headers, body)
