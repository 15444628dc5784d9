"""When storage itself fails: the one exception for it, and how failures are recognised.

What a client is told never names a host, a user or a path; those stay in the log.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

MEANS_STOP = re.compile("is full|is locked|disk I/O error|unable to open|readonly")
"""What SQLite says when the fault is the file's, not the statement's."""

UNREACHABLE = "the database cannot be reached"
STATES = {
    "25006": "the database is read-only",
    "25P03": "the transaction took too long and was ended",
    "53100": "the database's disk is full",
    "53300": "the database has no connection left",
    "55P03": "the database is locked by another writer",
}
"""PostgreSQL's conditions (SQLSTATE) in our words; others in the database's own."""
UNREACHABLE_STATES = ("08", "57P")
"""Connection lost; server shut down, crashed or starting."""


class StorageUnavailable(Exception):
    """Nothing was stored, or nothing can be read; the same may be tried again soon."""


class MissingExtra(StorageUnavailable):
    """A package that only some installations need is not there; the message says which."""


def storage_failure(error: BaseException | None) -> str:
    """Why the database itself failed (full, locked, gone), "" if it did not.

    Undoing a failed statement can fail as well, so what went before is looked at, too.
    """
    while error is not None:
        reason = _reason(error)
        if reason:
            return reason
        error = error.__context__
    return ""


def _reason(error: BaseException) -> str:
    if isinstance(error, StorageUnavailable):
        return str(error)
    if isinstance(error, PoolTimeout):
        return "too many reads wait for the database"
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.OperationalError):
        return str(original) if MEANS_STOP.search(str(original)) else ""
    if type(original).__module__.startswith("psycopg"):
        return _postgres_reason(error, original)
    return ""


def _postgres_reason(error: BaseException, original: Any) -> str:
    """Operational errors are the server's; of the others only those that name its state."""
    state = getattr(original, "sqlstate", None)
    if state in STATES:
        return STATES[state]
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    is_operational = isinstance(error, OperationalError) or (
        type(original).__name__ == "OperationalError"
    )
    if lost or (is_operational and (state is None or state.startswith(UNREACHABLE_STATES))):
        return UNREACHABLE
    if is_operational or (state or "").startswith("XX"):
        return f"the database failed: {original.diag.message_primary} ({state})"
    return ""
