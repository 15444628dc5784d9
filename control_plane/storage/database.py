"""The database, brought up to date when it is opened: SQLite, or PostgreSQL.

Reads run in as many threads as they like; each sees one state.  Writes go through
`writer.py`.  A commit that returns is durable.  How each kind of database keeps these
promises is in `sqlite.py` and `postgres.py`.

Where the database itself fails, `reading` and `writing` raise `StorageUnavailable`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Table, cast, func
from sqlalchemy.dialects import postgresql, sqlite

from control_plane.storage.failures import StorageUnavailable, storage_failure
from control_plane.storage.postgres import PostgresHome
from control_plane.storage.sqlite import SqliteHome

log = logging.getLogger(__name__)

MIGRATION_PATIENCE_S = 60
"""How long a start waits for another process that brings the schema up to date."""

CLOSE_PATIENCE_S = 10


class Home(Protocol):
    """What differs between the kinds of database."""

    engine: Engine

    def for_reading(self, plain: Connection) -> Connection:
        """The connection, set to see one state throughout a transaction."""
        ...

    def for_writing(self, plain: Connection) -> Connection: ...

    def take_write_lock(self, connection: Connection, patience_s: int) -> None:
        """Be the tenant's only writer until the transaction ends."""
        ...

    def is_in_transaction(self, connection: Connection) -> bool:
        """Whether a transaction is open that can still be committed."""
        ...


class Database:
    """Opens a file (SQLite) or an address (PostgreSQL), creating and migrating the schema.

    Raises `StorageUnavailable` where it cannot be used.
    """

    def __init__(self, place: Path | str, tenant: str = "shop") -> None:
        self._home: Home
        if isinstance(place, Path):
            self._home = SqliteHome(place)
        else:
            self._home = PostgresHome(place, tenant)
        self.engine = self._home.engine
        self._door = threading.Condition()
        self._busy = 0
        self._closed = False
        try:
            self.migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout."""
        with self._connected() as plain:
            connection = self._home.for_reading(plain)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, patience_s: int = 0) -> Iterator[Connection]:
        """A transaction that is its tenant's only writer; committed at the end.

        Waits for other writers `patience_s` seconds, 0: a few.
        """
        with self._connected() as plain:
            connection = self._home.for_writing(plain)
            with connection.begin():
                self._home.take_write_lock(connection, patience_s)
                yield connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._door:
            if self._closed:
                raise StorageUnavailable("the server is stopping")
            self._busy += 1
        try:
            with _telling(), self.engine.connect() as plain:
                yield plain
        finally:
            with self._door:
                self._busy -= 1
                self._door.notify_all()

    def migrate(self) -> None:
        """Bring the schema up to date, in one transaction that other processes wait for."""
        config = Config()
        config.set_main_option("script_location", "control_plane:migrations")
        with self.writing(MIGRATION_PATIENCE_S) as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StorageUnavailable(
                    f"the database was made by another version of Proffer: {error}"
                ) from error

    def is_in_transaction(self, connection: Connection) -> bool:
        return self._home.is_in_transaction(connection)

    def close(self) -> None:
        """Waits a while for what is going on, so that no connection is torn."""
        with self._door:
            self._closed = True
            self._door.wait_for(lambda: not self._busy, CLOSE_PATIENCE_S)
        self.engine.dispose()


@contextmanager
def _telling() -> Iterator[None]:
    """Failures of the database as `StorageUnavailable`; what it said goes to the log."""
    try:
        yield
    except StorageUnavailable:
        raise
    except Exception as error:
        reason = storage_failure(error)
        if not reason:
            raise
        log.warning("the database failed: %s", error)
        raise StorageUnavailable(reason) from error


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say ON CONFLICT, in the connection's own dialect."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def whole_sum(column: ColumnElement[int]) -> ColumnElement[int]:
    """The sum of integers, as an integer: PostgreSQL's own sum of bigints is a decimal."""
    return cast(func.sum(column), BigInteger)
