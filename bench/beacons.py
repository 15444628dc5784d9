"""How fast beacons are acknowledged, each one synced to the disk, beside a bare 204.

python -m bench.beacons [--rounds N] [--seconds S] [--connections N ...] [--database URL]
                        [--write FILE]

Two servers, each a process of its own under uvicorn with the same options: `bare.py`, which
reads a request and answers 204, and a control plane with a published catalog, on SQLite (WAL,
`synchronous=FULL`) or on PostgreSQL.  The load comes from a third process (`beacons_client.py`)
over keep-alive connections.  In every round bare, single beacons and batches of ten take their
turns at each concurrency; told are medians over the rounds, and the median of the rounds'
ratios, since what else a machine does it does to all of them.

    rate        acknowledged beacons per second / bare answers per second     aim: 0.5
    p99         at most 4 times the bare p99 plus one sync of the disk, measured in between
    ten         events per second in batches of ten / in single beacons       aim: 5
    RSS         the most that the control plane ever had                      aim: 150 MB

The limit on calls per second from one address is set out of reach, and still counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from bench.beacons_client import Ran
from bench.report import machine
from tests.control_plane.shop import write_catalog
from tests.support.processes import Server, serving

CONNECTIONS = (8, 32, 128)
UVICORN = ("--port", "{port}", "--log-level", "warning", "--no-access-log")
BATCH = 10
KINDS = {"bare": 1, "single": 1, "ten": BATCH}
RATE, P99_TIMES, TEN, RSS_MB = 0.5, 4, 5.0, 150
SYNCS = 200


class Turn(Struct):
    """One run of the client."""

    connections: int
    kind: str
    ran: Ran
    sync_us: int


@contextmanager
def servers(place: Path, database: str) -> Iterator[dict[str, Server]]:
    env = {
        "PROFFER_DATA": str(place / "var"),
        "PROFFER_TENANT": "tinyshop",
        "PROFFER_CATALOG": str(write_catalog(place / "catalog")),
        "PROFFER_OPEN_CONSOLE": "true",
        "PROFFER_PUBLIC_CALLS_PER_S": "1000000",
        "DATABASE_URL": database,
    }
    python = (sys.executable, "-m", "uvicorn")
    with ExitStack() as stack:
        bare = stack.enter_context(serving([*python, "bench.bare:app", *UVICORN]))
        ours = [*python, "--factory", "control_plane.app:create_app", *UVICORN]
        plane = stack.enter_context(serving(ours, path="/healthz", env=env))
        yield {"bare": bare, "single": plane, "ten": plane}


RUNS = count(1)


def client(port: int, connections: int, seconds: float, events: int) -> Ran:
    said = [port, connections, seconds, events, next(RUNS)]
    command = [sys.executable, "-m", "bench.beacons_client", *map(str, said)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Ran)


def sync_us(place: Path) -> int:
    """The median of one fsync after 4 KiB, where the database is."""
    took = []
    with (place / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return round(median(took) * 1e6)


def measure(place: Path, there: dict[str, Server], chosen: argparse.Namespace) -> Iterator[Turn]:
    for number in range(chosen.rounds):
        for connections in chosen.connections:
            synced_us = sync_us(place)
            for kind in list(KINDS)[:: 1 if number % 2 else -1]:
                ran = client(there[kind].port, connections, chosen.seconds, KINDS[kind])
                yield Turn(connections, kind, ran, synced_us)


def peak_mb(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def line(turns: list[Turn], connections: int) -> tuple[str, bool]:
    """One concurrency in words; whether every aim was met."""
    of = {
        kind: [t for t in turns if (t.connections, t.kind) == (connections, kind)] for kind in KINDS
    }
    rates = {kind: [t.ran.per_s * KINDS[kind] for t in of[kind]] for kind in KINDS}
    p99_us = {kind: median(t.ran.p99_us for t in of[kind]) for kind in KINDS}
    synced_us = median(t.sync_us for t in of["bare"])
    share = median(a / b for a, b in zip(rates["single"], rates["bare"], strict=True))
    ten = median(a / b for a, b in zip(rates["ten"], rates["single"], strict=True))
    tail = (p99_us["single"] - synced_us) / p99_us["bare"]
    refused = sum(n for t in turns for s, n in t.ran.answers.items() if s not in (202, 204))
    text = (
        f"{connections:>11} {median(rates['bare']):>9,.0f} {median(rates['single']):>9,.0f}"
        f" {share:>6.2f} {p99_us['bare'] / 1000:>9.1f} {p99_us['single'] / 1000:>8.1f}"
        f" {tail:>6.1f} {synced_us / 1000:>7.2f} {median(rates['ten']):>9,.0f} {ten:>6.1f}"
        f" {refused:>8,}"
    )
    return text, share >= RATE and tail <= P99_TIMES and ten >= TEN and not refused


HEAD = (
    f"{'connections':>11} {'bare/s':>9} {'single/s':>9} {'rate':>6} {'bare p99':>9} {'p99 ms':>8}"
    f" {'times':>6} {'sync ms':>7} {'ten: ev/s':>9} {'times':>6} {'refused':>8}"
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.beacons", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--database", default="", help="PostgreSQL; default SQLite")
    parser.add_argument("--folder", type=Path, help="where data are kept; default: temporary")
    parser.add_argument("--write", type=Path, help="every run as JSON, to this file")
    chosen = parser.parse_args(argv)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=chosen.folder)))
        there = stack.enter_context(servers(place, chosen.database))
        turns = list(measure(place, there, chosen))
        memory_mb = peak_mb(there["single"])
    print(HEAD)
    lines = [line(turns, connections) for connections in chosen.connections]
    print("\n".join(text for text, _ in lines))
    print(f"RSS at most {memory_mb:.0f} MB")
    if chosen.write:
        chosen.write.write_bytes(msgspec.json.format(msgspec.json.encode(turns)))
    return int(not all(met for _, met in lines) or memory_mb > RSS_MB)


if __name__ == "__main__":
    sys.exit(main())
