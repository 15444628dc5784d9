"""The schema, its migrations, and the pragmas that make a commit durable."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text

from control_plane.storage.database import Database
from control_plane.storage.schema import METADATA
from control_plane.storage.tables import events, leases, quarantine
from tests.control_plane.homes import BOTH, StorageHome
from tests.support.postgres import Cluster

HOMES = BOTH


@pytest.fixture
def database(tmp_path: Path, home: StorageHome) -> Iterator[Database]:
    database = home.database(tmp_path / "var")
    yield database
    database.close()


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(database: Database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrating_again_changes_nothing_and_keeps_the_rows(database: Database):
    with database.writing() as connection:
        connection.execute(
            leases.insert(), {"tenant": "t", "name": "n", "holder": "h", "until_s": 1}
        )
    database.migrate()
    with database.reading() as connection:
        assert connection.scalar(select(leases.c.holder)) == "h"


OLD = """
INSERT INTO events VALUES ('t', '/shop', 'o1', 'shop.proffer.order', 1),
  ('t', '/edge', 'd1', 'shop.proffer.decision', 2), ('t', '/page', 'e1', 'shop.proffer.click', 3);
INSERT INTO quarantine (tenant, digest, reason, detail, from_shop, received_s, event)
  VALUES ('t', 'aa', 'CONFLICT', '', 1, 4, x'01'), ('t', 'bb', 'UNREADABLE', '', 0, 5, x'02');
"""


def test_the_data_of_an_older_version_moves_along(tmp_path: Path):
    """As `proffer demo` left it in ./var before events had trust classes."""
    path = tmp_path / "proffer.db"
    config = Config()
    config.set_main_option("script_location", "control_plane:migrations")
    with create_engine(f"sqlite:///{path}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    old = sqlite3.connect(path)
    old.executescript(OLD)
    old.close()
    database = Database(path)
    with database.reading() as connection:
        names = connection.execute(select(events.c.trust, events.c.id).order_by(events.c.id))
        assert [tuple(row) for row in names] == [("edge", "d1"), ("page", "e1"), ("shop", "o1")]
        kept = connection.execute(select(quarantine.c.trust, quarantine.c.event))
        assert [tuple(row) for row in kept] == [("shop", b"\1"), ("page", b"\2")]
    database.close()


def test_every_connection_to_sqlite_is_durable_and_strict(tmp_path: Path):
    database = Database(tmp_path / "proffer.db")
    with database.reading() as connection:

        def pragma(name: str) -> object:
            return connection.scalar(text(f"PRAGMA {name}"))

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2  # FULL: a commit that returns is on the disk
        assert pragma("foreign_keys") == 1
    database.close()


def test_a_write_holds_the_lock_from_its_start(database: Database, home: StorageHome, tmp_path):
    other, order = home.database(tmp_path / "var"), []

    def write(name: str, wait: bool = False) -> None:
        with (database if wait else other).writing():
            order.append(name)
            started.set()
            if wait:
                time.sleep(0.3)
            order.append(name)

    started = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(write, "first", True)
        assert started.wait(10)
        threads.submit(write, "second").result(20)
        first.result(20)
    assert order == ["first", "first", "second", "second"]
    other.close()


def test_many_starts_at_once_bring_the_schema_up_to_date_once(
    home: StorageHome, postgres: Cluster, tmp_path: Path
):
    """On a database that nobody opened before."""
    with ExitStack() as stack:
        if home.url:
            home = StorageHome(stack.enter_context(postgres.database("template1")))
        with ThreadPoolExecutor(4) as threads:
            opened = list(threads.map(lambda n: home.database(tmp_path / "var"), range(4)))
        for database in opened:
            with database.reading() as connection:
                assert connection.execute(select(leases)).all() == []
            database.close()


def test_a_reader_sees_one_state_while_others_write(database: Database):
    row = {"tenant": "t", "name": "n", "holder": "h", "until_s": 1}
    with database.reading() as before:
        assert before.execute(select(leases)).all() == []
        with database.writing() as connection:
            connection.execute(leases.insert(), row)
        assert before.execute(select(leases)).all() == []
