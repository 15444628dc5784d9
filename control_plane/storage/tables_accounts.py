"""The tables of accounts.  No secret is in them: passwords as argon2 hashes, and of every
random token (sessions, keys, setup links) the SHA-256 alone, which nobody can use.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Table, Text

from control_plane.storage.tables import METADATA

users = Table(
    "users",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Index("users_by_login", "tenant", "login", unique=True),
)
"""People.  `login` is `name` in lower case, so that no two differ by case alone; `password`
an argon2 hash, "" until it is set; `roles` separated by blanks; `version` counts changes.
Nobody is deleted, since the audit log names them: they are disabled.
"""

sessions = Table(
    "sessions",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("token_hash", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("opened_s", BigInteger, nullable=False),
    Column("seen_s", BigInteger, nullable=False),
    Column("ends_s", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant", "user"], ["users.tenant", "users.id"]),
    Index("sessions_by_id", "tenant", "id", unique=True),
    Index("sessions_by_user", "tenant", "user"),
)
"""Logins that last; one that is revoked is deleted.  `seen_s`: last used, to the minute."""

api_keys = Table(
    "api_keys",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
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
    Column("tenant", Text, primary_key=True),
    Column("token_hash", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("expires_s", BigInteger, nullable=False),
)
"""Links that set a password once; one that is used or void is deleted.  `user` is "" in the
link of the first run, which makes the first admin.
"""

login_failures = Table(
    "login_failures",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("bucket", Text, primary_key=True),
    Column("failures", BigInteger, nullable=False),
    Column("until_s", BigInteger, nullable=False),
)
"""How many logins failed lately, per address and per pair of address and name; the names of
buckets are keyed hashes, since addresses are personal data."""
