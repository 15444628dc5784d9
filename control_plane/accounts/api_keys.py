"""API keys: how programs call, without a login and without cookies.

    proffer_1f0c9a7be2d45566_Zk3...      `proffer_`, the key's id, 43 random characters

The part before the last `_` is its visible prefix: it tells keys apart in lists and logs.
The key itself is shown once, when it is made; kept is its SHA-256.  A key has scopes, which
are permissions, and belongs to whoever made it: a key never may what its owner could not
have given, and what it writes its owner cannot approve.  It ends when it expires, when it
is revoked, or when its owner is disabled or may no longer do what it does.

The shop's own key (`DevelopmentKeys.shop_key`) is one, too: it may redeem, collect and read.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Connection, Row, insert, select, update

from control_plane.accounts import users
from control_plane.accounts.actor import Actor, Permission
from control_plane.accounts.roles import permissions_in_order
from control_plane.accounts.tokens import hash_of, new_id, new_token
from control_plane.audit.log import Entry, append
from control_plane.errors import Refused
from control_plane.storage.database import Database
from control_plane.storage.tables_accounts import api_keys as table
from control_plane.storage.writer import StorageUnavailable, Writer

KEY = re.compile(r"proffer_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
USED_EVERY_S = 60
"""`used_s` is written no more often."""

KeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"\A[^\x00-\x1f\x7f]+\Z",
        description="What the key is for.",
    ),
]

SHOP = Actor(id="key:shop", name="shop key", permissions=frozenset({"redeem", "collect", "read"}))


class ApiKey(Struct, frozen=True, kw_only=True):
    """Without its secret.  `owner` is the id of the actor who made it; times in Unix seconds,
    `used_s` to the minute."""

    id: str
    prefix: str
    name: str
    scopes: tuple[Permission, ...]
    owner: str
    created_s: int
    expires_s: int | None
    used_s: int | None
    revoked_s: int | None

    @property
    def actor(self) -> Actor:
        return Actor(
            id=f"key:{self.id}",
            name=self.name,
            permissions=frozenset(self.scopes),
            owner=self.owner,
        )

    def is_valid(self, now_s: int) -> bool:
        return self.revoked_s is None and (self.expires_s is None or now_s < self.expires_s)


class NewKey(Struct, frozen=True, kw_only=True):
    """`secret` is the whole key; it is never shown again."""

    key: ApiKey
    secret: str


class ApiKeys:
    """The keys of one shop.  Methods block."""

    def __init__(self, tenant: str, database: Database, writer: Writer) -> None:
        self._tenant, self._database, self._writer = tenant, database, writer

    def listed(self, limit: int, after: str = "") -> list[ApiKey]:
        """In the order of their ids, after this one; revoked ones, too."""
        query = select(table).where(table.c.tenant == self._tenant, table.c.id > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.id).limit(limit))
            return [_key(row) for row in rows]

    def add(
        self, by: Actor, name: str, scopes: Collection[Permission], expires_s: int | None
    ) -> NewKey:
        """`expires_s`: Unix seconds, None: never.

        Raises `Refused` not-permitted, or malformed-request for a time that is over.
        """
        now_s, id = int(time.time()), new_id()
        secret = f"proffer_{id}_{new_token()}"
        if expires_s is not None and expires_s <= now_s:
            raise Refused("malformed-request", "body: `expires_s` is not in the future")

        def job(connection: Connection) -> NewKey:
            users.check_may_give(by, frozenset(scopes))
            row = {
                "tenant": self._tenant,
                "id": id,
                "hash": hash_of(secret),
                "name": name,
                "scopes": " ".join(permissions_in_order(scopes)),
                "owner": by.person,
                "created_s": now_s,
                "expires_s": expires_s,
            }
            connection.execute(insert(table), row)
            key = self._found(connection, id)
            self._audit(connection, by, "key.add", key, None, facts(key))
            return NewKey(key=key, secret=secret)

        return self._writer.run(job)

    def revoke(self, by: Actor, id: str) -> ApiKey:
        """For ever; once is enough.  Raises `Refused` not-found or not-permitted."""

        def job(connection: Connection) -> ApiKey:
            key = self._found(connection, id)
            users.check_may_give(by, frozenset(key.scopes))
            if key.revoked_s is not None:
                return key
            now = update(table).where(*self._here(id)).values(revoked_s=int(time.time()))
            connection.execute(now)
            self._audit(connection, by, "key.revoke", key, facts(key), None)
            return self._found(connection, id)

        return self._writer.run(job)

    def actor_of(self, secret: str) -> Actor | None:
        """Whose key this is, None for a key that is not, or no longer, good."""
        match = KEY.fullmatch(secret)
        if match is None:
            return None
        with self._database.reading() as connection:
            row = connection.execute(select(table).where(*self._here(match[1]))).one_or_none()
            if row is None or not hmac.compare_digest(row.hash, hash_of(secret)):
                return None
            key = _key(row)
            allowed = _owner_allows(connection, self._tenant, key)
        now_s = int(time.time())
        if not key.is_valid(now_s) or not allowed:
            return None
        if now_s >= (key.used_s or 0) + USED_EVERY_S:
            with suppress(StorageUnavailable):  # that nothing can be noted keeps nobody out
                self._writer.submit(lambda connection: self._touch(connection, key.id))
        return key.actor

    def _touch(self, connection: Connection, id: str) -> None:
        used = update(table).where(*self._here(id)).values(used_s=int(time.time()))
        connection.execute(used)

    def _found(self, connection: Connection, id: str) -> ApiKey:
        row = connection.execute(select(table).where(*self._here(id))).one_or_none()
        if row is None:
            raise Refused("not-found", f"there is no key {id[:80]!a}")
        return _key(row)

    def _here(self, id: str) -> tuple:
        return table.c.tenant == self._tenant, table.c.id == id

    def _audit(
        self,
        connection: Connection,
        by: Actor,
        action: str,
        key: ApiKey,
        before: object,
        after: object,
    ) -> None:
        entry = Entry(
            tenant=self._tenant,
            actor=by.id,
            action=action,
            subject=f"key/{key.id}",
            before=before,
            after=after,
        )
        append(connection, entry)


def facts(key: ApiKey) -> dict[str, object]:
    """What the audit log keeps of a key."""
    return {"name": key.name, "scopes": key.scopes, "expires_s": key.expires_s}


def _owner_allows(connection: Connection, tenant: str, key: ApiKey) -> bool:
    """Whether the person who made it could still make it; other owners always could."""
    kind, _, user = key.owner.partition(":")
    if kind != "user":
        return True
    owner = users.found(connection, tenant, user)
    return not owner.disabled and frozenset(key.scopes) <= owner.permissions


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row.id,
        prefix=f"proffer_{row.id}",
        name=row.name,
        scopes=permissions_in_order(row.scopes.split()),
        owner=row.owner,
        created_s=row.created_s,
        expires_s=row.expires_s,
        used_s=row.used_s,
        revoked_s=row.revoked_s,
    )
