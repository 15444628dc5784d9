"""After the rows: what a database still holds of them where nobody reads.

    SQLite       old rows stay in free pages and in the write-ahead log: the file is rewritten
                 (VACUUM), and the log cut to nothing.
    PostgreSQL   old versions of rows stay in their pages, and samples of values among the
                 planner's statistics: the tables are rewritten (VACUUM FULL), analysed, and
                 then the statistics' own table is rewritten.

Either takes about as long as copying the database, and what wants to write meanwhile waits:
beacons that wait too long are answered 503 and sent again, so nothing is lost.

Outside of this are PostgreSQL's WAL segments, replicas and backups, which have retentions of
their own, and what a disk keeps of files that were deleted.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any

from sqlalchemy import Engine, LargeBinary, Table, Text

from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable, storage_failure
from control_plane.storage.tables_publishing import broken_promises
from control_plane.storage.tables_replay import replays

log = logging.getLogger(__name__)

TOUCHED = (
    t.records,
    t.decisions,
    t.touches,
    t.orders,
    t.order_units,
    t.returns,
    t.quarantine,
    t.events,
    t.redemptions,
    t.redemption_counts,
    broken_promises,
    replays,
)
PATIENCE_S = 30.0
STEP_S = 0.1
LOCK_WAIT = "30s"
STATISTICS = "pg_catalog.pg_statistic"


def clean(database: Database) -> list[str]:
    """Rewrite what erased rows were in; what could not be, in words.  Blocks.

    Raises `StorageUnavailable`; do it again then.
    """
    try:
        if database.engine.dialect.name == "sqlite":
            return _clean_sqlite(database.engine)
        return _clean_postgres(database.engine)
    except Exception as error:
        reason = storage_failure(error)
        if not reason:
            raise
        raise StorageUnavailable(f"free pages were not rewritten: {reason}") from error


def _clean_sqlite(engine: Engine) -> list[str]:
    with closing(engine.raw_connection()) as connection:
        cursor: Any = connection.cursor()
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("VACUUM")
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy, *_ = cursor.fetchone()
            if not is_busy:
                return []
            if time.monotonic() > deadline_s:
                raise StorageUnavailable(
                    "free pages were not rewritten: somebody reads all the time"
                )
            time.sleep(STEP_S)


def _clean_postgres(engine: Engine) -> list[str]:
    left: list[str] = []
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_WAIT}'")
        for table in TOUCHED:
            connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table.name}")
            _forget_statistics_if_empty(connection, table)
        if _may_clean_statistics(connection):
            connection.exec_driver_sql(f"VACUUM (FULL) {STATISTICS}")
        else:
            left.append(
                "the planner's statistics may show samples of old values until they are vacuumed:"
                f" let the database's owner run VACUUM FULL {STATISTICS}"
            )
        connection.exec_driver_sql("RESET lock_timeout")
    return left


def _forget_statistics_if_empty(connection: Any, table: Table) -> None:
    """ANALYZE leaves those of a table that has become empty as they were; a column that is
    given its type again loses them."""
    if connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {table.name})").scalar():
        return
    kinds = {Text: "TEXT", LargeBinary: "BYTEA"}
    changes = [
        f"ALTER COLUMN {connection.dialect.identifier_preparer.quote(column.name)} TYPE {name}"
        for column in table.c
        for kind, name in kinds.items()
        if isinstance(column.type, kind)
    ]
    connection.exec_driver_sql(f"ALTER TABLE {table.name} {', '.join(changes)}")


def _may_clean_statistics(connection: Any) -> bool:
    """VACUUM only warns where it may not."""
    asked = (
        "SELECT pg_has_role(current_user, datdba, 'MEMBER')"
        " OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        " FROM pg_database WHERE datname = current_database()"
    )
    return bool(connection.exec_driver_sql(asked).scalar())
