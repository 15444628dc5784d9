"""The edge as a server on this machine: the app in its CPython home, under uvicorn.

    serve(EdgeSettings(...), host="127.0.0.1", port=8800)
    PROFFER_EDGE=edge.json python -m edge.local --host 0.0.0.0 --port 8800

`local_settings.py` says what it must be told, `local_home.py` where things come from,
`local_server.py` how it listens and how it ends.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from edge.app import App, create_app
from edge.asgi import CLOSE, Message, Receive, Scope, Send
from edge.local_home import LocalHome
from edge.local_metrics import PrometheusMeter
from edge.local_server import (
    DRAIN_S,
    LIMITS,
    DrainingServer,
    PatientProtocol,
    inherited_sockets,
)
from edge.local_settings import EdgeSettings, SettingsError, read_settings

GRACE_S = 3
"""How long open requests may take once the server closes what is left."""
LAST_WORDS = ("lifespan.shutdown.complete", "lifespan.startup.failed")


class LocalApp:
    """The app with its home, which ends when the app does."""

    def __init__(self, app: App, home: LocalHome, drain_s: float = DRAIN_S) -> None:
        self.app = app
        self.home = home
        self.drain_s = drain_s
        self.draining = False
        logging.getLogger("uvicorn.error").addFilter(told_by_us)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, self._closing(send))
        last: list[Message] = []

        async def hold(message: Message) -> None:
            # After the last word the server ends the loop, whatever still runs.
            if message["type"] in LAST_WORDS:
                last.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, hold)
        finally:
            await self.home.close()
        for message in last:
            await send(message)

    def drain(self) -> None:
        """From now on every answer is the last of its connection."""
        self.draining = True

    def _closing(self, send: Send) -> Send:
        async def closing(message: Message) -> None:
            if self.draining and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], CLOSE]}
            await send(message)

        return closing


def told_by_us(record: logging.LogRecord) -> bool:
    """A filter: uvicorn need not say again that an answer broke off."""
    return "without completing response" not in record.msg


def create_local_app(settings: EdgeSettings) -> LocalApp:
    """Raises `SettingsError`."""
    home = LocalHome(
        settings.control_url, settings.origin_url, settings.data, settings.origin_timeout_s
    )
    meter = PrometheusMeter()
    app = create_app(read_settings(settings), home, meter)
    meter.watch(app.health)
    return LocalApp(app, home, settings.drain_s)


def app_from_environment(environ: Mapping[str, str] = os.environ) -> LocalApp:
    """For `uvicorn --factory edge.local:app_from_environment`: PROFFER_EDGE names a JSON file
    with the fields of `EdgeSettings`.  Raises `SettingsError`."""
    return create_local_app(settings_from(environ))


def settings_from(environ: Mapping[str, str]) -> EdgeSettings:
    """Raises `SettingsError`."""
    name = environ.get("PROFFER_EDGE", "")
    try:
        return msgspec.json.decode(Path(name).read_bytes(), type=EdgeSettings, dec_hook=_path)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"PROFFER_EDGE={name!r}: {error}") from None


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"a {kind.__name__} is a text")


def server_config(settings: EdgeSettings, host: str, port: int, **more: Any) -> uvicorn.Config:
    """uvicorn, adding no headers of its own: the origin's go through as they came."""
    options: dict[str, Any] = {"timeout_graceful_shutdown": GRACE_S, **LIMITS} | more
    return uvicorn.Config(
        create_local_app(settings), host=host, port=port, lifespan="on", http=PatientProtocol,
        server_header=False, date_header=False, proxy_headers=False, **options,
    )  # fmt: skip


def edge_server(config: uvicorn.Config) -> DrainingServer:
    """The server of `server_config`."""
    app = config.app
    assert isinstance(app, LocalApp)
    return DrainingServer(config, app.drain, app.drain_s)


def serve(settings: EdgeSettings, host: str = "127.0.0.1", port: int = 8800) -> None:
    """Run until Ctrl-C or SIGTERM, which end it well; on the sockets that the parent hands
    over, if it does.  Raises `SettingsError`."""
    server = edge_server(server_config(settings, host, port))
    with suppress(KeyboardInterrupt):
        server.run(inherited_sockets() or None)


def main() -> int:
    """Exit status 1: the settings, or a file that they name, cannot be used."""
    options = argparse.ArgumentParser("python -m edge.local", description=main.__doc__)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", default=8800, type=int)
    chosen = options.parse_args()
    try:
        serve(settings_from(os.environ), chosen.host, chosen.port)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
