"""Load for `bench/beacons.py`, in a process of its own: as many acknowledgements as it can get.

    python -m bench.beacons_client PORT CONNECTIONS SECONDS EVENTS RUN [KEY]

Each connection is kept alive and sends a batch of `EVENTS` exposures when the one before was
answered.  Every event has a name and a decision of its own; `RUN` tells runs apart.  Sockets
and epoll, nothing else: the client shares the machine with the server.  The first tenth of
the time is not counted.  Prints one line of JSON (`Ran`).
"""

from __future__ import annotations

import select
import socket
import sys
import time
from array import array
from collections import Counter

import msgspec
from msgspec import Struct

from drills.load import exposure, post

WIDTH = 32
ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Times a number: names in no order, as those of browsers, each its own."""


class Ran(Struct):
    """What a run saw; latencies in microseconds, of 2xx only."""

    answers: dict[int, int]
    seconds: float
    p50_us: int
    p99_us: int
    max_us: int
    without_retry_after: int = 0
    """Answers of 503 that do not say when to come again."""

    @property
    def good(self) -> int:
        return sum(n for status, n in self.answers.items() if status < 300)

    @property
    def per_s(self) -> float:
        return self.good / self.seconds


def template(run: int, events: int, key: str) -> list[bytes]:
    """A request cut at its numbers: names and decisions stand in as zeros."""
    name, decision = "N" * WIDTH, "D" * 32
    made = [exposure(f"{run}-{name}", int(time.time())) for _ in range(events)]
    for each in made:
        each["data"]["decision"] = decision
    whole = post(msgspec.json.encode(made), key=key)
    return whole.replace(decision.encode(), name.encode()).split(name.encode())


class Client:
    """All connections."""

    def __init__(self, port: int, connections: int, events: int, run: int, key: str = "") -> None:
        self._parts = template(run, events, key)
        self._size = len(self._parts) // 2
        self._run = run
        self._next = 0
        self._poll = select.epoll()
        self._lines: dict[int, socket.socket] = {}
        self._began: dict[int, float] = {}
        self._got: dict[int, bytes] = {}
        for _ in range(connections):
            line = socket.create_connection(("127.0.0.1", port))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines[line.fileno()] = line
            self._got[line.fileno()] = b""
            self._poll.register(line.fileno(), select.EPOLLIN)
        self._answers: Counter[int] = Counter()
        self._took = array("d")
        self._silent = 0

    def _request(self) -> bytes:
        pieces = [self._parts[0]]
        for place in range(self._size):
            number = self._next + (self._run << 64)
            self._next += 1
            mixed = b"%032x" % (number * ODD % (1 << 128))
            pieces += (
                mixed, self._parts[2 * place + 1], mixed, self._parts[2 * place + 2],
            )  # fmt: skip
        return b"".join(pieces)

    def _ask(self, number: int) -> None:
        self._began[number] = time.perf_counter()
        self._lines[number].send(self._request())

    def run(self, seconds: float) -> Ran:
        for number in self._lines:
            self._ask(number)
        warm, end = time.perf_counter() + seconds / 10, time.perf_counter() + seconds
        while time.perf_counter() < warm:
            self._turn()
        self._answers.clear()
        del self._took[:]
        began = time.perf_counter()
        while time.perf_counter() < end:
            self._turn()
        return self._ran(time.perf_counter() - began)

    def _turn(self) -> None:
        for number, _ in self._poll.poll(1):
            got = self._got[number] + self._lines[number].recv(1 << 16)
            if not is_whole(got):
                self._got[number] = got
                continue
            self._got[number] = b""
            status = int(got[9:12])
            self._answers[status] += 1
            if status < 300:
                self._took.append(time.perf_counter() - self._began[number])
            elif b"retry-after: " not in got.lower():
                self._silent += 1
            self._ask(number)

    def _ran(self, seconds: float) -> Ran:
        took = sorted(self._took) or [0.0]
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        micros = [round(each * 1e6) for each in (p50, p99, took[-1])]
        return Ran(dict(self._answers), seconds, *micros, without_retry_after=self._silent)


def is_whole(got: bytes) -> bool:
    head = got.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = got.lower().find(b"content-length: ", 0, head)
    if at < 0:
        return True
    return len(got) - head - 4 >= int(got[at + 16 : got.find(b"\r", at)])


def main(argv: list[str]) -> None:
    port, connections, seconds, events, run, *key = argv
    client = Client(int(port), int(connections), int(events), int(run), *key)
    print(msgspec.json.encode(client.run(float(seconds))).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
