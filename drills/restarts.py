"""PostgreSQL is restarted and crashes, again and again, while people publish and beacons stream.

What must hold afterwards: every acknowledged event is stored once; every acknowledged signing
is in the history, with its bytes; sequences have neither gaps nor repeats; the channel's file
is the newest signing; and no process was restarted for it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import select

from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.signing import Signing
from control_plane.storage import tables as t
from control_plane.storage.failures import StorageUnavailable
from tests.control_plane.shop import event
from tests.support.bundles import tiny_bundle
from tests.support.postgres import Cluster

HOW = (signal.SIGINT, signal.SIGQUIT)
BATCH_EVENTS = 5
PATIENCE_S = 60.0


class Load(threading.Thread):
    """Does the same again and again; remembers what was acknowledged."""

    def __init__(self, act: Callable[[int], Any], done: threading.Event) -> None:
        super().__init__()
        self.act, self.done = act, done
        self.acknowledged: list[Any] = []
        self.refused = 0
        self.broken = ""

    def run(self) -> None:
        number = 0
        while not self.done.is_set():
            number += 1
            try:
                self.acknowledged.append(self.act(number))
            except StorageUnavailable:
                self.refused += 1
                time.sleep(0.02)
            except Exception as error:
                self.broken = repr(error)
                return


def drill(settings: Settings, cluster: Cluster, rounds: int) -> Counter[str]:
    """So many restarts under load.  Raises `AssertionError` for anything that does not hold."""
    services, done = Services.open(settings), threading.Event()
    publishing = [
        Load(lambda n, w=w: services.publisher.publish(_bundle(w, n), actor="drill"), done)
        for w in range(2)
    ]
    beacons = [Load(lambda n, w=w: _send(services, f"{w}-{n}"), done) for w in range(2)]
    try:
        for load in (*publishing, *beacons):
            load.start()
        for turn in range(rounds):
            _wait_for_progress((*publishing, *beacons))
            cluster.restart(HOW[turn % len(HOW)])
        _wait_for_progress((*publishing, *beacons))
    finally:
        done.set()
        for load in (*publishing, *beacons):
            load.join(PATIENCE_S)
    services.publisher.mend()
    signings = [signing for load in publishing for signing in load.acknowledged]
    names = [name for load in beacons for name in load.acknowledged]
    _check_signings(services, signings)
    _check_events(services, names)
    services.close()
    refused = sum(load.refused for load in (*publishing, *beacons))
    return Counter(
        restarts=rounds, publishes=len(signings), batches=len(names), told_unavailable=refused
    )


def _bundle(worker: int, number: int) -> bytes:
    return tiny_bundle(salt=f"{worker} {number}")


def _send(services: Services, name: str) -> str:
    data = {"decision": "a" * 32, "placement": "hero", "time_s": int(time.time())}
    events = [event("shop.proffer.exposure", f"{name}-{n}", data) for n in range(BATCH_EVENTS)]
    asyncio.run(services.collector.accept(msgspec.json.encode(events), from_shop=False))
    return name


def _wait_for_progress(loads: tuple[Load, ...]) -> None:
    """Everybody gets something done again: nothing had to be restarted."""
    before = [len(load.acknowledged) for load in loads]
    deadline_s = time.monotonic() + PATIENCE_S
    for load, count in zip(loads, before, strict=True):
        while len(load.acknowledged) < count + 2:
            assert not load.broken, load.broken
            assert time.monotonic() < deadline_s, "it does not go on after a restart"
            time.sleep(0.02)


def _check_signings(services: Services, acknowledged: list[Signing]) -> None:
    rows = {s.sequence: s.signed for s in services.publisher.signings.history(100_000)}
    assert sorted(rows) == list(range(1, len(rows) + 1)), "sequences have gaps"
    for signing in acknowledged:
        assert rows[signing.sequence] == signing.signed, f"{signing.sequence} was lost"
    live = services.publisher.live()
    assert live is not None
    assert services.store.get(services.publisher.channel_file) == live.signed


def _check_events(services: Services, acknowledged: list[str]) -> None:
    with services.database.reading() as connection:
        found = Counter(n.rpartition("-")[0] for n in connection.scalars(select(t.events.c.id)))
    lost = [name for name in acknowledged if found[name] != BATCH_EVENTS]
    assert not lost, f"{len(lost)} acknowledged batches were lost: {lost[:5]}"
