"""The first run: while nobody has an account, whoever starts the server gets a link."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.pulse import beat

log = logging.getLogger(__name__)
SWEEP_EVERY_S = 3600


def first_path(services: Services) -> str:
    """Where, below the server, the first account is made, "" where there are accounts already, or
    no login.  Blocks."""
    if services.settings.open_console:
        return ""
    link = services.accounts.logins.first_link()
    return link.path if link else ""


async def announce_setup(services: Services) -> None:
    """Say it in the log: for servers that no command line of ours has started."""
    path = await asyncio.to_thread(first_path, services)
    if path:
        address = server_of(services.settings) + path
        log.warning("nobody has an account yet; make the first, an admin, once, at %s", address)


async def keep_accounts_swept(services: Services) -> None:
    """Forget sessions, links and failures that are over."""
    while True:
        with suppress(StorageUnavailable):  # then next time
            await asyncio.to_thread(services.accounts.logins.sweep)
            beat()
        await asyncio.sleep(SWEEP_EVERY_S)


def server_of(settings: Settings) -> str:
    """The address at which the settings say that the server listens."""
    everywhere = settings.host in ("0.0.0.0", "::", "")
    host = settings.console_hosts[0] if everywhere else settings.host
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{settings.port}"
