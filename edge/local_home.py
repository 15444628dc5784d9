"""What CPython lends an edge: httpx to the control plane and the origin, files for what lasts.

The data folder holds signed files and bundles, all public and all verified again when
they are read; it needs no secrecy, only to be there after a restart.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from edge.asgi import Headers
from edge.decision.events import BATCH_TYPE
from edge.decision.host import HostError, NotFound
from edge.home import (
    AGAIN,
    Delivered,
    OriginFailed,
    OriginRequest,
    OriginTimeout,
    Refused,
    Unaskable,
    climbs,
)
from edge.local_crypto import verify_ed25519
from edge.local_server import CONNECTIONS
from edge.local_settings import SettingsError

CONTROL_TIMEOUT_S = 10.0
BUNDLES_KEPT = 8
PATH = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
BROKE_OFF = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


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
        self._transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=100)
        )
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
    native = None

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
