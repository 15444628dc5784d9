"""PostgreSQL in trouble: restarted, killed, locked, full of connections; nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import event as engine_events
from sqlalchemy import func, select, text

from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import postgres as module
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.writer import Writer
from tests.control_plane.conftest import running
from tests.control_plane.shop import event, send, write_catalog
from tests.control_plane.test_storage_writer import insert, rows
from tests.support.postgres import Cluster

SENDERS, BATCH_EVENTS = 3, 5


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.close()


# --- one writer ---------------------------------------------------------------


def test_a_writer_that_waits_too_long_gives_up(
    database: Database, writer: Writer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 1)
    other = Database(postgres_url)
    with other.writing():
        with pytest.raises(StorageUnavailable, match="locked by another writer"):
            writer.run(insert("a"))
        assert rows(database) == 0  # and who reads does not wait
    assert writer.run(insert("a")) == "a"
    other.close()


def test_shops_in_one_database_do_not_wait_for_each_other(database: Database, postgres_url: str):
    other = Database(postgres_url, "another shop")
    with database.writing(), other.writing() as connection:
        insert("a")(connection)
    assert rows(database) == 1
    other.close()


def test_a_process_that_stops_in_the_middle_of_a_write_loses_its_turn(
    database: Database, writer: Writer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    stopped = Database(postgres_url)
    monkeypatch.setattr(module, "IDLE_TIMEOUT_S", 1)

    def sleep() -> None:
        with stopped.writing() as connection:
            insert("asleep")(connection)
            began.set()
            time.sleep(2)

    began, told = threading.Event(), []

    def run() -> None:
        try:
            sleep()
        except StorageUnavailable as error:
            told.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(10)
    assert writer.run(insert("awake")) == "awake"
    thread.join()
    assert len(told) == 1
    assert rows(database) == 1
    stopped.close()


# --- one state, durable -------------------------------------------------------


def test_readers_cannot_write_and_writes_are_durable_whatever_the_servers_default(
    database: Database, postgres: Cluster
):
    name = database.engine.url.database
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database.engine.dispose()
    with database.writing() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"
    with database.reading() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
        assert connection.scalar(text("SHOW transaction_read_only")) == "on"


def test_a_server_that_does_not_sync_its_disk_is_told_about(
    postgres_url: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.CRITICAL):
        Database(postgres_url).close()
    assert "fsync=off" in caplog.text


def test_numbers_that_count_up_have_64_bits(database: Database):
    query = text(
        "SELECT seqrelid::regclass::text, seqtypid::regtype::text FROM pg_sequence ORDER BY 1"
    )
    with database.reading() as connection:
        found = [tuple(row) for row in connection.execute(query)]
    assert {"quarantine_id_seq", "weights_id_seq"} <= {name for name, _ in found}
    assert {kind for _, kind in found} == {"bigint"}


# --- what cannot be used ------------------------------------------------------


def test_an_address_without_a_server_is_told_without_its_password():
    with pytest.raises(StorageUnavailable, match="does not let us in") as caught:
        Database("postgresql://proffer:secret@127.0.0.1:9/x")
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_or_not_utf8_is_refused(postgres: Cluster):
    with pytest.raises(StorageUnavailable, match='database "nowhere" does not exist'):
        Database(postgres.url("nowhere"))
    postgres.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(StorageUnavailable, match="UTF8"):
        Database(postgres.url("ascii"))


def test_a_database_of_a_newer_version_is_left_alone(database: Database, postgres_url: str):
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match="another version"):
        Database(postgres_url)


# --- a server that goes and comes back ----------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
def test_after_the_server_comes_back_everything_goes_on(
    database: Database, writer: Writer, postgres: Cluster, how: signal.Signals
):
    assert writer.run(insert("before")) == "before"
    postgres.stop(how)
    try:
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            writer.run(insert("without"))
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            rows(database)
    finally:
        postgres.start()
    assert writer.run(insert("after")) == "after"
    assert rows(database) == 2


def test_a_group_whose_server_goes_away_is_undone_as_a_whole(
    database: Database, writer: Writer, postgres: Cluster
):
    entered, go = threading.Event(), threading.Event()

    def hold(connection: object) -> None:
        entered.set()
        go.wait(20)

    first = writer.submit(hold)
    assert entered.wait(10)
    others = [writer.submit(insert(f"n{n}")) for n in range(5)]
    postgres.restart(signal.SIGQUIT)
    go.set()
    with pytest.raises(StorageUnavailable):
        first.result(20)
    for future in others:  # their group came after; it found a server again
        assert future.result(20).startswith("n")
    assert rows(database) == 5


def test_a_commit_that_fails_is_never_acknowledged(database: Database, writer: Writer):
    def cut(connection: object) -> None:
        """The server is asked to end this very session just before the commit."""
        engine_events.remove(database.engine, "commit", cut)
        with psycopg.connect(str(address), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    address = database.engine.url.set(drivername="postgresql").render_as_string(False)
    engine_events.listen(database.engine, "commit", cut)
    with pytest.raises(StorageUnavailable):
        writer.run(insert("lost"))
    assert rows(database) == 0


@pytest.mark.anyio
async def test_what_clients_are_told_while_the_database_is_down(
    postgres: Cluster, postgres_url: str, tmp_path: Path
):
    catalog = write_catalog(tmp_path / "catalog")
    settings = Settings(
        data=tmp_path / "var", tenant="tinyshop", catalog=catalog, database_url=postgres_url
    )
    data = {"decision": "a" * 32, "placement": "hero", "time_s": int(time.time())}
    batch = [event("shop.proffer.exposure", "e1", data)]
    async with running(settings) as plane:
        postgres.stop()
        try:
            answer = await send(plane.client, batch)
            assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
            assert answer.json()["type"] == "/problems/storage-unavailable"
            assert "127.0.0.1" not in answer.text
            health = await plane.client.get("/healthz")
            assert health.status_code == 503
            path = "/v1/channels/production/edge.jws"
            assert (await plane.client.get(path)).status_code == 200  # files are read on
        finally:
            postgres.start()
        assert (await send(plane.client, batch)).json()["accepted"] == 1


class Sender(threading.Thread):
    """Sends batch after batch through two restarts; repeats what was not acknowledged."""

    def __init__(self, services: Services, number: int, done: threading.Event) -> None:
        super().__init__()
        self.services, self.number, self.done = services, number, done
        self.acknowledged = 0
        self.refused = 0

    def run(self) -> None:
        while not self.done.is_set():
            data = {"decision": "a" * 32, "placement": "hero", "time_s": int(time.time())}
            names = [f"{self.number}-{self.acknowledged}-{n}" for n in range(BATCH_EVENTS)]
            body = msgspec.json.encode([event("shop.proffer.exposure", n, data) for n in names])
            try:
                asyncio.run(self.services.collector.accept(body, from_shop=False))
                self.acknowledged += 1
            except StorageUnavailable:
                self.refused += 1
                time.sleep(0.05)


def test_no_acknowledged_batch_is_lost_and_none_counts_twice_while_the_server_crashes(
    postgres: Cluster, postgres_url: str, tmp_path: Path
):
    catalog = write_catalog(tmp_path / "catalog")
    settings = Settings(
        data=tmp_path / "var", tenant="tinyshop", catalog=catalog, database_url=postgres_url
    )
    services, done = Services.open(settings), threading.Event()
    senders = [Sender(services, number, done) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for enough in (5, 10):
        while any(sender.acknowledged < enough for sender in senders):
            time.sleep(0.01)
        postgres.restart(signal.SIGQUIT)
    while any(sender.acknowledged < 15 for sender in senders):
        time.sleep(0.01)
    done.set()
    for sender in senders:
        sender.join(30)
    with services.database.reading() as connection:
        names = list(connection.scalars(select(t.events.c.id)))
        shown = connection.scalar(select(func.sum(t.touches.c.count)))
    services.close()
    assert sum(sender.refused for sender in senders) > 0
    sizes = Counter(name.rpartition("-")[0] for name in names)
    for sender in senders:
        for number in range(sender.acknowledged):
            assert sizes[f"{sender.number}-{number}"] == BATCH_EVENTS
    assert shown == len(names)
