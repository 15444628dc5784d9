"""SQLite: one file in WAL mode.

`synchronous=FULL` makes a commit durable when it returns.  A write transaction takes
the file's write lock at its start, so that nothing it read can change before it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

BUSY_TIMEOUT_MS = 5000
CACHE_KIB = 8 << 10
"""Of one connection, at most; names come in no order, so that pages all over are written."""
BEGIN = "proffer_begin"
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    f"PRAGMA cache_size=-{CACHE_KIB}",
    "PRAGMA temp_store=MEMORY",  # else what one statement could undo goes through a file
)


class SqliteHome:
    """The file; made, with its folder, when it is first opened."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(path)

    def for_reading(self, plain: Connection) -> Connection:
        return plain

    def for_writing(self, plain: Connection) -> Connection:
        return plain.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})

    def take_write_lock(self, connection: Connection, patience_s: int) -> None:
        """BEGIN IMMEDIATE took it, within `BUSY_TIMEOUT_MS`."""

    def is_in_transaction(self, connection: Connection) -> bool:
        return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False},
        pool_use_lifo=True,  # whoever writes finds its pages and statements where it left them
        hide_parameters=True,  # errors end up in logs
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # sqlite3 shall begin nothing by itself
        for pragma in PRAGMAS:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))

    return engine
