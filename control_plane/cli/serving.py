"""`proffer serve` and `proffer edge`: the two servers, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal


def serve_command(
    catalog: Annotated[
        Path | None, typer.Option(help="Catalog folder that is published  [PROFFER_CATALOG].")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder for database, objects and keys  [var].")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="The shop  [the catalog's].")] = None,
    channel: Annotated[str | None, typer.Option(help="What is published to  [production].")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on  [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port  [8700]; 0: any free one.")] = None,
    learn_every: Annotated[
        int | None, typer.Option(help="Seconds between learning and publishing; 0: never  [0].")
    ] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Run the control plane.

    Console, publishing, beacons, redemption, learning.  Every option is also a variable
    of the environment, PROFFER_DATA and so on; the option wins.  The catalog is published
    on the first start; later with the console's button.  The first start prints a link at
    which the first account is made; PROFFER_OPEN_CONSOLE=true does without a login.

    Exit codes: 0 ended by Ctrl-C; 1 catalog, keys and data do not belong together;
    3 the data folder or the port cannot be used, or a variable is wrong.
    """
    from control_plane.cli.servers import ControlPlane

    terminal = Terminal(json, plain)
    said = {
        "catalog": catalog, "data": data, "tenant": tenant, "channel": channel, "host": host,
        "port": port, "learn_every_s": learn_every,
    }  # fmt: skip
    server = ControlPlane({name: value for name, value in said.items() if value is not None})
    console = f"{server.url}/console"
    terminal.say(f"Console: {console}", "green")
    if server.setup:
        terminal.say("Nobody has an account yet.  Make the first, an admin, once, at")
        terminal.say(f"  {server.setup}", "green")
    told = {"url": server.url, "console": console, "data": str(server.settings.data)}
    terminal.result(told | ({"setup": server.setup} if server.setup else {}))
    server.run()


def edge_command(
    origin: Annotated[str, typer.Option(help="Address of the shop's own server.")],
    control: Annotated[
        str, typer.Option(help="Address of the control plane.")
    ] = "http://127.0.0.1:8700",
    data: Annotated[
        Path, typer.Option(help="Data folder of the control plane on this machine.")
    ] = Path("var"),
    root: Annotated[
        Path | None, typer.Option(help="The pinned first root  [DATA/objects/keys/root.1.jws].")
    ] = None,
    secrets: Annotated[
        Path | None, typer.Option(help="JSON file with the edge's secrets  [DATA/keys/...].")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Where the edge keeps signed files  [DATA/edge].")
    ] = None,
    tenant: Annotated[str, typer.Option(help="The shop  [the root's].")] = "",
    channel: Annotated[str, typer.Option(help="Channel to follow.")] = "production",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.")] = 8800,
    refresh: Annotated[float, typer.Option(help="Seconds between looks for a new policy.")] = 5.0,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Run an edge in front of the shop's own server.

    It puts offers into the shop's pages, decides, and takes beacons.  Root and secrets
    are found in the control plane's data folder where both run on one machine; elsewhere
    bring your own.

    Exit codes: 0 ended by Ctrl-C; 1 root or secrets cannot be believed; 3 a file or the
    port cannot be used.
    """
    from control_plane.cli.servers import Edge, checked_address, tenant_of
    from edge.local_settings import EdgeSettings

    terminal = Terminal(json, plain)
    pinned = root or data / "objects" / "keys" / "root.1.jws"
    settings = EdgeSettings(
        tenant=tenant or tenant_of(pinned),
        channel=channel,
        control_url=checked_address(control, "--control"),
        origin_url=checked_address(origin, "--origin"),
        root=pinned,
        secrets=secrets or data / "keys" / "development-keys.json",
        data=store or data / "edge",
        refresh_s=refresh,
    )
    server = Edge(settings, host, port)
    terminal.say(f"Edge: {server.url}/ in front of {origin}", "green")
    terminal.result({"url": server.url, "origin": origin, "control": control})
    server.run()
