"""The tables of accounts.  No secret is in them: passwords as argon2 hashes, and of every
random token (sessions, keys, setup links) the SHA-256 alone, which nobody can use.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Table

from control_plane.storage.columns import integer_column, key_column, tenant_column, text_column
from control_plane.storage.tables import METADATA

users = Table(
    "users",
    METADATA,
    tenant_column(),
    key_column("id"),
    text_column("name"),
    text_column("login"),
    text_column("password"),
    text_column("roles"),
    Column("disabled", Boolean, nullable=False),
    integer_column("version"),
    integer_column("created_s"),
    Index("users_by_login", "tenant", "login", unique=True),
)
"""People.  `login` is `name` in lower case, so that no two differ by case alone; `password`
an argon2 hash, "" until it is set; `roles` separated by blanks; `version` counts changes.
Nobody is deleted, since the audit log names them: they are disabled.
"""

sessions = Table(
    "sessions",
    METADATA,
    tenant_column(),
    key_column("token_hash"),
    text_column("id"),
    text_column("user"),
    integer_column("opened_s"),
    integer_column("seen_s"),
    integer_column("ends_s"),
    ForeignKeyConstraint(["tenant", "user"], ["users.tenant", "users.id"]),
    Index("sessions_by_id", "tenant", "id", unique=True),
    Index("sessions_by_user", "tenant", "user"),
)
"""Logins that last; one that is revoked is deleted.  `seen_s`: last used, to the minute."""

api_keys = Table(
    "api_keys",
    METADATA,
    tenant_column(),
    key_column("id"),
    text_column("hash"),
    text_column("name"),
    text_column("scopes"),
    text_column("owner"),
    integer_column("created_s"),
    Column("expires_s", BigInteger),
    Column("used_s", BigInteger),
    Column("revoked_s", BigInteger),
)
"""Keys of programs.  `id` is in the key's visible prefix, `hash` of the whole key; `owner` the
id of the actor who made it; `scopes` permissions, separated by blanks.
"""

setup_links = Table(
    "setup_links",
    METADATA,
    tenant_column(),
    key_column("token_hash"),
    text_column("user"),
    integer_column("created_s"),
    integer_column("expires_s"),
)
"""Links that set a password once; one that is used or void is deleted.  `user` is "" in the
link of the first run, which makes the first admin.
"""

login_failures = Table(
    "login_failures",
    METADATA,
    tenant_column(),
    key_column("bucket"),
    integer_column("failures"),
    integer_column("until_s"),
)
"""How many logins failed lately, per address and per pair of address and name; the names of
buckets are keyed hashes, since addresses are personal data."""
