"""What one client can ask of an edge: sizes, and times."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response, StreamingResponse

from edge import asgi
from edge.local_server import CONNECTIONS, HEAD_BYTES, LIMITS, PatientProtocol
from tests.support.edges import PATIENCE_S, World, assert_problem, running, until, world

MIB = 1 << 20


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge with little patience."""
    monkeypatch.setattr(asgi, "BODY_WAIT_S", 0.3)
    monkeypatch.setattr(PatientProtocol, "head_wait_s", 0.3)
    monkeypatch.setattr(PatientProtocol, "stall_s", 0.5)


@contextmanager
def connection(w: World) -> Iterator[socket.socket]:
    host, _, port = w.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as made:
        yield made


def heard(client: socket.socket) -> bytes:
    """Everything until the edge ends the connection."""
    answer = b""
    while more := client.recv(1 << 16):
        answer += more
    return answer


def pieces(*sizes: int) -> Iterator[bytes]:
    """A body whose length nobody is told."""
    for size in sizes:
        yield b"x" * size


# --- sizes --------------------------------------------------------------------


def test_a_body_up_to_the_limit_reaches_the_shop_and_a_larger_one_does_not(tmp_path: Path) -> None:
    with world(tmp_path, request_limit_bytes=MIB) as w:
        w.shop.pages["/"] = lambda request: Response(b"ok")
        client = w.visitor().client
        assert client.post("/", content=b"x" * MIB).text == "ok"
        assert client.post("/", content=pieces(MIB)).text == "ok"
        assert [len(body) for body in w.shop.bodies] == [MIB, MIB]
        assert_problem(client.post("/", content=b"x" * (MIB + 1)), 413, "too-large")
        assert_problem(client.post("/", content=pieces(MIB, 1)), 413, "too-large")
        assert len(w.shop.bodies) == 2


def test_a_head_that_never_ends_is_refused(w: World) -> None:
    with connection(w) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\nX: " + b"x" * (HEAD_BYTES + 1))
        assert heard(client).startswith(b"HTTP/1.1 400 ")


def test_more_connections_than_it_takes_get_a_503(tmp_path: Path) -> None:
    assert LIMITS["limit_concurrency"] == CONNECTIONS
    few = {**LIMITS, "limit_concurrency": 2, "lifespan": "off"}
    with (
        world(tmp_path) as w,
        running(w.app, **few) as url,
        httpx.Client(base_url=url) as one,
        httpx.Client(base_url=url) as two,
    ):
        assert one.get("/_proffer/healthz").status_code == 200
        assert two.get("/_proffer/healthz").status_code == 503


# --- times --------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost"])
def test_a_head_that_does_not_come_ends_the_connection(w: World, begun: bytes) -> None:
    with connection(w) as client:
        client.sendall(begun)
        begin_s = time.monotonic()
        assert heard(client) == b""
        assert time.monotonic() - begin_s < PATIENCE_S / 2


@pytest.mark.usefixtures("hasty")
def test_a_head_that_drips_ends_the_connection_too(w: World) -> None:
    with connection(w) as client:
        client.settimeout(0.05)
        until(lambda: ended_after(client, b"G"))


def ended_after(client: socket.socket, piece: bytes) -> bool:
    """Whether the edge ends the connection when it gets another piece."""
    try:
        client.sendall(piece)
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("path", ["/_proffer/decide", "/_proffer/beacon", "/form"])
def test_a_body_that_does_not_come_is_a_408(w: World, path: str) -> None:
    with connection(w) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n"
        client.sendall(head.encode() + b"Content-Length: 10\r\n\r\n{")
        answer = heard(client)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"/_proffer/problems/request-timeout" in answer
    assert w.shop.bodies == []


@pytest.mark.usefixtures("hasty")
def test_an_upload_may_take_its_time_as_long_as_it_goes_on(w: World) -> None:
    w.shop.pages["/form"] = lambda request: Response(b"ok")

    def slowly() -> Iterator[bytes]:
        for _ in range(8):
            time.sleep(0.1)
            yield b"x"

    assert w.visitor().client.post("/form", content=slowly()).text == "ok"


@pytest.mark.usefixtures("hasty")
def test_a_client_that_takes_nothing_is_let_go_and_so_is_the_shop(w: World) -> None:
    ended: list[int] = []

    async def large() -> AsyncIterator[bytes]:
        try:
            for _ in range(1000):
                yield b"x" * MIB
        finally:
            ended.append(1)

    w.shop.pages["/"] = lambda request: StreamingResponse(large(), media_type="text/html")
    with connection(w) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\nAccept: text/html\r\n\r\n")
        until(lambda: ended)
        assert not heard(client).endswith(b"0\r\n\r\n")
