"""`proffer subject`: what a person may ask for, straight in the database and the event log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal

subject_app = typer.Typer(
    name="subject", help="A person's rights: export, correct, erase.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option(help="The control plane's data folder  [var].")]
Tenant = Annotated[str, typer.Option(help="Whose shop  [the tenant of the root].")]
Visitors = Annotated[
    list[str] | None, typer.Option("--visitor", help="A visitor id; may be given again.")
]
Customers = Annotated[
    list[str] | None, typer.Option("--customer", help="A customer id; may be given again.")
]
Tables = Annotated[
    list[Path] | None,
    typer.Option("--tables", help="A folder of `proffer tables compact`; may be given again."),
]


@subject_app.command("export")
def export_command(
    visitor: Visitors = None,
    customer: Customers = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the document here  [stdout].")
    ] = None,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Everything that is stored about a person, as one JSON document.

    `linked` in it are ids that came together with these: look whether they are the same
    person's, and export them, too.

    Exit codes: 0 it went well; 1 an id is none; 3 the database, the event log or the edges'
    secret cannot be used.
    """
    from control_plane.cli import subjects_kept as kept

    subject = kept.subject_of(visitor, customer)
    kept.export(Terminal(json, plain), data, tenant, subject, output)


@subject_app.command("correct")
def correct_command(
    order: Annotated[str, typer.Option(help="The order's id.")],
    revenue: Annotated[str | None, typer.Option(help="What was paid, such as 60.00.")] = None,
    margin: Annotated[str | None, typer.Option(help="Before discounts; may be negative.")] = None,
    discount: Annotated[str | None, typer.Option(help="What offers took off.")] = None,
    visitor: Annotated[
        str | None, typer.Option(help="Who placed it; '' takes the visitor away.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="Who placed it; '' takes the customer away.")
    ] = None,
    tables: Tables = None,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Correct an order's figures, or who placed it.

    Exit codes: 0 it went well; 1 there is no such order, or a value is none; 3 the database
    or the edges' secret cannot be used.
    """
    from control_plane.cli import subjects_kept as kept

    values = {
        "revenue": revenue,
        "margin": margin,
        "discount": discount,
        "visitor": visitor,
        "customer": customer,
    }
    kept.correct(Terminal(json, plain), data, tenant, order, values, tables or [])


@subject_app.command("erase")
def erase_command(
    visitor: Visitors = None,
    customer: Customers = None,
    tables: Tables = None,
    data: Data = None,
    tenant: Tenant = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Erase a person from the database, the event log, the spill and the tables.

    There is no way back.  Sums stay as they are: rows that count are kept under random names.
    The server may run meanwhile; writes wait while the database is rewritten.

    Exit codes: 0 it went well; 1 an id is none, or something is left to be done, as told;
    3 the database, the event log or the edges' secret cannot be used.
    """
    from control_plane.cli import subjects_kept as kept

    subject = kept.subject_of(visitor, customer)
    kept.erase(Terminal(json, plain), data, tenant, subject, tables or [])
