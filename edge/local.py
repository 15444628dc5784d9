"""The CPython home: httpx to the control plane and the origin, files for what must survive.

    serve(EdgeSettings(...), host="127.0.0.1", port=8800)

`EdgeSettings` names files and addresses; `read_settings` reads them into what the app
wants.  The data folder holds signed files and bundles, all public and all verified
again when they are read; it needs no secrecy, only to be there after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import httpx
import msgspec
import uvicorn
from msgspec import Struct

from edge.app import App, create_app
from edge.asgi import Headers, Message, Receive, Scope, Send
from edge.decision.events import BATCH_TYPE
from edge.decision.host import HostError, NotFound
from edge.home import (
    Delivered,
    OriginFailed,
    OriginRequest,
    OriginTimeout,
    Refused,
    Unaskable,
)
from edge.local_crypto import verify_ed25519
from edge.settings import Secrets, Settings

CONTROL_TIMEOUT_S = 10.0
BUNDLES_KEPT = 8
GRACE_S = 3
"""How long open requests may take once the server is told to stop."""
PATH = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
BROKE_OFF = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
AGAIN = {401, 403, 404, 408, 425, 429}
"""4xx that may pass: keys and addresses that somebody is about to put right, and haste."""


class SettingsError(ValueError):
    """A setting or a file that it names cannot be used; the message says which and why."""


class EdgeSettings(Struct, frozen=True, kw_only=True):
    """What it takes to run an edge on this machine; see `Settings` for what is not told here.

    `root`: file with the pinned root.  `secrets`: JSON file with `edge_secret` and
    `cookie_secret` (base64, 32 bytes or more) and `shop_key`; more keys are passed
    over, so the development keys' own file will do.  `data`: folder that survives.
    """

    tenant: str
    channel: str = "production"
    control_url: str
    origin_url: str
    root: Path
    secrets: Path
    data: Path
    refresh_s: float = 5.0
    edge_headers: dict[str, str] = {}
    default_consent: str = "full"
    consent_cookie: str = "proffer_consent"
    origin_timeout_s: float = 10.0


class _SecretsFile(Struct, frozen=True):
    edge_secret: bytes
    cookie_secret: bytes
    shop_key: str


def read_settings(settings: EdgeSettings) -> Settings:
    """With the files read.  Raises `SettingsError`."""
    try:
        file = msgspec.json.decode(settings.secrets.read_bytes(), type=_SecretsFile)
        return Settings(
            tenant=settings.tenant,
            channel=settings.channel,
            pinned_root=settings.root.read_bytes(),
            secrets=Secrets(
                edge_secret=file.edge_secret,
                cookie_secret=file.cookie_secret,
                shop_key=file.shop_key,
            ),
            refresh_s=settings.refresh_s,
            edge_headers=settings.edge_headers,
            default_consent=settings.default_consent,
            consent_cookie=settings.consent_cookie,
        )
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{settings.secrets} holds no secrets of an edge: {error}") from None
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from None


# --- the home -----------------------------------------------------------------


class LocalHome:
    """A `Home` on this machine.  `close` it at the end."""

    def __init__(
        self, control_url: str, origin_url: str, data: Path, origin_timeout_s: float = 10.0
    ) -> None:
        self._control_url = control_url.rstrip("/")
        self._origin = origin_of(origin_url)
        self._data = data
        self._timeout = httpx.Timeout(origin_timeout_s).as_dict()
        # Below the level of a client, which would keep everybody's cookies in one jar.
        self._transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=200))
        # The control plane is a neighbour: proxies of the environment are for the world outside.
        self._client = httpx.AsyncClient(timeout=CONTROL_TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()
        await self._transport.aclose()

    def now_s(self) -> int:
        return int(time.time())

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    async def verify(self, key_x: bytes, message: bytes, signature: bytes) -> bool:
        return await verify_ed25519(key_x, message, signature)

    # --- the control plane --------------------------------------------------

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        url = f"{self._control_url}/v1/{path}"
        body = bytearray()
        try:
            limit = asyncio.timeout(CONTROL_TIMEOUT_S)
            async with limit, self._client.stream("GET", url) as answer:
                if answer.status_code == 404:
                    raise NotFound(f"there is no {path}")
                if answer.status_code != 200:
                    raise HostError(f"{path}: the control plane answers {answer.status_code}")
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > max_bytes:
                        raise HostError(f"{path} has more than {max_bytes} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise HostError(f"{path}: {describe(error)}") from None
        return bytes(body)

    async def send(self, events: bytes) -> None:
        await self.deliver(events)

    async def deliver(self, events: bytes) -> Delivered:
        try:
            answer = await self._post_beacons(events)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HostError(f"beacons: {describe(error)}") from None
        status = answer.status_code
        if 400 <= status < 500 and status not in AGAIN:
            raise Refused(f"beacons: the control plane answers {status}: {answer.text[:300]}")
        if not answer.is_success:
            raise HostError(f"beacons: the control plane answers {status}")
        try:
            return msgspec.json.decode(answer.content, type=Delivered)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Whoever answered this was no control plane; nothing is known to be stored.
            raise HostError(f"beacons: an answer {status} without counts") from None

    async def _post_beacons(self, events: bytes) -> httpx.Response:
        url, headers = f"{self._control_url}/v1/beacons", {"Content-Type": BATCH_TYPE}
        with suppress(*BROKE_OFF):
            return await self._client.post(url, content=events, headers=headers)
        # A kept connection may end just when it is used again.  Events are known by name, so
        # that those which got through count once.
        return await self._client.post(url, content=events, headers=headers)

    # --- files --------------------------------------------------------------

    async def load(self, path: str) -> bytes | None:
        try:
            return self._file(path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostError(f"{path} cannot be read: {error}") from None

    async def save(self, path: str, signed: bytes) -> None:
        try:
            write_whole(self._file(path), signed)
            if path.startswith("bundles/"):
                prune(self._file(path).parent, BUNDLES_KEPT)
        except OSError as error:
            raise HostError(f"{path} cannot be saved: {error}") from None

    def _file(self, path: str) -> Path:
        if not PATH.fullmatch(path):
            raise HostError(f"{path!a} is no path of the store")
        return self._data / path

    # --- the origin ---------------------------------------------------------

    async def ask_origin(self, request: OriginRequest) -> LocalOriginResponse:
        prefix = self._origin.raw_path.rstrip(b"/")
        if prefix and climbs(request.target):
            raise Unaskable(f"{request.target[:80]!a} has a segment `..`")
        asked = httpx.Request(
            request.method,
            self._origin,
            headers=request.headers,
            content=request.body,
            # The target's own bytes: a URL would write some of them in another way.
            extensions={"timeout": self._timeout, "target": prefix + request.target},
        )
        asked.method = request.method  # as it came, in its own case
        try:
            response = await self._transport.handle_async_request(asked)
        except httpx.LocalProtocolError as error:
            raise Unaskable(describe(error)) from None
        except httpx.TimeoutException as error:
            raise OriginTimeout(describe(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OriginFailed(describe(error)) from None
        if response.status_code < 200:
            await response.aclose()
            raise OriginFailed(f"it answers {response.status_code}, which nobody asked for")
        return LocalOriginResponse(response)


def climbs(target: bytes) -> bool:
    """Whether a server, however it reads separators and escapes, may find `..` in the path."""
    return b".." in re.split(rb"[/\\]", unquote_to_bytes(target.partition(b"?")[0]))


def origin_of(url: str) -> httpx.URL:
    """Raises `SettingsError` unless this is the address of a server, or of a folder there."""
    try:
        origin = httpx.URL(url.rstrip("/"))
        host = urlsplit(url).hostname
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"origin_url {url!r} is no address: {error}") from None
    if origin.scheme not in ("http", "https") or not host:
        raise SettingsError(f"origin_url {url!r} must begin with http:// or https:// and a host")
    if origin.query or origin.fragment or origin.userinfo:
        raise SettingsError(f"origin_url {url!r} must have no user, query or fragment")
    return origin


class LocalOriginResponse:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Headers = list(response.headers.raw)
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except httpx.HTTPError as error:
            raise OriginFailed(describe(error)) from None

    async def close(self) -> None:
        await self._response.aclose()


def describe(error: Exception) -> str:
    return str(error) or type(error).__name__


def write_whole(path: Path, data: bytes) -> None:
    """The file is whole or not there, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def prune(folder: Path, keep: int) -> None:
    """Keep the newest files of a folder."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[keep:]:
        file.unlink(missing_ok=True)


# --- running ------------------------------------------------------------------


LAST_WORDS = ("lifespan.shutdown.complete", "lifespan.startup.failed")


class LocalApp:
    """The app with its home, which ends when the app does."""

    def __init__(self, app: App, home: LocalHome) -> None:
        self.app = app
        self.home = home
        logging.getLogger("uvicorn.error").addFilter(told_by_us)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
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


def told_by_us(record: logging.LogRecord) -> bool:
    """A filter: uvicorn need not say again that an answer broke off."""
    return "without completing response" not in record.msg


def create_local_app(settings: EdgeSettings) -> LocalApp:
    """Raises `SettingsError`."""
    home = LocalHome(
        settings.control_url, settings.origin_url, settings.data, settings.origin_timeout_s
    )
    return LocalApp(create_app(read_settings(settings), home), home)


def app_from_environment(environ: Mapping[str, str] = os.environ) -> LocalApp:
    """For `uvicorn --factory edge.local:app_from_environment`: PROFFER_EDGE names a JSON file
    with the fields of `EdgeSettings`.  Raises `SettingsError`."""
    name = environ.get("PROFFER_EDGE", "")
    try:
        settings = msgspec.json.decode(Path(name).read_bytes(), type=EdgeSettings, dec_hook=_path)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"PROFFER_EDGE={name!r}: {error}") from None
    return create_local_app(settings)


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"a {kind.__name__} is a text")


def server_config(settings: EdgeSettings, host: str, port: int, **more: Any) -> uvicorn.Config:
    """uvicorn, adding no headers of its own: the origin's go through as they came."""
    options: dict[str, Any] = {"timeout_graceful_shutdown": GRACE_S} | more
    return uvicorn.Config(
        create_local_app(settings), host=host, port=port, lifespan="on",
        server_header=False, date_header=False, proxy_headers=False, **options,
    )  # fmt: skip


def serve(settings: EdgeSettings, host: str = "127.0.0.1", port: int = 8800) -> None:
    """Run until Ctrl-C, which ends it well.  Raises `SettingsError`."""
    server = uvicorn.Server(server_config(settings, host, port))
    with suppress(KeyboardInterrupt):
        server.run()
