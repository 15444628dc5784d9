"""`proffer tables` and `proffer report`: the database as Parquet, and what it says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal

tables_app = typer.Typer(
    name="tables", help="Tables for analysis: the database as Parquet.", no_args_is_help=True
)

DAY = ["%Y-%m-%d"]


@tables_app.command("compact")
def compact_command(
    folder: Annotated[Path, typer.Argument(help="Where the tables are, or shall be.")],
    data: Annotated[
        Path | None, typer.Option(help="The control plane's data folder  [var].")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose rows  [the tenant of the root].")] = "",
    day: Annotated[
        list[datetime] | None,
        typer.Option(formats=DAY, help="Write this day anew (UTC); may be given again."),
    ] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Bring the tables below FOLDER up to date with the database.

    Days that changed since the last run are written anew, and the tables change at one
    moment; the server may run meanwhile.  Where rows and bundles are is told by the same
    variables as for `proffer serve`: PROFFER_DATA, DATABASE_URL, PROFFER_OBJECT_STORE.

    Exit codes: 0 it went well; 3 the database or the folder cannot be used, or DuckDB is
    missing.
    """
    from control_plane.cli import tables_kept

    days = [each.date() for each in day] if day else None
    tables_kept.compact_kept(Terminal(json, plain), folder, data, tenant, days)


def report_command(
    folder: Annotated[Path, typer.Argument(help="The folder of `proffer tables compact`.")],
    since: Annotated[
        datetime | None, typer.Option(formats=DAY, help="From this day on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=DAY, help="Up to this day (UTC), included.")
    ] = None,
    days: Annotated[bool, typer.Option("--days", help="By day, too.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw it to this SVG file.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write it to this HTML file, picture and numbers.")
    ] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """What each offer version did: shown, redeemed, ordered, profit.

    Reads the tables alone; the database need not be there.  The attribution window is that
    of PROFFER_ATTRIBUTION_S.

    Exit codes: 0 it went well; 3 there are no tables, they cannot be read, or DuckDB is
    missing.
    """
    from control_plane.cli import tables_kept

    span = (since.date() if since else None, until.date() if until else None)
    terminal = Terminal(json, plain)
    report = tables_kept.read(folder, *span)
    tables_kept.write(terminal, report, svg, html)
    tables_kept.show(terminal, report, by_day=days)
