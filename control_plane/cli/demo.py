"""`proffer demo`: a shop, an edge, a control plane and visitors, on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.counting import counted
from control_plane.cli.files import examples
from control_plane.cli.policies import compile_folder
from control_plane.cli.supervising import Demo, DemoPlan, free_ports
from control_plane.cli.terminal import Json, Plain, Refused, Terminal, Unusable
from policy_compiler.keys import DevelopmentKeys, SigningError

LEARN_EVERY_S = 10


def demo_command(
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("var"),
    port: Annotated[int, typer.Option(help="The shop, through the edge.")] = 8100,
    console_port: Annotated[int, typer.Option(help="The control plane and its console.")] = 8101,
    origin_port: Annotated[int, typer.Option(help="The shop itself.")] = 8102,
    rate: Annotated[
        float, typer.Option(min=0, help="Simulated visitors per second; 0: none.")
    ] = 20.0,
    truth: Annotated[
        str, typer.Option(help="How they behave: helpful, null, or a truth file.")
    ] = "helpful",
    seconds: Annotated[float, typer.Option(min=0, help="End after so long; 0: Ctrl-C.")] = 0.0,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Start the example shop with everything around it.

    Compiles and signs the catalog of examples/store, starts the control plane, the shop,
    and an edge in front of it, and sends simulated visitors, one in ten through the
    shop's pages; learning publishes every 10 seconds.  A port that is taken is replaced
    by the next free one.  Ctrl-C ends all of it; the next start goes on with the same
    data.

    Exit codes: 0 ended by Ctrl-C or --seconds; 1 the catalog or the data were refused;
    3 a part did not start, or died.
    """
    terminal = Terminal(json, plain)
    began = time.monotonic()
    catalog = examples() / "store" / "catalog"
    compiled = compile_folder(catalog)
    terminal.note(f"Compiled {counted(compiled.bundle.rows['offer'], 'offer')}; starting ...")
    ports = free_ports(port, console_port, origin_port)
    plan = DemoPlan(
        data=data,
        catalog=catalog,
        edge_port=ports[0],
        control_port=ports[1],
        origin_port=ports[2],
        learn_every_s=LEARN_EVERY_S,
        rate=rate,
        truth=truth,
        keys=_keys(data),
    )
    with Demo(plan) as demo:
        demo.start()
        _tell(terminal, plan, time.monotonic() - began)
        demo.watch(seconds, terminal.note)
    terminal.note("Ended; the data stay in " + str(data) + ".")


def _keys(data: Path) -> DevelopmentKeys:
    try:
        return DevelopmentKeys.load_or_create(data / "keys")
    except SigningError as error:
        raise Refused(error.problem, error.help) from None
    except OSError as error:
        raise Unusable(
            f"{data} cannot be used: {error.strerror}.", "Name another folder with --data."
        ) from None


def _tell(terminal: Terminal, plan: DemoPlan, seconds: float) -> None:
    rows = [
        ("shop, with offers", plan.edge_url + "/"),
        ("console", plan.control_url + "/console"),
        ("shop without an edge", plan.origin_url + "/"),
        ("data", f"{plan.data}  (remove it to begin anew)"),
        ("logs", str(plan.logs)),
    ]
    if plan.rate:
        rows.append(("visitors", f"{plan.rate:g} per second, truth {plan.truth!r}"))
    terminal.say(f"Running, after {seconds:.1f} s.  Ctrl-C ends it.", "green")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        terminal.say(f"  {name:<{width}}  {value}")
    terminal.result(
        {
            "shop": plan.edge_url + "/",
            "console": plan.control_url + "/console",
            "control": plan.control_url,
            "origin": plan.origin_url,
            "data": str(plan.data),
            "logs": str(plan.logs),
        }
    )
