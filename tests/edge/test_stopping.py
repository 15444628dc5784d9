"""Ctrl-C: an edge ends with status 0 and without a word that nobody needs, whatever is going on."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from edge.local import GRACE_S
from policy_compiler.keys import KEYS_FILE, DevelopmentKeys
from policy_compiler.sign import development_root
from tests.support.edges import PATIENCE_S, until
from tests.support.processes import Server, serving

PROGRAM = """
import sys
from pathlib import Path
from edge.local import serve
from edge.local_settings import EdgeSettings
folder, origin, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
serve(EdgeSettings(tenant="pocket", control_url="http://127.0.0.1:9", origin_url=origin,
    root=folder / "root.1.jws", secrets=folder / "keys" / sys.argv[4], data=folder / "edge"),
    port=port)
"""


@contextmanager
def an_edge(folder: Path, origin: str) -> Iterator[Server]:
    keys = DevelopmentKeys.load_or_create(folder / "keys")
    (folder / "root.1.jws").write_bytes(development_root(keys, "pocket", int(time.time())))
    command = [sys.executable, "-c", PROGRAM, folder, origin, "{port}", KEYS_FILE]
    with serving(command, path="/_proffer/healthz") as server:
        yield server


class Talk:
    """A client's request that reached an origin, which answers nothing by itself."""

    def __init__(self, server: Server, door: socket.socket) -> None:
        self.client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
        self.client.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n")
        self.origin, _ = door.accept()
        self.origin.recv(1000)

    def answer_half(self) -> None:
        self.origin.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        assert self.heard(b"half").endswith(b"half")

    def heard(self, last: bytes) -> bytes:
        """What the edge sends until that comes, or until it ends: it may come in pieces."""
        answer = b""
        while last not in answer and (more := self.client.recv(10_000)):
            answer += more
        return answer

    def close(self) -> None:
        self.client.close()
        self.origin.close()


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """Where the origin listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@contextmanager
def talking(folder: Path, door: socket.socket) -> Iterator[tuple[Server, Talk]]:
    """An edge that ends with the block, while the talk goes on."""
    with ExitStack() as stack:
        with an_edge(folder, f"http://127.0.0.1:{door.getsockname()[1]}") as server:
            talk = Talk(server, door)
            stack.callback(talk.close)
            yield server, talk
            interrupt(server)
            until(lambda: server.status is not None)
        ended_well(server)


def interrupt(server: Server) -> None:
    """Ctrl-C, the first time; a second one may come when nobody handles it any more."""
    if "Shutting down" not in server.output():
        os.kill(server.process.pid, signal.SIGINT)
        until(lambda: "Shutting down" in server.output())


def ended_well(server: Server) -> None:
    assert server.status == 0, server.output()
    assert "Traceback" not in server.output() and "Error" not in server.output()


def test_an_edge_without_work_just_ends(tmp_path: Path, door: socket.socket) -> None:
    with talking(tmp_path, door) as (server, talk):
        talk.close()
        assert httpx.get(f"{server.url}/_proffer/healthz").status_code == 200


def test_who_still_waits_is_told_to_come_again(tmp_path: Path, door: socket.socket) -> None:
    with talking(tmp_path, door) as (server, talk):
        interrupt(server)
        answer = talk.heard(b"/_proffer/problems/stopping")
        assert answer.startswith(b"HTTP/1.1 503 ") and b"/_proffer/problems/stopping" in answer


def test_whoever_has_half_an_answer_gets_the_rest(tmp_path: Path, door: socket.socket) -> None:
    with talking(tmp_path, door) as (server, talk):
        talk.answer_half()
        interrupt(server)
        until(lambda: "Waiting for connections" in server.output())
        talk.origin.sendall(b"rest")
        assert talk.heard(b"rest") == b"rest"


def test_whoever_has_half_of_an_endless_answer_is_cut_off(
    tmp_path: Path, door: socket.socket
) -> None:
    with talking(tmp_path, door) as (server, talk):
        talk.answer_half()
        interrupt(server)
        assert talk.client.recv(1000) == b""


def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path, door: socket.socket) -> None:
    with talking(tmp_path, door) as (server, _):
        begin_s = time.monotonic()
        interrupt(server)
        until(lambda: "Waiting for connections" in server.output())
        os.kill(server.process.pid, signal.SIGINT)
        until(lambda: server.status is not None)
        assert time.monotonic() - begin_s < GRACE_S
