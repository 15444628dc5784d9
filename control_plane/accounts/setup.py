"""Setup links: whoever has one sets a password, once.

    first run    while there are no accounts, starting the server prints a link; whoever
                 uses it first becomes the admin, and every other such link is worth nothing
    new people   an admin makes the account and hands on its link, and never knows a password
    locked out   a new link, from an admin or from `proffer accounts link` on the server

The link holds a random token; the row its hash.  Looking at the page uses nothing up (mail
programs look at links); sending the form does.
"""

from __future__ import annotations

import time

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select

from control_plane.accounts.tokens import hash_of, new_token
from control_plane.errors import Refused
from control_plane.storage.tables_accounts import setup_links as table

FIRST = ""
"""In place of a user: the link that makes the first admin."""


class SetupLink(Struct, frozen=True, kw_only=True):
    """`path` below the server's address; it holds the token, and is shown once."""

    path: str
    expires_s: int


def new_link(connection: Connection, tenant: str, user: str, life_s: int) -> SetupLink:
    """A user's earlier links are void; those of a first run are not, until one is used.

    (Several servers of one shop may start at once, and each prints one.)
    """
    if user != FIRST:
        void(connection, tenant, user)
    now_s, token = int(time.time()), new_token()
    row = {
        "tenant": tenant,
        "token_hash": hash_of(token),
        "user": user,
        "created_s": now_s,
        "expires_s": now_s + life_s,
    }
    connection.execute(insert(table), row)
    return SetupLink(path=f"/console/setup?token={token}", expires_s=now_s + life_s)


def user_of(connection: Connection, tenant: str, token: str) -> str:
    """Whose link it is, `FIRST` for the first admin's.  Raises `Refused` setup-link-spent."""
    here = (table.c.tenant == tenant) & (table.c.token_hash == hash_of(token))
    row = connection.execute(select(table).where(here)).one_or_none()
    if row is None or row.expires_s <= time.time():
        raise Refused("setup-link-spent", "it was used, replaced, or it is too old")
    return row.user


def void(connection: Connection, tenant: str, user: str) -> None:
    """All links of a user, or of the first run."""
    connection.execute(delete(table).where(table.c.tenant == tenant, table.c.user == user))


def sweep(connection: Connection, tenant: str) -> None:
    """Forget those that are too old."""
    old = table.c.expires_s <= int(time.time())
    connection.execute(delete(table).where(table.c.tenant == tenant, old))
