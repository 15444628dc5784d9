"""`proffer simulate`: synthetic visitors through the real edge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from control_plane.cli.terminal import Json, Plain, Terminal


def simulate_command(
    truth: Annotated[
        str, typer.Option(help="Truth file, or the name of an example: helpful, null.")
    ] = "helpful",
    edge: Annotated[str, typer.Option(help="Address of the edge.")] = "http://127.0.0.1:8100",
    control: Annotated[
        str, typer.Option(help="Address of the control plane.")
    ] = "http://127.0.0.1:8101",
    through: Annotated[
        Literal["edge", "shop"],
        typer.Option(help="edge: decisions alone, fast; shop: the demo shop's pages."),
    ] = "edge",
    visitors: Annotated[int, typer.Option(min=0, help="How many; 0: no end.")] = 2000,
    seconds: Annotated[float, typer.Option(min=0, help="At most so long; 0: no end.")] = 0.0,
    rate: Annotated[float, typer.Option(min=0, help="Visitors per second; 0: as fast as go.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Instead of the truth file's.")] = None,
    data: Annotated[
        Path, typer.Option(help="Data folder of the control plane, for the shop's key.")
    ] = Path("var"),
    key: Annotated[
        str, typer.Option(help="The shop's key  [DATA/keys].", envvar="PROFFER_KEY")
    ] = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Send visitors with a known truth through the edge.

    A truth file says how they behave; the summary compares it with what was learned.
    The engine learns from what they do and never sees the truth.  Run it against
    `proffer demo`, or any edge and control plane of yours.  Ctrl-C ends it with its
    summary.

    Exit codes: 0 done; 1 the truth file was refused; 3 edge or control plane do not
    answer, or the key is missing.
    """
    from control_plane.cli import visitors as running
    from control_plane.simulating import Options

    options = Options(
        edge_url=edge,
        control_url=control,
        shop_key=key or running.shop_key(data),
        through=through,
        visitors=visitors,
        seconds=seconds,
        rate=rate,
        seed=seed,
    )
    running.simulate(Terminal(json, plain), truth, options)
