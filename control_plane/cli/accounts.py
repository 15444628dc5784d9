"""`proffer accounts`: who may log in, straight in the database, for whoever runs the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal

accounts_app = typer.Typer(
    name="accounts", help="Accounts: list, add, roles, disable, link.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option(help="The control plane's data folder  [var].")]
Tenant = Annotated[str, typer.Option(help="Whose accounts  [the tenant of the root].")]
Server = Annotated[str, typer.Option(help="The server's address, for links  [from host and port].")]
Name = Annotated[str, typer.Argument(help="What they log in with.")]
RolesWanted = Annotated[
    list[str], typer.Argument(help="viewer, editor, approver, publisher, admin.")
]


@accounts_app.command("list")
def list_command(
    data: Data = None, tenant: Tenant = "", json: Json = False, plain: Plain = False
) -> None:
    """Everybody who has, or had, an account.

    Exit codes: 0 it went well; 3 the database cannot be used.
    """
    from control_plane.cli import accounts_kept as kept

    kept.tell_all(Terminal(json, plain), data, tenant)


@accounts_app.command("add")
def add_command(
    name: Name,
    roles: RolesWanted,
    data: Data = None,
    tenant: Tenant = "",
    server: Server = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Make an account, and the link with which its owner sets a password.

    Exit codes: 0 it went well; 1 the name is taken, or cannot be one; 2 no such role;
    3 the database cannot be used.
    """
    from control_plane.cli import accounts_kept as kept

    kept.add(Terminal(json, plain), data, tenant, server, name, roles)


@accounts_app.command("roles")
def roles_command(
    name: Name,
    roles: RolesWanted,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Give somebody these roles instead of theirs.

    Exit codes: 0 it went well; 1 no such account, or the last admin would go; 2 no such
    role; 3 the database cannot be used.
    """
    from control_plane.cli import accounts_kept as kept

    kept.set_roles(Terminal(json, plain), data, tenant, name, roles)


@accounts_app.command("disable")
def disable_command(
    name: Name,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Keep somebody out: ends their sessions, their keys and their links.

    Exit codes: 0 it went well; 1 no such account, or it is the last admin's; 3 the database
    cannot be used.
    """
    from control_plane.cli import accounts_kept as kept

    kept.disable(Terminal(json, plain), data, tenant, name)


@accounts_app.command("enable")
def enable_command(
    name: Name,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Let somebody who was disabled log in again.

    Exit codes: 0 it went well; 1 no such account; 3 the database cannot be used.
    """
    from control_plane.cli import accounts_kept as kept

    kept.enable(Terminal(json, plain), data, tenant, name)


@accounts_app.command("link")
def link_command(
    name: Annotated[str, typer.Argument(help="Whose; none: the first account's.")] = "",
    data: Data = None,
    tenant: Tenant = "",
    server: Server = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Make a new setup link: for an admin who is locked out, or for the first account.

    Whoever has the link sets a password with it, once.

    Exit codes: 0 it went well; 1 no such account, or it is disabled; 3 the database cannot
    be used.
    """
    from control_plane.cli import accounts_kept as kept

    kept.new_link(Terminal(json, plain), data, tenant, server, name)
