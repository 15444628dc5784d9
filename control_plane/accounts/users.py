"""People who log in.  Each has a set of roles, and may do what any of them may.

    nobody is deleted     the audit log names people by id; they are disabled instead
    one admin stays       a change that would leave no admin who can log in is refused
    nobody climbs         whoever changes accounts can give and take only what they may do
                          themselves, so a key for accounts alone never makes an admin

Each change is one job of the writer, its audit entry included.  Methods block.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Collection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection, Row, insert, select, update

from control_plane.accounts import sessions, setup
from control_plane.accounts.actor import Actor, Permission, Role
from control_plane.accounts.roles import in_order, permissions_of
from control_plane.accounts.tokens import new_id
from control_plane.audit.log import Entry, append
from control_plane.errors import Refused
from control_plane.storage.database import Database
from control_plane.storage.tables_accounts import users as table
from control_plane.storage.writer import Writer

NAME_RULE = "a name has 1 to 128 characters, and neither blanks nor slashes"
UserName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"\A[^\s/\x00-\x1f\x7f\ud800-\udfff]+\Z",
        description="What somebody logs in with: a nickname or an e-mail address.",
    ),
]


class User(Struct, frozen=True, kw_only=True):
    """`has_password` is false until the setup link was used; `version` counts changes."""

    id: str
    name: str
    roles: tuple[Role, ...]
    disabled: bool
    has_password: bool
    created_s: int
    version: int

    @property
    def permissions(self) -> frozenset[Permission]:
        return permissions_of(self.roles)

    @property
    def actor(self) -> Actor:
        return Actor(id=f"user:{self.id}", name=self.name, permissions=self.permissions)

    @property
    def can_log_in(self) -> bool:
        return self.has_password and not self.disabled


class Users:
    """The users of one shop."""

    def __init__(self, tenant: str, database: Database, writer: Writer) -> None:
        self._tenant, self._database, self._writer = tenant, database, writer

    def listed(self, limit: int, after: str = "") -> list[User]:
        """In the order of their login names, after this one."""
        query = select(table).where(table.c.tenant == self._tenant, table.c.login > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.login).limit(limit))
            return [_user(row) for row in rows]

    def get(self, user: str) -> User:
        """Raises `Refused` not-found."""
        with self._database.reading() as connection:
            return found(connection, self._tenant, user)

    def named(self, name: str) -> User:
        """Raises `Refused` not-found."""
        with self._database.reading() as connection:
            user = by_name(connection, self._tenant, name)
        if user is None:
            raise Refused("not-found", f"nobody is called {name[:80]!a}")
        return user

    def names(self) -> dict[str, str]:
        """What people are called, by the id of their actor."""
        query = select(table.c.id, table.c.name).where(table.c.tenant == self._tenant)
        with self._database.reading() as connection:
            return {f"user:{row.id}": row.name for row in connection.execute(query)}

    def add(self, by: Actor, name: str, roles: Collection[Role]) -> User:
        """Somebody new, who cannot log in before a setup link was used.

        Raises `Refused` name-taken or not-permitted.
        """

        def job(connection: Connection) -> User:
            check_may_give(by, permissions_of(roles))
            user = insert_user(connection, self._tenant, name, roles)
            append(connection, self._entry(by, "account.add", user.id, None, facts(user)))
            return user

        return self._writer.run(job)

    def set_roles(
        self, by: Actor, user: str, roles: Collection[Role], check: Callable[[User], None]
    ) -> User:
        """`check` is called with the user before the change, and may raise.

        Raises `Refused` not-found, not-permitted or last-admin.
        """

        def change(connection: Connection, old: User) -> dict[str, object]:
            check(old)
            check_may_give(by, permissions_of(roles))
            return {"roles": " ".join(in_order(roles))}

        return self._change(by, user, "account.roles", change)

    def disable(self, by: Actor, user: str) -> User:
        """Ends their sessions and voids their setup links.

        Raises `Refused` not-found, not-permitted or last-admin.
        """

        def change(connection: Connection, old: User) -> dict[str, object]:
            sessions.close_all(connection, self._tenant, user)
            setup.void(connection, self._tenant, user)
            return {"disabled": True}

        return self._change(by, user, "account.disable", change)

    def enable(self, by: Actor, user: str) -> User:
        """Raises `Refused` not-found or not-permitted."""
        return self._change(by, user, "account.enable", lambda c, old: {"disabled": False})

    def _change(
        self,
        by: Actor,
        user: str,
        action: str,
        change: Callable[[Connection, User], dict[str, object]],
    ) -> User:
        def job(connection: Connection) -> User:
            old = found(connection, self._tenant, user)
            check_may_give(by, old.permissions)
            new = update_user(connection, self._tenant, old, **change(connection, old))
            _keep_an_admin(connection, self._tenant, old)
            append(connection, self._entry(by, action, user, facts(old), facts(new)))
            return new

        return self._writer.run(job)

    def _entry(self, by: Actor, action: str, user: str, before: object, after: object) -> Entry:
        return Entry(
            tenant=self._tenant,
            actor=by.id,
            action=action,
            subject=f"user/{user}",
            before=before,
            after=after,
        )


def checked_name(name: str) -> str:
    """Raises `Refused` malformed-request for what nobody can be called."""
    try:
        return msgspec.convert(name, UserName)
    except msgspec.ValidationError:
        raise Refused("malformed-request", f"{name[:80]!a}: {NAME_RULE}") from None


# --- rows ---------------------------------------------------------------------


def login_of(name: str) -> str:
    """By which a name is found: neither case nor the way of composing letters matters."""
    return unicodedata.normalize("NFKC", name).casefold()


def insert_user(
    connection: Connection, tenant: str, name: str, roles: Collection[Role], password: str = ""
) -> User:
    """`password`: its hash.  Raises `Refused` name-taken."""
    if by_name(connection, tenant, name) is not None:
        raise Refused("name-taken", f"there is an account {name[:80]!a}")
    row = {
        "tenant": tenant,
        "id": new_id(),
        "name": name,
        "login": login_of(name),
        "password": password,
        "roles": " ".join(in_order(roles)),
        "disabled": False,
        "version": 1,
        "created_s": int(time.time()),
    }
    connection.execute(insert(table), row)
    return found(connection, tenant, str(row["id"]))


def update_user(connection: Connection, tenant: str, old: User, **values: object) -> User:
    here = (table.c.tenant == tenant) & (table.c.id == old.id)
    connection.execute(update(table).where(here).values(version=old.version + 1, **values))
    return found(connection, tenant, old.id)


def found(connection: Connection, tenant: str, user: str) -> User:
    """Raises `Refused` not-found."""
    query = select(table).where(table.c.tenant == tenant, table.c.id == user)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Refused("not-found", f"there is no user {user[:80]!a}")
    return _user(row)


def by_name(connection: Connection, tenant: str, name: str) -> User | None:
    if "\0" in name or not _is_unicode(name):  # no database has such texts
        return None
    query = select(table).where(table.c.tenant == tenant, table.c.login == login_of(name))
    row = connection.execute(query).one_or_none()
    return _user(row) if row else None


def _is_unicode(text: str) -> bool:
    """Without halves of characters, which arguments of programs may hold."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def password_of(connection: Connection, tenant: str, user: str) -> str:
    """Its hash; "" until one is set."""
    query = select(table.c.password).where(table.c.tenant == tenant, table.c.id == user)
    return connection.execute(query).scalar_one_or_none() or ""


def is_nobody_there(connection: Connection, tenant: str) -> bool:
    """Whether no account was ever made."""
    query = select(table.c.id).where(table.c.tenant == tenant).limit(1)
    return connection.execute(query).first() is None


def facts(user: User) -> dict[str, object]:
    """What the audit log keeps of a user."""
    return {"name": user.name, "roles": user.roles, "disabled": user.disabled}


def check_may_give(by: Actor, permissions: frozenset[Permission]) -> None:
    """Raises `Refused` not-permitted for more than one has."""
    more = sorted(permissions - by.permissions)
    if more:
        raise Refused("not-permitted", f"{by.name} may not {', '.join(more)}, so not pass it on")


def _keep_an_admin(connection: Connection, tenant: str, changed: User) -> None:
    """Only a change of an admin who could log in can take the last one away."""
    if "admin" not in changed.roles or not changed.can_log_in:
        return
    rows = connection.execute(select(table).where(table.c.tenant == tenant))
    if not any("admin" in user.roles and user.can_log_in for user in map(_user, rows)):
        raise Refused("last-admin", f"without {changed.name!a} nobody could manage accounts")


def _user(row: Row) -> User:
    return User(
        id=row.id,
        name=row.name,
        roles=in_order(row.roles.split()),
        disabled=row.disabled,
        has_password=bool(row.password),
        created_s=row.created_s,
        version=row.version,
    )
