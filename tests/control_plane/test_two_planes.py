"""Two control planes on one PostgreSQL and one bucket: one channel, one book, one learner.

They are real processes, behind real sockets; an edge follows the bucket itself.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from control_plane.errors import Refused
from control_plane.learning.lease import Lease
from control_plane.redemption import Reserve
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from edge.decision.claims import read_manifest
from edge.decision.jws import read_compact
from edge.decision.trust import MANIFEST_TYPE
from policy_compiler.keys import DevelopmentKeys
from tests.control_plane.shop import Edge, event, write_catalog
from tests.support.processes import Server, serving
from tests.support.s3 import Bucket

PLANE = [
    sys.executable, "-m", "uvicorn", "--factory", "control_plane.app:create_app",
    "--port", "{port}", "--log-level", "warning",
]  # fmt: skip
EDGE = [sys.executable, "-m", "control_plane.cli", "edge", "--port", "{port}", "--plain"]
CHANNEL = "v1/channels/production/edge.jws"
NOW_S = int(time.time())
PUBLISHES = 9
CLIENTS = 2


def sequence_in(signed: bytes) -> int:
    return read_manifest(read_compact(signed, MANIFEST_TYPE).payload).sequence


def environment(folder: Path, url: str, bucket: Bucket) -> dict[str, str]:
    """Of one of the processes: a folder of its own, with the keys that all of them share."""
    return bucket.server.environ | {
        "PROFFER_DATA": str(folder),
        "PROFFER_TENANT": "tinyshop",
        "PROFFER_CATALOG": str(folder.parent / "catalog"),
        "DATABASE_URL": url,
        "PROFFER_OPEN_CONSOLE": "true",
        "PROFFER_OBJECT_STORE": f"{bucket.url}/v1",
    }


def two_folders(place: Path) -> list[Path]:
    write_catalog(place / "catalog")
    DevelopmentKeys.load_or_create(place / "one" / "keys")
    shutil.copytree(place / "one" / "keys", place / "two" / "keys")
    return [place / "one", place / "two"]


class Client(threading.Thread):
    """Presses the console's buttons of one process, one after the other."""

    def __init__(self, server: Server, number: int) -> None:
        super().__init__()
        self.server, self.number = server, number
        self.statuses: list[int] = []

    def run(self) -> None:
        headers = {"Origin": self.server.url, "Cookie": "proffer_console=token"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60) as client:
            for turn in range(PUBLISHES):
                button = ("publish", "pause", "pause")[(turn + self.number) % 3]
                form = {"csrf": "token", "offer": "five-off"}
                answer = client.post(f"/console/{button}", data=form)
                self.statuses.append(answer.status_code)


@contextmanager
def watching(look: Callable[[], bytes | None]) -> Iterator[list[int]]:
    """What is seen of a channel, again and again, while the block runs."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if (signed := look()) is not None:
                seen.append(sequence_in(signed))
            time.sleep(0.05)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def signed_rows(url: str) -> list[Any]:
    database = Database(url, "tinyshop")
    with database.reading() as connection:
        rows = connection.execute(select(t.signings).order_by(t.signings.c.sequence)).all()
    database.close()
    return list(rows)


def following(place: Path, bucket: Bucket, origin: str) -> list[str]:
    (place / "root.1.jws").write_bytes(bucket.get("v1/keys/root.1.jws") or b"")
    return [
        *EDGE, "--origin", origin, "--control", f"{bucket.server.url}/{bucket.name}",
        "--root", str(place / "root.1.jws"), "--store", str(place / "edge"), "--refresh", "0.1",
        "--secrets", str(place / "one" / "keys" / "development-keys.json"),
    ]  # fmt: skip


def test_two_processes_publish_at_once_and_the_channel_is_one(
    tmp_path: Path, postgres_url: str, bucket: Bucket
):
    bucket.open_to_all()
    folders = two_folders(tmp_path)
    environments = [environment(folder, postgres_url, bucket) for folder in folders]
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(serving(PLANE, path="/healthz", env=env)) for env in environments
        )
        follow = following(tmp_path, bucket, first.url)
        edge = stack.enter_context(serving(follow, path="/_proffer/healthz"))
        seen = [
            stack.enter_context(watching(lambda: bucket.get(CHANNEL))),
            stack.enter_context(watching(lambda: httpx.get(f"{first.url}/{CHANNEL}").content)),
        ]
        clients = [Client(server, n) for n in range(CLIENTS) for server in (first, second)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        rows = signed_rows(postgres_url)
        at_edge = wait_for_edge(edge, rows[-1].sequence)
    assert [client.statuses for client in clients] == [[303] * PUBLISHES] * len(clients)
    expected = 1 + PUBLISHES * len(clients)
    assert [row.sequence for row in rows] == list(range(1, expected + 1))
    assert bucket.get(CHANNEL) == rows[-1].signed
    for sequences in seen:
        assert sequences == sorted(sequences)
        assert len(set(sequences)) > 3
    assert at_edge["refreshing"]["refused"] is None, at_edge
    assert "ROLLBACK" not in edge.output() and "FORK" not in edge.output()


def wait_for_edge(edge: Server, sequence: int) -> Any:
    deadline_s = time.monotonic() + 20
    while True:
        health = httpx.get(f"{edge.url}/_proffer/healthz").json()
        if health["policy"] and health["policy"]["sequence"] == sequence:
            return health
        assert time.monotonic() < deadline_s, health
        time.sleep(0.05)


# --- the same, in one process: two control planes that share nothing but storage -----


@pytest.fixture
def planes(tmp_path: Path, postgres_url: str) -> Iterator[list[Services]]:
    """Opened at the same moment, on a database where nothing was published yet."""
    folders = two_folders(tmp_path)
    settings = [
        Settings(
            data=folder,
            tenant="tinyshop",
            catalog=tmp_path / "catalog",
            database_url=postgres_url,
        )
        for folder in folders
    ]
    (tmp_path / "two" / "objects").symlink_to(tmp_path / "one" / "objects")
    (tmp_path / "one" / "objects").mkdir()
    with ThreadPoolExecutor(2) as threads:
        opened = list(threads.map(Services.open, settings))
    yield opened
    for services in opened:
        services.close()


def test_two_first_starts_make_one_root_and_one_channel(planes: list[Services]):
    lives = [services.publisher.live() for services in planes]
    assert lives[0] == lives[1] and lives[0] is not None
    for services in planes:
        services.publisher.resign()
    assert planes[0].publisher.live() == planes[1].publisher.live()


def test_a_manifest_that_is_due_is_signed_by_one_of_them(planes: list[Services]):
    live = planes[0].publisher.live()
    assert live is not None
    for services in planes:
        later = live.issued_s + services.settings.resign_every_s
        services.publisher._signings.now_s = lambda later=later: later
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda s: s.publisher.resign_if_due(), planes))
    assert [signing is None for signing in done].count(True) == 1


def test_fifty_clients_of_two_planes_that_want_the_last_ten_get_exactly_ten(
    planes: list[Services],
):
    edge = Edge(planes[0])
    tokens = [edge.token("five-off/a5", f"v{n}", NOW_S) for n in range(50)]

    async def reserve(number: int) -> str:
        asked = msgspec.convert(
            {
                "token": tokens[number],
                "order_id": f"q{number}",
                "subject": f"v{number}",
                "cart": {"order_value": "60.00", "margin": "20.00", "attributes": {}},
            },
            Reserve,
        )
        redemptions = planes[number % 2].redemptions
        try:
            held = await redemptions.reserve(asked)
        except Refused as refused:
            return refused.name
        return (await redemptions.commit(held.reservation)).state

    with ThreadPoolExecutor(25) as threads:
        done = list(threads.map(lambda n: asyncio.run(reserve(n)), range(50)))
    assert Counter(done) == {"committed": 10, "cap-reached": 40}
    with planes[0].database.reading() as connection:
        counts = connection.execute(select(t.redemption_counts.c.cap, t.redemption_counts.c.count))
        assert [tuple(row) for row in counts] == [("total/five-off", 10)]


def test_one_event_that_both_get_at_once_counts_once(planes: list[Services]):
    data = {"decision": "a" * 32, "placement": "hero", "time_s": NOW_S}
    names = [f"e{n}" for n in range(40)]
    forward = msgspec.json.encode([event("shop.proffer.exposure", n, data) for n in names])
    backward = msgspec.json.encode([event("shop.proffer.exposure", n, data) for n in names[::-1]])

    def accept(number: int) -> int:
        collector = planes[number % 2].collector
        body = (forward, backward)[number % 2]
        return asyncio.run(collector.accept(body, from_shop=False)).accepted

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(accept, range(16))) == 40
    with planes[0].database.reading() as connection:
        assert connection.scalar(select(t.touches.c.count)) == 40


def test_the_learners_lease_is_held_by_one_plane_and_found_when_it_dies(planes: list[Services]):
    leases = [Lease("tinyshop", "learning", holder) for holder in ("one", "two")]

    def take(number: int, now_s: int) -> bool:
        lease = leases[number]
        job = planes[number].writer
        return job.run(lambda connection: lease.take(connection, now_s=now_s, life_s=60))

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(lambda n: take(n, NOW_S), range(2))) == [False, True]
    assert sorted(take(n, NOW_S + 59) for n in range(2)) == [False, True]  # renewed
    assert take(0, NOW_S + 200) and not take(1, NOW_S + 201)
    planes[0].writer.run(leases[0].release)
    assert take(1, NOW_S + 202)
