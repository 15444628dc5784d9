"""kill -9 while batches stream in: every event that was acknowledged is there afterwards."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import msgspec
from sqlalchemy import select, text

from control_plane.storage import tables as t
from edge.decision.events import BATCH_TYPE
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.shop import event, write_catalog
from tests.support.processes import Server, serving

COMMAND = [
    sys.executable, "-m", "uvicorn", "--factory", "control_plane.app:create_app",
    "--port", "{port}", "--log-level", "warning",
]  # fmt: skip
SENDERS = 4
BATCH_EVENTS = 5


HOMES = BOTH
SQLITE_HOME = StorageHome("")


def environment(folder: Path, home: StorageHome = SQLITE_HOME) -> dict[str, str]:
    catalog = write_catalog(folder / "catalog")
    return {
        "PROFFER_DATA": str(folder / "var"),
        "PROFFER_TENANT": "tinyshop",
        "PROFFER_CATALOG": str(catalog),
        "PROFFER_OPEN_CONSOLE": "true",
        "DATABASE_URL": home.url,
    }


def batch(sender: int, number: int) -> bytes:
    data = {"decision": "a" * 32, "placement": "hero", "time_s": int(time.time())}
    names = [f"{sender}-{number}-{i}" for i in range(BATCH_EVENTS)]
    return msgspec.json.encode([event("shop.proffer.exposure", n, data) for n in names])


class Sender(threading.Thread):
    """Sends batch after batch until the server is gone; counts those it answered."""

    def __init__(self, server: Server, number: int) -> None:
        super().__init__()
        self.server = server
        self.number = number
        self.acknowledged = 0

    def run(self) -> None:
        headers = {"Content-Type": BATCH_TYPE}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=10) as client:
            while True:
                try:
                    body = batch(self.number, self.acknowledged)
                    answer = client.post("/v1/beacons", content=body)
                except httpx.TransportError:
                    return
                assert answer.status_code == 202, answer.text
                self.acknowledged += 1


def stored(folder: Path, home: StorageHome) -> set[str]:
    database = home.database(folder / "var")
    with database.reading() as connection:
        names = set(connection.scalars(select(t.events.c.id)))
        if not home.url:
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    database.close()
    return names


def test_a_killed_server_keeps_every_acknowledged_batch_and_no_half_of_any(
    tmp_path: Path, home: StorageHome
):
    env = environment(tmp_path, home)
    with serving(COMMAND, path="/healthz", env=env) as server:
        first = httpx.get(f"{server.url}/healthz").json()["sequence"]
        senders = [Sender(server, number) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        while any(sender.acknowledged < 20 for sender in senders):
            time.sleep(0.01)
        os.kill(server.process.pid, signal.SIGKILL)
        for sender in senders:
            sender.join(30)
        server.process.wait(10)
    names = stored(tmp_path, home)
    for sender in senders:
        for number in range(sender.acknowledged):
            assert f"{sender.number}-{number}-0" in names
            assert f"{sender.number}-{number}-4" in names
    sizes = Counter(name.rpartition("-")[0] for name in names)
    assert set(sizes.values()) == {BATCH_EVENTS}
    with serving(COMMAND, path="/healthz", env=env) as server:
        assert httpx.get(f"{server.url}/healthz").json()["sequence"] == first
        headers = {"Content-Type": BATCH_TYPE}
        again = httpx.post(f"{server.url}/v1/beacons", content=batch(0, 0), headers=headers)
        assert again.json() == {"accepted": 0, "duplicates": 5, "quarantined": 0}
    assert server.status == 0, server.output()
