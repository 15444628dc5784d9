"""What `proffer serve` and `proffer edge` run: settings checked, ports taken, servers run.

Apart from the commands, since servers take half a second to import.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from msgspec import structs
from sqlalchemy.exc import SQLAlchemyError

from control_plane.accounts.announcing import announce_setup, first_path, server_of
from control_plane.app import BACKGROUND, create_app
from control_plane.cli.kernels import fastest
from control_plane.cli.terminal import Refused, Unusable
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.settings import Settings, SettingsError, read_settings
from control_plane.sparing import spare_collector
from control_plane.storage.objects import ObjectError
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.logs import log_json
from edge import local
from edge.decision.claims import read_root
from edge.decision.errors import TrustError
from edge.decision.jws import read_general
from edge.decision.trust import ROOT_TYPE
from edge.local_server import inherited_sockets
from policy_compiler.diagnostics import CatalogRefused, render_all
from policy_compiler.keys import SigningError
from policy_compiler.source import read_catalog

GRACE_S = 3
"""How long open requests may take once the server is told to stop."""


class ControlPlane:
    """A control plane that is ready to run.  Raises `Refused` or `Unusable`."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self.settings = _settings(said)
        if self.settings.log == "json":
            log_json()
        path = _check_services(self.settings)
        self._door = _listen(self.settings.host, self.settings.port)
        self.url = _url(self._door)
        there = structs.replace(self.settings, port=self._door.getsockname()[1])
        self.setup = server_of(there) + path if path else ""
        """Where the first account is made, once; "" where there is one, or no login."""

    def run(self) -> None:
        told = [each for each in BACKGROUND if each is not announce_setup]
        app = create_app(self.settings, [replay_fast, spare, *told])
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # nobody would see it at that level; `telemetry/logs.py` has ours
            timeout_graceful_shutdown=GRACE_S,
        )
        _run(uvicorn.Server(config), self._door)


async def spare(services: Services) -> None:
    spare_collector()


async def replay_fast(services: Services) -> None:
    """Replays decide by the kernel where it is built; the control plane itself knows of none."""
    services.replays.decider = fastest


class Edge:
    """An edge that is ready to run.  Raises `Refused` or `Unusable`.

    It listens on the socket that systemd hands over, if it does; else on host and port.
    """

    def __init__(self, settings: local.EdgeSettings, host: str, port: int) -> None:
        self._door = next(iter(inherited_sockets()), None) or _listen(host, port)
        self.url = _url(self._door)
        try:
            self._config = local.server_config(
                settings, host, port, log_level="warning", timeout_graceful_shutdown=GRACE_S
            )
        except local.SettingsError as error:
            help = "Name the edge's own files with --root and --secrets."
            raise Refused(f"{error}.", help) from None

    def run(self) -> None:
        _run(local.edge_server(self._config), self._door)


def _run(server: uvicorn.Server, door: socket.socket) -> None:
    """Until Ctrl-C, which ends it well.  Raises `Unusable` if it does not start."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
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


def checked_address(url: str, option: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Unusable(f"{option} {url!r} is no address.", "Begin it with http:// or https://.")
    return url


# --- the control plane's settings ---------------------------------------------


def _settings(said: Mapping[str, object]) -> Settings:
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


def _check_services(settings: Settings) -> str:
    """Open everything once, so that what is wrong is told before the server runs.

    The path at which the first account is made, "" if there is one already.
    """
    try:
        services = Services.open(settings)
        try:
            return first_path(services)
        finally:
            services.close()
    except CatalogRefused as refused:
        assert settings.catalog is not None
        texts = read_catalog(settings.catalog).texts
        raise Refused(
            f"{settings.catalog} does not compile, so nothing was started.",
            "Correct what is told above, then start again.",
            diagnostics=refused.diagnostics,
            shown=render_all(refused.diagnostics, texts),
        ) from None
    except (SigningError, PublishRefused) as error:
        raise Refused(f"{settings.data}: {error}.", error.help) from None
    except (StorageUnavailable, ObjectError, SQLAlchemyError, OSError) as error:
        elsewhere = settings.database_url or settings.object_store
        raise Unusable(
            f"{settings.data} cannot be used: {str(error).splitlines()[0]}."
            if not elsewhere
            else f"Storage cannot be used: {str(error).splitlines()[0]}.",
            "Look at DATABASE_URL and PROFFER_OBJECT_STORE."
            if elsewhere
            else "Name another folder with --data.",
        ) from None


def tenant_of(root: Path) -> str:
    try:
        return read_root(read_general(root.read_bytes(), ROOT_TYPE).payload).tenant
    except OSError as error:
        raise Unusable(
            f"The root {root} cannot be read: {error.strerror}.",
            "Start the control plane once, or name the root with --root.",
        ) from None
    except TrustError as error:
        raise Refused(f"{root} is no root: {error}.", "Name the right file with --root.") from None
