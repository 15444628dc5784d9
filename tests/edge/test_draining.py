"""SIGTERM: an edge drains, and a restart under load loses no request."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from edge.local_server import DRAIN_S, inherited_sockets
from policy_compiler.keys import KEYS_FILE, DevelopmentKeys
from policy_compiler.sign import development_root
from tests.edge.test_stopping import PROGRAM, ended_well
from tests.support.edges import PATIENCE_S, Shop, running, until
from tests.support.processes import Server

FIRST_FD = 3


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """An origin that takes a moment for each answer."""
    made = Shop()

    def slow(request: Request) -> Response:
        time.sleep(0.002)
        return HTMLResponse(f"<p>{request.url.path}</p>")

    made.pages = {f"/{n}": slow for n in range(10)}
    with running(made.app()) as url:
        yield url


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """The listening socket that outlives every edge, as systemd holds one."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as made:
        yield made


class Edges:
    """Edges that share a door."""

    def __init__(self, folder: Path, origin: str, door: socket.socket, stack: ExitStack) -> None:
        keys = DevelopmentKeys.load_or_create(folder / "keys")
        root = development_root(keys, "pocket", int(time.time()))
        (folder / "root.1.jws").write_bytes(root)
        self.port = door.getsockname()[1]
        self._command = [sys.executable, "-c", PROGRAM, folder, origin, str(self.port), KEYS_FILE]
        self._door = door
        self._stack = stack

    def start(self) -> Server:
        """A process that gets the door as systemd would give it; it answers soon."""
        log = self._stack.enter_context((self._log()).open("w+b"))
        # The shell becomes the edge, so that LISTEN_PID is the edge's own.
        script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", *self._command],
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.dup2(self._door.fileno(), FIRST_FD),
            pass_fds=[FIRST_FD],
        )
        server = Server(self.port, process, log)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        until(lambda: "startup complete" in server.output() or server.status is not None)
        assert server.status is None, server.output()
        return server

    def _log(self) -> Path:
        self._count = getattr(self, "_count", 0) + 1
        return Path(str(self._command[3])) / f"edge-{self._count}.log"


@pytest.fixture
def edges(tmp_path: Path, shop: str, door: socket.socket) -> Iterator[Edges]:
    with ExitStack() as stack:
        yield Edges(tmp_path, shop, door, stack)


def terminate(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGTERM)


class Load:
    """Clients that ask all the time, over connections that they keep."""

    def __init__(self, url: str, clients: int = 6) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE_S) as client:
            while not self._over.is_set():
                try:
                    answer = client.get(f"/{number}")
                    wrong = (answer.status_code, answer.text) != (200, f"<p>/{number}</p>")
                    self.lost += [answer.text] if wrong else []
                except httpx.HTTPError as error:
                    self.lost.append(repr(error))
                self.answered += 1

    @contextmanager
    def going_on(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def test_a_restart_under_load_loses_no_request(edges: Edges) -> None:
    old = edges.start()
    load = Load(f"http://127.0.0.1:{edges.port}")
    with load.going_on():
        for _ in range(3):
            until_more(load, 50)
            new = edges.start()
            terminate(old)
            until(lambda old=old: old.status is not None)
            ended_well(old)
            old = new
        until_more(load, 50)
    assert load.lost == []
    assert load.answered > 300


def until_more(load: Load, count: int) -> None:
    wanted = load.answered + count
    until(lambda: load.answered >= wanted)


def test_what_comes_between_two_edges_waits_at_the_door(edges: Edges) -> None:
    old = edges.start()
    terminate(old)
    until(lambda: old.status is not None)
    with socket.create_connection(("127.0.0.1", edges.port), timeout=PATIENCE_S) as client:
        client.sendall(b"GET /1 HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
        edges.start()
        assert client.makefile("rb").read().endswith(b"<p>/1</p>")


def test_an_idle_connection_gets_one_more_answer_and_is_told_to_close(edges: Edges) -> None:
    server = edges.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{edges.port}") as client:
        assert "connection" not in client.get("/1").headers
        terminate(server)
        time.sleep(0.5)
        last = client.get("/2")
    assert (last.text, last.headers["connection"]) == ("<p>/2</p>", "close")
    until(lambda: server.status is not None)
    ended_well(server)


def test_an_edge_that_nobody_uses_ends_at_once(edges: Edges) -> None:
    server = edges.start()
    begin_s = time.monotonic()
    terminate(server)
    until(lambda: server.status is not None)
    assert time.monotonic() - begin_s < DRAIN_S / 2
    ended_well(server)


def test_ctrl_c_ends_a_drain(edges: Edges) -> None:
    server = edges.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{edges.port}") as client:
        client.get("/1")
        begin_s = time.monotonic()
        terminate(server)
        time.sleep(0.3)
        os.kill(server.process.pid, signal.SIGINT)
        until(lambda: server.status is not None)
        assert time.monotonic() - begin_s < DRAIN_S / 2


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    assert inherited_sockets({}) == []
    assert inherited_sockets({"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + 1)}) == []
    assert inherited_sockets({"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())}) == []
