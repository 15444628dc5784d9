"""People and programs who call a control plane that has a login."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from msgspec import Struct, structs

from control_plane.accounts import sessions, users
from control_plane.accounts.accounts import Accounts
from control_plane.accounts.actor import LOCAL, Permission, Role
from control_plane.accounts.authentication import COOKIE, HEADER
from control_plane.accounts.sessions import form_token
from control_plane.accounts.users import User
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.opening import open_database
from control_plane.storage.writer import Writer
from tests.control_plane.homes import StorageHome
from tests.control_plane.shop import write_catalog

URL = "http://127.0.0.1:8700"
PASSWORD = "correct horse battery staple"
SALTY = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"
"""The hash of a password that nobody knows: for those who get their session from us."""


def guarded(folder: Path, home: StorageHome, **more: object) -> Settings:
    """A shop with a login, whose passwords cost next to nothing."""
    catalog = write_catalog(folder / "catalog")
    cheap = {"argon2_passes": 1, "argon2_memory_kib": 8}
    return home.settings(folder / "var", tenant="tinyshop", catalog=catalog, **cheap | more)


class Office(Struct, frozen=True):
    """Accounts and where they are kept, without the rest of a control plane: made in no time."""

    settings: Settings
    database: Database
    writer: Writer
    accounts: Accounts


@contextmanager
def office(folder: Path, home: StorageHome) -> Iterator[Office]:
    settings = home.settings(folder, tenant="tinyshop", argon2_passes=1, argon2_memory_kib=8)
    database = open_database(settings)
    writer = Writer(database)
    try:
        yield Office(settings, database, writer, Accounts.open(settings, database, writer, b"s"))
    finally:
        writer.close()
        database.close()


class Member(Struct, frozen=True):
    """Somebody with a session; `headers` make any request theirs."""

    user: User
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return self.cookie | {"Origin": URL, HEADER: form_token(self.token)}

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.token}"}


def member(services: Services | Office, name: str, roles: Sequence[Role]) -> Member:
    """Somebody new, logged in without having typed a password."""
    tenant = services.settings.tenant

    def job(connection):
        user = users.insert_user(connection, tenant, name, roles, SALTY)
        return user, sessions.open_one(connection, tenant, user.id, 3600).token

    return Member(*services.writer.run(job))


def again(services: Services | Office, known: Member) -> Member:
    """The same person with a new session."""
    tenant, user = services.settings.tenant, known.user.id
    opened = services.writer.run(lambda c: sessions.open_one(c, tenant, user, 3600))
    return structs.replace(known, token=opened.token)


def key(services: Services | Office, *scopes: Permission) -> dict[str, str]:
    """The header of a new key."""
    made = services.accounts.keys.add(LOCAL, "a program", scopes, None)
    return {"Authorization": f"Bearer {made.secret}"}


def first_token(services: Services | Office) -> str:
    link = services.accounts.logins.first_link()
    assert link is not None
    return link.path.partition("token=")[2]


def found_admin(services: Services | Office, name: str = "anna", password: str = PASSWORD) -> str:
    """The first account, made with a setup link; the token of its session."""
    return services.accounts.logins.set_up(first_token(services), name, password).token


async def submit(
    client: httpx.AsyncClient, page: str, action: str, **fields: str
) -> httpx.Response:
    """Fill in the form of a console page as a browser does: with its token, its cookies."""
    found = re.search(r'name="csrf" value="([^"]+)"', (await client.get(page)).text)
    assert found, page
    data = {"csrf": found[1]} | fields
    return await client.post(action, data=data, headers={"Origin": URL})
