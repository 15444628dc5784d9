"""Runs a real server as a process of its own, and stops it as Ctrl-C in a terminal would.

with serving([sys.executable, "-m", "uvicorn", "app:app", "--port", "{port}"]) as server:
    httpx.get(f"{server.url}/decide")
assert server.status == 0, server.output()
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

START_S = 30.0
STOP_S = 15.0
OUTPUT_CHARS = 4000


class ServerFailed(Exception):
    """The server did not start, or did not stop; the message ends with its output."""


@dataclass
class Server:
    """A running server, and after the `with` block what is left of it."""

    port: int
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    _kept: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs, negative after a signal that it did not handle."""
        return self.process.poll()

    def output(self) -> str:
        """Everything that it wrote so far to stdout and stderr."""
        if self.log.closed:
            return self._kept
        # pread: the process shares the file's position and goes on writing there
        size_bytes = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size_bytes, 0).decode(errors="replace")

    def failed(self, what: str) -> ServerFailed:
        return ServerFailed(f"{what}\n{self.last_words()}")

    def last_words(self) -> str:
        return f"The server's output ends with:\n{self.output()[-OUTPUT_CHARS:]}"

    def close_log(self) -> None:
        self._kept = self.output()
        self.log.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listened a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    command: Sequence[str | Path],
    *,
    path: str = "/",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    start_s: float = START_S,
    stop_s: float = STOP_S,
) -> Iterator[Server]:
    """Runs `command`, "{port}" in it replaced, while the block runs.

    The block starts once `path` answers with any status below 500.  `env` adds
    to the environment.  ServerFailed when that takes more than `start_s`, or
    when the server still runs `stop_s` after Ctrl-C.
    """
    port = free_port()
    arguments = [str(word).replace("{port}", str(port)) for word in command]
    log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the server
    server = Server(port, _start(arguments, log, cwd, env), log)
    try:
        _wait_until_it_answers(server, path, start_s)
        try:
            yield server
        except BaseException as error:
            error.add_note(server.last_words())
            raise
        _interrupt(server, stop_s)
    finally:
        _kill(server)
        server.close_log()


def _start(
    arguments: list[str], out: IO[bytes], cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    # A session of its own: signals reach its children too, as from a terminal,
    # and never the tests.
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        start_new_session=True,
    )


def _wait_until_it_answers(server: Server, path: str, start_s: float) -> None:
    deadline_s = time.monotonic() + start_s
    while time.monotonic() < deadline_s:
        if server.status is not None:
            raise server.failed(f"The server ended while starting (status {server.status}).")
        try:
            if httpx.get(server.url + path, timeout=5).status_code < 500:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise server.failed(f"The server did not answer at {path} within {start_s:g} s.")


def _interrupt(server: Server, stop_s: float) -> None:
    if server.status is None:
        os.killpg(server.process.pid, signal.SIGINT)
    try:
        server.process.wait(timeout=stop_s)
    except subprocess.TimeoutExpired:
        raise server.failed(f"The server still ran {stop_s:g} s after Ctrl-C.") from None


def _kill(server: Server) -> None:
    """Leaves nothing behind: neither the server nor a child that outlived it."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
