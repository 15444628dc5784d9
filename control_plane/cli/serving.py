"""`proffer serve` and `proffer edge`: the two servers, until Ctrl-C."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from control_plane.app import create_app
from control_plane.cli.terminal import Json, Plain, Refused, Terminal, Unusable
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.settings import Settings, SettingsError, read_settings
from control_plane.storage.objects import ObjectError
from control_plane.storage.writer import StorageUnavailable
from edge import local
from edge.decision.claims import read_root
from edge.decision.errors import TrustError
from edge.decision.jws import read_general
from edge.decision.trust import ROOT_TYPE
from policy_compiler.diagnostics import render_all
from policy_compiler.keys import KEYS_FILE, SigningError
from policy_compiler.source import read_catalog

GRACE_S = 3
"""How long open requests may take once the server is told to stop."""


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
    """Run the control plane: console, publishing, beacons, redemption, learning.

    Every option is also a variable of the environment, PROFFER_DATA and so on; the
    option wins.  The catalog is published on the first start; later with the console's
    button.  The console has no login: keep it on this machine.

    Exit codes: 0 ended by Ctrl-C; 1 catalog, keys and data do not belong together;
    3 the data folder or the port cannot be used, or a variable is wrong.
    """
    terminal = Terminal(json, plain)
    said = {
        "catalog": catalog, "data": data, "tenant": tenant, "channel": channel, "host": host,
        "port": port, "learn_every_s": learn_every,
    }  # fmt: skip
    settings = _settings({name: value for name, value in said.items() if value is not None})
    _check_services(settings)
    door = _listen(settings.host, settings.port)
    url = _url(door)
    terminal.say(f"Console: {url}/console", "green")
    terminal.result({"url": url, "console": f"{url}/console", "data": str(settings.data)})
    config = uvicorn.Config(
        create_app(settings), log_level="warning", timeout_graceful_shutdown=GRACE_S
    )
    run_server(config, door)


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
    """Run an edge in front of the shop at ORIGIN: pages with offers, decisions, beacons.

    Root and secrets are found in the control plane's data folder where both run on one
    machine; elsewhere bring your own.

    Exit codes: 0 ended by Ctrl-C; 1 root or secrets cannot be believed; 3 a file or the
    port cannot be used.
    """
    terminal = Terminal(json, plain)
    pinned = root or data / "objects" / "keys" / "root.1.jws"
    settings = local.EdgeSettings(
        tenant=tenant or _tenant_of(pinned),
        channel=channel,
        control_url=_http(control, "--control"),
        origin_url=_http(origin, "--origin"),
        root=pinned,
        secrets=secrets or data / "keys" / KEYS_FILE,
        data=store or data / "edge",
        refresh_s=refresh,
    )
    door = _listen(host, port)
    url = _url(door)
    try:
        config = local.server_config(
            settings, host, port, log_level="warning", timeout_graceful_shutdown=GRACE_S
        )
    except local.SettingsError as error:
        raise Refused(str(error), "Name the edge's own files with --root and --secrets.") from None
    terminal.say(f"Edge: {url}/ in front of {settings.origin_url}", "green")
    terminal.result({"url": url, "origin": settings.origin_url, "control": settings.control_url})
    run_server(config, door)


def run_server(config: uvicorn.Config, door: socket.socket) -> None:
    """Until Ctrl-C, which ends it well.  Raises `Unusable` if it does not start."""
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[door])
    except KeyboardInterrupt:
        return
    if not server.started:
        raise Unusable("The server did not start; its log tells why.", "Mend that, start again.")


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a taken port is told before anything runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
    except (OSError, OverflowError) as error:
        door.close()
        raise Unusable(
            f"{host}:{port} cannot be listened on: {getattr(error, 'strerror', None) or error}.",
            "Choose another with --port.",
        ) from None
    return door


def _url(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _http(url: str, option: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Unusable(f"{option} {url!r} is no address.", "Begin it with http:// or https://.")
    return url


# --- the control plane's settings ---------------------------------------------


def _settings(said: dict[str, object]) -> Settings:
    try:
        settings = read_settings(os.environ, **said)
    except SettingsError as error:
        raise Unusable(f"The environment is wrong: {error}.", "Correct the variable.") from None
    known = "tenant" in said or "PROFFER_TENANT" in os.environ
    if settings.catalog is None or known:
        return settings
    return read_settings(os.environ, **said, tenant=_catalog_tenant(settings.catalog))


def _catalog_tenant(folder: Path) -> str:
    source = read_catalog(folder)
    if source.parts.shop is None:
        raise Refused(
            f"{folder} does not say whose catalog it is.",
            "Give it `shop.tenant`.",
            diagnostics=source.diagnostics,
            shown=render_all(source.diagnostics, source.texts),
        )
    return source.parts.shop.tenant


def _check_services(settings: Settings) -> None:
    """Open everything once, so that what is wrong is told before the server runs."""
    try:
        Services.open(settings).close()
    except (SigningError, PublishRefused) as error:
        raise Refused(f"{settings.data}: {error}.", error.help) from None
    except (StorageUnavailable, ObjectError, SQLAlchemyError, OSError) as error:
        raise Unusable(
            f"{settings.data} cannot be used: {str(error).splitlines()[0]}.",
            "Name another folder with --data.",
        ) from None


def _tenant_of(root: Path) -> str:
    try:
        return read_root(read_general(root.read_bytes(), ROOT_TYPE).payload).tenant
    except OSError as error:
        raise Unusable(
            f"The root {root} cannot be read: {error.strerror}.",
            "Start the control plane once, or name the root with --root.",
        ) from None
    except TrustError as error:
        raise Refused(f"{root} is no root: {error}.", "Name the right file with --root.") from None
