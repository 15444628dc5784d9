"""What `proffer accounts` does; apart from `accounts.py`, so that other commands start fast.

The database is changed directly, while servers run or not: they look at it with every
request.  Whoever reaches the database may do everything, and the audit log says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from control_plane.accounts.accounts import Accounts
from control_plane.accounts.actor import ROLES, Role, process
from control_plane.accounts.announcing import server_of
from control_plane.accounts.setup import SetupLink
from control_plane.accounts.users import User, checked_name
from control_plane.cli.kept import opened
from control_plane.cli.terminal import Misused, Refused, Terminal
from control_plane.settings import Settings

BY = process("command-line")
ALL = 1_000_000


class Made(Struct, frozen=True):
    """What --json prints for a link; `user` is null for the first account's."""

    user: User | None
    link: str
    expires_s: int


def tell_all(terminal: Terminal, data: Path | None, tenant: str) -> None:
    with _opened(data, tenant) as (accounts, _):
        users = accounts.users.listed(ALL)
    terminal.table(("name", "roles", "state", "id"), [_line(user) for user in users])
    terminal.result(users)


def add(
    terminal: Terminal,
    data: Path | None,
    tenant: str,
    server: str,
    name: str,
    roles: Sequence[str],
) -> None:
    wanted = _roles(roles)
    with _opened(data, tenant) as (accounts, settings):
        user = accounts.users.add(BY, checked_name(name), wanted)
        link = accounts.logins.new_link(BY, user.id)
    _tell_link(terminal, user, link, server or server_of(settings))


def set_roles(
    terminal: Terminal, data: Path | None, tenant: str, name: str, roles: Sequence[str]
) -> None:
    wanted = _roles(roles)
    with _opened(data, tenant) as (accounts, _):
        user = accounts.users.named(name)
        _tell(terminal, accounts.users.set_roles(BY, user.id, wanted, lambda old: None))


def disable(terminal: Terminal, data: Path | None, tenant: str, name: str) -> None:
    with _opened(data, tenant) as (accounts, _):
        _tell(terminal, accounts.users.disable(BY, accounts.users.named(name).id))


def enable(terminal: Terminal, data: Path | None, tenant: str, name: str) -> None:
    with _opened(data, tenant) as (accounts, _):
        _tell(terminal, accounts.users.enable(BY, accounts.users.named(name).id))


def new_link(terminal: Terminal, data: Path | None, tenant: str, server: str, name: str) -> None:
    with _opened(data, tenant) as (accounts, settings):
        user = accounts.users.named(name) if name else None
        link = accounts.logins.new_link(BY, user.id) if user else accounts.logins.first_link()
    if link is None:
        raise Refused("there are accounts already.", "Name one: `proffer accounts link NAME`.")
    _tell_link(terminal, user, link, server or server_of(settings))


# --- telling ------------------------------------------------------------------


def _line(user: User) -> tuple[str, ...]:
    state = "disabled" if user.disabled else "active" if user.has_password else "not set up"
    return user.name, " ".join(user.roles) or "-", state, user.id


def _tell(terminal: Terminal, user: User) -> None:
    name, roles, state, _ = _line(user)
    terminal.say(f"{name}: {roles}, {state}")
    terminal.result(user)


def _tell_link(terminal: Terminal, user: User | None, link: SetupLink, server: str) -> None:
    address = server.rstrip("/") + link.path
    until = datetime.fromtimestamp(link.expires_s, UTC).isoformat(" ", "minutes")
    who = user.name if user else "the first account, an admin"
    terminal.say(f"Good once, until {until}, for {who}:")
    terminal.say(address, "green")
    terminal.result(Made(user, address, link.expires_s))


def _roles(names: Sequence[str]) -> list[Role]:
    try:
        return msgspec.convert(names, list[Role])
    except msgspec.ValidationError:
        wrong = next(name for name in names if name not in ROLES)
        raise Misused(f"there is no role {wrong!r}.", f"Roles are {', '.join(ROLES)}.") from None


# --- where it is --------------------------------------------------------------


@contextmanager
def _opened(data: Path | None, tenant: str) -> Iterator[tuple[Accounts, Settings]]:
    with opened(data, tenant) as kept:
        secret = secrets.token_bytes(32)
        yield Accounts.open(kept.settings, kept.database, kept.writer, secret), kept.settings
