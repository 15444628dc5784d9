"""Sessions: a login that lasts, as a row.

The browser holds a random token in a cookie that no script can read; the row holds its
hash.  A session ends when it is not used for `session_idle_s`, `session_life_s` after it
began, when its user logs out, changes the password or is disabled, or when it is revoked,
alone or with all others of its user.  Then the row is gone, and the token is worth nothing.

The anti-forgery token of a session's forms is derived from its token, so it needs no row,
differs from session to session, and tells nothing about the cookie.
"""

from __future__ import annotations

import hmac
import time

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select, update

from control_plane.accounts.tokens import hash_of, new_id, new_token
from control_plane.storage.tables_accounts import sessions as table

SEEN_EVERY_S = 60
"""`seen_s` is written no more often: a page that renews itself need not write each time."""


class Session(Struct, frozen=True, kw_only=True):
    """`ends_s`: at the latest; it may end earlier by not being used."""

    id: str
    user: str
    opened_s: int
    seen_s: int
    ends_s: int


class Opened(Struct, frozen=True, kw_only=True):
    """A new session with its token, which is never seen again."""

    session: Session
    token: str


def open_one(connection: Connection, tenant: str, user: str, life_s: int) -> Opened:
    now_s, token = int(time.time()), new_token()
    session = Session(id=new_id(), user=user, opened_s=now_s, seen_s=now_s, ends_s=now_s + life_s)
    connection.execute(
        insert(table),
        {
            "tenant": tenant,
            "token_hash": hash_of(token),
            "id": session.id,
            "user": user,
            "opened_s": now_s,
            "seen_s": now_s,
            "ends_s": session.ends_s,
        },
    )
    return Opened(session=session, token=token)


def by_token(connection: Connection, tenant: str, token: str, idle_s: int) -> Session | None:
    """The session, None for one that has ended or never was."""
    query = select(table).where(table.c.tenant == tenant, table.c.token_hash == hash_of(token))
    row = connection.execute(query).one_or_none()
    session = _session(row) if row else None
    return session if session and is_open(session, idle_s, int(time.time())) else None


def is_open(session: Session, idle_s: int, now_s: int) -> bool:
    return now_s < session.ends_s and now_s < session.seen_s + idle_s


def of_user(connection: Connection, tenant: str, user: str, idle_s: int) -> list[Session]:
    """The open ones, newest first."""
    query = select(table).where(table.c.tenant == tenant, table.c.user == user)
    rows = connection.execute(query.order_by(table.c.opened_s.desc(), table.c.id))
    now_s = int(time.time())
    return [each for each in map(_session, rows) if is_open(each, idle_s, now_s)]


def touch(connection: Connection, tenant: str, session: str) -> None:
    """It was used now."""
    here = (table.c.tenant == tenant) & (table.c.id == session)
    connection.execute(update(table).where(here).values(seen_s=int(time.time())))


def close(connection: Connection, tenant: str, user: str, session: str) -> bool:
    """End one of a user's; False if there is no such session."""
    here = (table.c.tenant == tenant) & (table.c.user == user) & (table.c.id == session)
    return connection.execute(delete(table).where(here)).rowcount > 0


def close_all(connection: Connection, tenant: str, user: str, but: str = "") -> int:
    """End all of a user's, except the one with the id `but`; how many."""
    here = (table.c.tenant == tenant) & (table.c.user == user) & (table.c.id != but)
    return connection.execute(delete(table).where(here)).rowcount


def sweep(connection: Connection, tenant: str, idle_s: int) -> None:
    """Forget those that have ended."""
    now_s = int(time.time())
    ended = (table.c.ends_s <= now_s) | (table.c.seen_s <= now_s - idle_s)
    connection.execute(delete(table).where(table.c.tenant == tenant, ended))


def form_token(token: str) -> str:
    """What the session's forms carry, and its scripts in `X-CSRF-Token`."""
    return hmac.digest(token.encode(errors="replace"), b"proffer forms", "sha256").hex()


def _session(row: Row) -> Session:
    return Session(
        id=row.id, user=row.user, opened_s=row.opened_s, seen_s=row.seen_s, ends_s=row.ends_s
    )
