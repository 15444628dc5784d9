"""The database: SQLite in WAL mode, one file, brought up to date at start.

Reads run in as many threads as they like; each sees one state.  Writes go through
`writer.py`.  `synchronous=FULL` makes a commit durable when it returns.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

BUSY_TIMEOUT_MS = 5000
BEGIN = "proffer_begin"
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)
MEANS_STOP = re.compile("is full|is locked|disk I/O error|unable to open|readonly")


class Database:
    """Opens the file, creating and migrating it when needed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(path)
        migrate(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; committed at the end."""
        with self.engine.connect() as plain:
            connection = plain.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # sqlite3 shall begin nothing by itself
        for pragma in PRAGMAS:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))

    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema up to date, in one transaction that other processes wait for."""
    config = Config()
    config.set_main_option("script_location", "control_plane:migrations")
    with engine.connect() as plain:
        connection = plain.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        with connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def storage_failure(error: BaseException | None) -> str:
    """What SQLite says if the database itself failed (full, locked, unwritable), else "".

    Undoing a failed statement can fail as well, so what went before is looked at, too.
    """
    while error is not None:
        original = error.orig if isinstance(error, OperationalError) else error
        text = str(original)
        if isinstance(original, sqlite3.OperationalError) and MEANS_STOP.search(text):
            return text
        error = error.__context__
    return ""
