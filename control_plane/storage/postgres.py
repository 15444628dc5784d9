"""PostgreSQL, for several processes: the same promises as SQLite, held by other means.

one writer  A write transaction begins with an advisory lock of its tenant, in turn with
            the writers of all processes.  What it reads afterwards (READ COMMITTED: each
            statement sees what was committed before it) cannot change before it commits,
            so every job is written as if it were alone, and no two can deadlock.
one state   A reading transaction is REPEATABLE READ, READ ONLY.
durable     `synchronous_commit` is on in every write, whatever the server's default.
bounded     Nobody waits longer than `LOCK_TIMEOUT_S` for its turn.  A process that stops
            in the middle of a write (a laptop's lid, a debugger) loses its turn after
            `IDLE_TIMEOUT_S`: the server ends its transaction, and nothing was stored.

The locks end with the transaction, so poolers such as PgBouncer may stand between.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url

from control_plane.storage.failures import MissingExtra, StorageUnavailable, storage_failure

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 5
IDLE_TIMEOUT_S = 15
POOL_SIZE = 5
POOL_EXTRA = 15
CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "proffer",
    "client_encoding": "utf8",
    "prepare_threshold": None,  # prepared statements do not survive poolers
    # a server that is gone without a word is noticed within half a minute
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
VERSION_LEAST = 130_000

CAREFUL = text(
    "SELECT set_config('lock_timeout', :lock, true),"
    " set_config('idle_in_transaction_session_timeout', :idle, true),"
    " CASE current_setting('synchronous_commit') WHEN 'off'"
    " THEN set_config('synchronous_commit', 'on', true) END"
)
TAKE_TURN = text("SELECT pg_advisory_xact_lock(:key)")
ABOUT = text(
    "SELECT current_setting('server_version_num')::int AS version,"
    " current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync"
)


class PostgresHome:
    """A database that others may use, too.  Raises `StorageUnavailable` if it is not usable."""

    def __init__(self, url: str, tenant: str) -> None:
        self.engine = _engine(_address(url))
        digest = sha256(f"proffer/{tenant}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        try:
            _check(self.engine)
        except BaseException:
            self.engine.dispose()
            raise

    def for_reading(self, plain: Connection) -> Connection:
        return plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def for_writing(self, plain: Connection) -> Connection:
        return plain.execution_options(isolation_level="READ COMMITTED")

    def take_write_lock(self, connection: Connection, patience_s: int) -> None:
        waits = {"lock": f"{patience_s or LOCK_TIMEOUT_S}s", "idle": f"{IDLE_TIMEOUT_S}s"}
        connection.execute(CAREFUL, waits)
        connection.execute(TAKE_TURN, {"key": self._key})

    def is_in_transaction(self, connection: Connection) -> bool:
        """Whether there still is one that can go on."""
        driver: Any = connection.connection.dbapi_connection
        return not driver.closed and driver.info.transaction_status.name == "INTRANS"


def is_empty(url: str) -> bool:
    """Whether no schema of ours is there.  Raises `StorageUnavailable`."""
    engine = _engine(_address(url))
    try:
        _check(engine)
        return not inspect(engine).has_table("alembic_version")
    except Exception as error:
        reason = storage_failure(error)
        if not reason:
            raise
        raise StorageUnavailable(reason) from error  # it went away after the first question
    finally:
        engine.dispose()


def _address(url: str) -> URL:
    """With the driver that we bring, however the scheme is written."""
    return make_url(url).set(drivername="postgresql+psycopg")


def _engine(address: URL) -> Engine:
    said = {name: value for name, value in CONNECT_ARGS.items() if name not in address.query}
    try:
        return create_engine(
            address,
            connect_args=said,
            pool_pre_ping=True,  # the server may have been restarted since
            pool_size=POOL_SIZE,
            max_overflow=POOL_EXTRA,
            pool_timeout=LOCK_TIMEOUT_S,
            hide_parameters=True,  # errors end up in logs
        )
    except ImportError:
        raise MissingExtra(
            "PostgreSQL needs a driver that is not installed: pip install 'proffer[postgres]'"
        ) from None


def _check(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            about = connection.execute(ABOUT).one()
    except Exception as error:
        if not storage_failure(error):
            raise
        raise StorageUnavailable(f"PostgreSQL does not let us in: {_first_line(error)}") from error
    if about.version < VERSION_LEAST:
        least = VERSION_LEAST // 10_000
        raise StorageUnavailable(f"PostgreSQL {about.version // 10_000} is too old: use {least}")
    if about.encoding != "UTF8":
        raise StorageUnavailable(f"the database is in {about.encoding}: create it with UTF8")
    if about.fsync != "on":
        log.critical("ALARM: PostgreSQL runs with fsync=off: a power cut loses what was promised")


def _first_line(error: BaseException) -> str:
    """The driver's own words: only whoever starts the server reads them."""
    lines = str(getattr(error, "orig", error)).splitlines()
    return lines[0] if lines else type(error).__name__
