"""The CPython home: its settings, its files, its limits, and the whole of it as a process."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.decision.host import HostError, NotFound
from edge.home import Refused
from edge.local import app_from_environment, create_local_app
from edge.local_home import BUNDLES_KEPT, LocalHome
from edge.local_settings import EdgeSettings, SettingsError, read_settings
from policy_compiler.keys import KEYS_FILE, DevelopmentKeys
from policy_compiler.sign import development_root
from tests.support import edges
from tests.support.edges import ControlPlane, Shop, running, until
from tests.support.processes import serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the secrets and the pinned root of an edge."""
    keys = DevelopmentKeys.load_or_create(tmp_path / "keys")
    (tmp_path / "root.1.jws").write_bytes(development_root(keys, "pocket", int(time.time())))
    return tmp_path


def settings_of(folder: Path, **changes: Any) -> EdgeSettings:
    made = EdgeSettings(
        tenant="pocket",
        control_url="http://127.0.0.1:9",
        origin_url="http://127.0.0.1:9",
        root=folder / "root.1.jws",
        secrets=folder / "keys" / KEYS_FILE,
        data=folder / "edge",
    )
    return msgspec.structs.replace(made, **changes)


# --- settings -----------------------------------------------------------------


def test_the_development_keys_serve_as_secrets(folder: Path) -> None:
    keys = DevelopmentKeys.load_or_create(folder / "keys")
    secrets = read_settings(settings_of(folder)).secrets
    assert (secrets.edge_secret, secrets.shop_key) == (keys.edge_secret, keys.shop_key)
    assert keys.shop_key not in repr(secrets)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"root": Path("nowhere.jws")}, "nowhere.jws"),
        ({"secrets": Path("nowhere.json")}, "nowhere.json"),
        ({"default_consent": "maybe"}, "default_consent"),
        ({"refresh_s": 0}, "refresh_s"),
    ],
)
def test_a_setting_that_cannot_work_is_named(folder: Path, changes: Any, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read_settings(settings_of(folder, **changes))


@pytest.mark.parametrize(
    "text", ["", "{}", "[", '{"edge_secret": "QQ==", "cookie_secret": "QQ==", "shop_key": "x"}']
)
def test_a_file_without_secrets_is_refused(folder: Path, text: str) -> None:
    path = folder / "bad.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match="secrets"):
        read_settings(settings_of(folder, secrets=path))


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PROFFER_EDGE='nowhere\.json'"):
        app_from_environment({"PROFFER_EDGE": "nowhere.json"})


# --- files --------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[LocalHome]:
    made = LocalHome("http://127.0.0.1:9", "http://127.0.0.1:9", tmp_path / "edge")
    yield made
    asyncio.run(made.close())


def test_what_is_saved_is_there_again_and_whole(home: LocalHome, tmp_path: Path) -> None:
    asyncio.run(home.save("keys/root.2.jws", b"one"))
    asyncio.run(home.save("keys/root.2.jws", b"two"))
    assert asyncio.run(home.load("keys/root.2.jws")) == b"two"
    assert asyncio.run(home.load("keys/root.3.jws")) is None
    assert [path.name for path in (tmp_path / "edge" / "keys").iterdir()] == ["root.2.jws"]


@pytest.mark.parametrize(
    "path", ["", "/etc/x", "../x", "a/../../x", "a//b", ".hidden", "a\\b", "a/b\n"]
)
def test_no_path_leads_out_of_the_data_folder(home: LocalHome, path: str) -> None:
    with pytest.raises(HostError, match="no path of the store"):
        asyncio.run(home.save(path, b"x"))


def test_only_the_newest_bundles_are_kept(home: LocalHome, tmp_path: Path) -> None:
    for number in range(BUNDLES_KEPT + 5):
        asyncio.run(home.save(f"bundles/{number:064x}", b"x"))
    assert len(list((tmp_path / "edge" / "bundles").iterdir())) == BUNDLES_KEPT


# --- the control plane --------------------------------------------------------


async def long(request: Request) -> Response:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 65_536
            await asyncio.sleep(0)

    return StreamingResponse(drip())


def ask(app: Any, path: str, limit: int = 100) -> bytes:
    async def run(url: str) -> bytes:
        home = LocalHome(url, url, Path("unused"))
        try:
            return await home.fetch(path, limit)
        finally:
            await home.close()

    with running(app) as url:
        return asyncio.run(run(url))


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    control = ControlPlane()
    control.files["/v1/a"] = b"x" * 100
    assert ask(control.app(), "a") == b"x" * 100
    with pytest.raises(HostError, match="more than 99 bytes"):
        ask(control.app(), "a", 99)
    with pytest.raises(HostError, match="more than 100 bytes"):
        ask(Starlette(routes=[Route("/v1/a", long)]), "a")


def test_a_missing_file_differs_from_a_control_plane_in_trouble() -> None:
    control = ControlPlane()
    with pytest.raises(NotFound):
        ask(control.app(), "keys/root.2.jws")
    control.status = 500
    with pytest.raises(HostError, match="answers 500") as trouble:
        ask(control.app(), "keys/root.2.jws")
    assert not isinstance(trouble.value, NotFound)


@pytest.mark.parametrize(
    ("status", "for_good"), [(400, True), (413, True), (429, False), (503, False)]
)
def test_a_refusal_for_good_differs_from_one_that_may_pass(status: int, for_good: bool) -> None:
    control = ControlPlane()
    control.status = status

    async def run(url: str) -> None:
        home = LocalHome(url, url, Path("unused"))
        with pytest.raises(HostError) as trouble:
            await home.send(b"[]")
        assert isinstance(trouble.value, Refused) is for_good
        await home.close()

    with running(control.app()) as url:
        asyncio.run(run(url))


class Fickle:
    """Ends a connection instead of answering its second request, as a server that restarts."""

    def __init__(self, counts: bytes = b'{"accepted":1,"duplicates":0,"quarantined":0}') -> None:
        self.answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % len(counts) + counts
        self.bodies: list[bytes] = []
        self.connections = 0
        self.patience = 1

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
            for _ in range(self.patience):
                await self._read(reader)
                writer.write(self.answer)
            await self._read(reader)
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        self.bodies.append(await reader.readexactly(length))


def with_fickle(fickle: Fickle, act: Callable[[LocalHome], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(fickle.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        home = LocalHome(url, url, Path("unused"))
        async with server:
            await act(home)
            await home.close()

    asyncio.run(run())


def test_a_kept_connection_that_ended_is_no_reason_to_lose_a_beacon() -> None:
    async def act(home: LocalHome) -> None:
        assert (await home.deliver(b"[1]")).accepted == 1
        assert (await home.deliver(b"[2]")).accepted == 1

    fickle = Fickle()
    with_fickle(fickle, act)
    assert (fickle.bodies, fickle.connections) == ([b"[1]", b"[2]", b"[2]"], 2)


def test_a_beacon_is_tried_twice_and_not_for_ever() -> None:
    async def act(home: LocalHome) -> None:
        with pytest.raises(HostError, match="beacons: "):
            await home.deliver(b"[1]")

    fickle = Fickle()
    fickle.patience = 0
    with_fickle(fickle, act)
    assert fickle.bodies == [b"[1]", b"[1]"]


@pytest.mark.parametrize("counts", [b"", b"{}", b"<html>", b'{"accepted":"1"}', b"\xff"])
def test_an_answer_without_counts_is_not_believed(counts: bytes) -> None:
    async def act(home: LocalHome) -> None:
        with pytest.raises(HostError, match="without counts"):
            await home.deliver(b"[1]")

    with_fickle(Fickle(counts), act)


# --- the origin's address -----------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "shop.example", "ftp://shop.example", "http://", "http://[", "http://shop/?a=b",
        "http://shop/#a", "http://me:secret@shop/", "file:///etc",
    ],
)  # fmt: skip
def test_an_origin_that_is_no_server_is_a_setting_that_cannot_work(folder: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="origin_url"):
        create_local_app(settings_of(folder, origin_url=url))


# --- the whole ----------------------------------------------------------------

WAYS = pytest.mark.parametrize(
    "module",
    [["edge.local"], ["uvicorn", "--factory", "edge.local:app_from_environment"]],
    ids=["edge.local", "uvicorn"],
)


@WAYS
def test_an_edge_is_a_process_that_sends_its_log_before_it_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: list[str]
) -> None:
    keys = DevelopmentKeys.load_or_create(folder / "keys")
    monkeypatch.setattr(edges, "keys", lambda: keys)
    control, shop = ControlPlane(), Shop()
    control.publish(1)
    shop.put("/", '<p><proffer-slot placement="hero">default</proffer-slot></p>')
    with running(control.app()) as control_url, running(shop.app()) as origin_url:
        settings = settings_of(folder, control_url=control_url, origin_url=origin_url)
        file = folder / "edge.json"
        file.write_bytes(msgspec.json.encode(settings, enc_hook=str))
        environment = {"PROFFER_EDGE": str(file)}
        command = [sys.executable, "-m", *module, "--port", "{port}"]
        with serving(command, path="/_proffer/healthz", env=environment) as edge:
            until(lambda: httpx.get(f"{edge.url}/_proffer/healthz").json()["status"] == "ok")
            assert "proffer-offer" in httpx.get(edge.url).text
        assert edge.status == 0, edge.output()
    assert len(control.records()) == 1


@WAYS
def test_an_edge_that_pins_another_shops_root_does_not_start(
    folder: Path, module: list[str]
) -> None:
    keys = DevelopmentKeys.load_or_create(folder / "keys")
    (folder / "root.1.jws").write_bytes(development_root(keys, "bucket", int(time.time())))
    file = folder / "edge.json"
    file.write_bytes(msgspec.json.encode(settings_of(folder), enc_hook=str))
    command = [sys.executable, "-m", *module, "--port", "0"]
    done = asyncio.run(_run(command, {"PROFFER_EDGE": str(file)}))
    assert done[0] != 0
    assert "TENANT" in done[1]


def test_without_settings_it_says_where_they_should_be() -> None:
    done = asyncio.run(_run([sys.executable, "-m", "edge.local"], {"PROFFER_EDGE": "nowhere.json"}))
    assert done[0] == 1 and "PROFFER_EDGE='nowhere.json'" in done[1]


async def _run(command: list[str], environment: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | environment, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    return process.returncode, said.decode()
