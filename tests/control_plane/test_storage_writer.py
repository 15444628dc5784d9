"""Group commit: many jobs share a transaction, and none is answered before it is durable."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

from control_plane.storage.database import Database
from control_plane.storage.tables import leases
from control_plane.storage.writer import WAITING_LIMIT, StorageUnavailable, Writer
from tests.control_plane.homes import BOTH, StorageHome

HOMES = BOTH


@pytest.fixture
def database(tmp_path: Path, home: StorageHome) -> Iterator[Database]:
    database = home.database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """For what only SQLite does."""
    database = Database(tmp_path / "proffer.db")
    yield database
    database.close()


def insert(name: str, size: int = 1):
    """A job that inserts a row and gives its name back."""

    def job(connection: Connection) -> str:
        row = {"tenant": "t", "name": name, "holder": "x" * size, "until_s": 1}
        connection.execute(leases.insert(), row)
        return name

    return job


def rows(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(leases)) or 0


def count_commits(database: Database) -> list[int]:
    commits: list[int] = []
    event.listen(database.engine, "commit", lambda connection: commits.append(1))
    return commits


def hold(writer: Writer) -> threading.Event:
    """Keep the writer busy until the event is set, so that jobs gather behind."""
    go = threading.Event()
    writer.submit(lambda connection: go.wait(10))
    return go


def test_a_result_comes_after_the_commit(writer: Writer, home: StorageHome, tmp_path: Path):
    assert writer.run(insert("a")) == "a"
    other = home.database(tmp_path)
    assert rows(other) == 1
    other.close()


def test_jobs_that_wait_are_committed_together(writer: Writer, database: Database):
    go, commits = hold(writer), count_commits(database)
    futures = [writer.submit(insert(f"n{i}")) for i in range(40)]
    go.set()
    assert [future.result(10) for future in futures] == [f"n{i}" for i in range(40)]
    assert len(commits) <= 3


def test_a_job_that_raises_undoes_itself_alone(writer: Writer, database: Database):
    def broken(connection: Connection) -> None:
        insert("half")(connection)
        raise LookupError("no")

    go = hold(writer)
    first, second, third = (writer.submit(j) for j in (insert("a"), broken, insert("b")))
    go.set()
    assert first.result(10) == "a"
    assert third.result(10) == "b"
    with pytest.raises(LookupError, match="no"):
        second.result(10)
    assert rows(database) == 2


def test_a_breach_of_the_schema_is_the_jobs_own_fault(writer: Writer, database: Database):
    go = hold(writer)
    first, again = writer.submit(insert("a")), writer.submit(insert("a"))
    go.set()
    assert first.result(10) == "a"
    with pytest.raises(Exception, match=r"(?i)unique"):
        again.result(10)
    assert rows(database) == 1


def limit_pages(database: Database, pages: int) -> None:
    """A disk that is full after so many pages; SQLite then fails as on a real one."""

    def prepare(connection: Any, record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}").close()

    database.engine.dispose()
    event.listen(database.engine, "connect", prepare)


def test_on_a_full_disk_the_whole_group_fails_and_nothing_is_stored(sqlite: Database):
    limit_pages(sqlite, 60)
    writer = Writer(sqlite)
    try:
        go = hold(writer)
        small, large = writer.submit(insert("small")), writer.submit(insert("large", 4 << 20))
        later = writer.submit(insert("later"))
        go.set()
        for future in (small, large, later):
            with pytest.raises(StorageUnavailable, match="full"):
                future.result(10)
        assert rows(sqlite) == 0
        assert writer.run(insert("after")) == "after"
    finally:
        writer.close()


def test_a_lock_that_somebody_else_keeps_fails_the_job_in_time(sqlite: Database, tmp_path: Path):
    def impatient(connection: Any, record: object) -> None:
        connection.execute("PRAGMA busy_timeout=50").close()

    sqlite.engine.dispose()
    event.listen(sqlite.engine, "connect", impatient)
    other = sqlite3.connect(tmp_path / "proffer.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = Writer(sqlite)
    try:
        with pytest.raises(StorageUnavailable, match="locked"):
            writer.run(insert("a"))
        other.execute("ROLLBACK")
        assert writer.run(insert("a")) == "a"
    finally:
        writer.close()
        other.close()


def for_ever(act: Callable[[], object]) -> None:
    while True:
        act()


def test_too_many_waiting_jobs_are_turned_away(writer: Writer):
    go = hold(writer)
    for i in range(WAITING_LIMIT - 1):
        writer.submit(insert(f"n{i}"))
    with pytest.raises(StorageUnavailable, match="waiting"):
        for_ever(lambda: writer.submit(insert("one more")))
    go.set()


def test_closing_finishes_what_was_accepted_and_takes_no_more(database: Database):
    writer = Writer(database)
    futures = [writer.submit(insert(f"n{i}")) for i in range(30)]
    writer.close()
    assert all(future.done() for future in futures)
    assert rows(database) == 30
    with pytest.raises(StorageUnavailable, match="stopping"):
        writer.submit(insert("late"))


@pytest.mark.anyio
async def test_a_caller_that_is_cancelled_does_not_stop_the_writer(
    writer: Writer, database: Database
):
    go = hold(writer)
    task = asyncio.create_task(writer.do(insert("a")))
    await asyncio.sleep(0.05)
    task.cancel()
    go.set()
    assert await writer.do(insert("b")) == "b"
    assert rows(database) == 2
