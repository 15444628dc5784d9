"""`proffer catalog`: revisions and drafts, straight in the database, for who runs the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal

catalog_app = typer.Typer(
    name="catalog", help="The catalog's revisions: import, export, log, show.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option(help="The control plane's data folder  [var].")]
Tenant = Annotated[str, typer.Option(help="Whose catalog  [the tenant of the root].")]
Revision = Annotated[
    str,
    typer.Argument(
        metavar="[REVISION]", help="Content hash, or its beginning  [what drafts depart from]."
    ),
]


@catalog_app.command("import")
def import_command(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Catalog folder, or a zip or tar of one.")
    ],
    name: Annotated[str, typer.Option(help="What to call the draft  [SOURCE's name].")] = "",
    message: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    author: Annotated[
        str, typer.Option(help="Login of the person whose work it is; they cannot approve it.")
    ] = "",
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Make a draft with the files of SOURCE, for people to check and review.

    Nothing goes live by this.  The folder's files keep their very bytes.

    Exit codes: 0 it went well; 1 SOURCE cannot be a catalog; 3 SOURCE or the database cannot
    be used, or there is no such author.
    """
    from control_plane.cli import catalogs_kept as kept

    asked = kept.Import(source=source, name=name, message=message, author=author)
    kept.bring_in(Terminal(json, plain), data, tenant, asked)


@catalog_app.command("export")
def export_command(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A new folder, or FILE.zip, or FILE.tar.")
    ],
    revision: Revision = "",
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Write a revision's YAML files.  Importing them again gives the same revision.

    Exit codes: 0 it went well; 1 there is no such revision; 3 TARGET is there already, or
    the database cannot be used.
    """
    from control_plane.cli import catalogs_kept as kept

    kept.bring_out(Terminal(json, plain), data, tenant, target, revision)


@catalog_app.command("log")
def log_command(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Revisions, newest first: when, who, why.

    Exit codes: 0 it went well; 3 the database cannot be used.
    """
    from control_plane.cli import catalogs_kept as kept

    kept.tell_log(Terminal(json, plain), data, tenant, limit)


@catalog_app.command("show")
def show_command(
    revision: Revision = "",
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """A revision: who made it, when, why, and its files.

    Exit codes: 0 it went well; 1 there is no such revision; 3 the database cannot be used.
    """
    from control_plane.cli import catalogs_kept as kept

    kept.show(Terminal(json, plain), data, tenant, revision)
