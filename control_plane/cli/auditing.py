"""`proffer audit`: verify the audit log, show it, and hand it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal

audit_app = typer.Typer(
    name="audit", help="The audit log: verify, show, export.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option(help="The control plane's data folder  [var].")]
Tenant = Annotated[str, typer.Option(help="Whose log  [the tenant of the root].")]
Subject = Annotated[str, typer.Option(help="Only this subject, as channel/production.")]
Actor = Annotated[str, typer.Option(help="Only this actor, as user:<id>.")]
Action = Annotated[str, typer.Option(help="Only this action, as channel.publish.")]
Since = Annotated[int | None, typer.Option(help="Not before this time, Unix seconds.")]
Until = Annotated[int | None, typer.Option(help="Before this time, Unix seconds.")]


@audit_app.command("verify")
def verify_command(
    data: Data = None,
    tenant: Tenant = "",
    root: Annotated[
        Path | None, typer.Option(help="The pinned first root  [the one in the object store].")
    ] = None,
    since: Annotated[
        int, typer.Option(help="Begin behind this checkpoint, and believe all before it.", min=0)
    ] = 0,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Check that no row of the audit log was changed, put in, taken out or moved.

    Every row's hash, the chain from row to row, and the signed checkpoints in the object
    store.  Where rows and files are is told by the same variables as for `proffer serve`:
    PROFFER_DATA, DATABASE_URL, PROFFER_OBJECT_STORE, PROFFER_TENANT.

    Exit codes: 0 nothing is wrong; 1 something is, and the first wrong row is named;
    3 the database or the store cannot be read.
    """
    from control_plane.cli import audited

    audited.verify(Terminal(json, plain), data, tenant, root, since)


@audit_app.command("show")
def show_command(
    data: Data = None,
    tenant: Tenant = "",
    subject: Subject = "",
    actor: Actor = "",
    action: Action = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many, at most.", min=1, max=10_000)] = 50,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Show the newest entries that agree with every option.

    Exit codes: 0 it went well; 3 the database cannot be read.
    """
    from control_plane.audit.reading import Wanted
    from control_plane.cli import audited

    wanted = Wanted(subject=subject, actor=actor, action=action, since_s=since, until_s=until)
    audited.show(Terminal(json, plain), data, tenant, wanted, limit)


@audit_app.command("export")
def export_command(
    data: Data = None,
    tenant: Tenant = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File  [stdout].")] = None,
) -> None:
    """All entries as JSON lines, oldest first.

    Each line holds the row as it is hashed: `before` and `after` are the stored texts, so
    that any program can compute the hashes again (docs/reference/audit.md).

    Exit codes: 0 it went well; 1 a row cannot be read; 3 the database or file cannot be used.
    """
    from control_plane.cli import audited

    audited.export(data, tenant, output)
