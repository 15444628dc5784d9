"""Runs Python in Pyodide under Node, with the checkout's own edge/decision and msgspec.

    def test_the_same_bytes_come_out(pyodide):
        there = pyodide.run(SOURCE, payload)

SOURCE defines `main(payload: bytes) -> bytes`.  It is executed once; later
calls with the same source only call its `main`, so module-level work (opening
a bundle) is done once.  One process serves the whole session.

Prepared once and kept in `.cache/`: msgspec's wheel for Pyodide (PyPI has it),
and the standard library as bytecode, without which a boot takes three times as
long.  `pyodide_home.mjs` is the other end of the pipe and describes the frames.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.support import parts
from tests.support.parts import CACHE, ROOT, MissingPart

HOME = Path(__file__).with_name("pyodide_home.mjs")
STDLIB_RECIPE = 1  # raise it when the way `stdlib.zip` is made changes
MSGSPEC = "0.22.0"
WHEEL_TAGS = {
    "--python-version": "3.14",
    "--implementation": "cp",
    "--abi": "cp314",
    "--platform": "pyemscripten_2026_0_wasm32",
}
BOOT_S = 120
ERROR_CHARS = 2000


class PyodideError(Exception):
    """Python code raised in Pyodide, or Pyodide stopped; the message is the end of what it said."""


class Pyodide:
    """A running interpreter.  Not safe for threads: one question at a time."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._overdue_s: float | None = None

    def run(self, source: str, payload: bytes = b"", timeout_s: float = 120) -> bytes:
        """`main(payload)` of `source`; PyodideError if it raises or takes over `timeout_s`."""
        return self._exchange([source.encode(), payload], timeout_s)

    def close(self) -> None:
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it stopped with a question unread
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._log.close()

    def _exchange(self, frames: list[bytes], timeout_s: float) -> bytes:
        watchdog = threading.Timer(timeout_s, self._give_up, [timeout_s])
        watchdog.start()
        try:
            self._send(frames)
            answer = self._receive()
        finally:
            watchdog.cancel()
        if answer[:1] == b"+":
            return answer[1:]
        raise PyodideError(answer[1:].decode(errors="replace"))

    def _send(self, frames: list[bytes]) -> None:
        assert self._process.stdin
        try:
            for frame in frames:
                self._process.stdin.write(struct.pack("<I", len(frame)) + frame)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._stopped() from None

    def _receive(self) -> bytes:
        (size_bytes,) = struct.unpack("<I", self._read(4))
        return self._read(size_bytes)

    def _read(self, size_bytes: int) -> bytes:
        assert self._process.stdout
        data = self._process.stdout.read(size_bytes)
        if len(data) < size_bytes:
            raise self._stopped()
        return data

    def _give_up(self, timeout_s: float) -> None:
        self._overdue_s = timeout_s
        self._process.kill()

    def _stopped(self) -> PyodideError:
        status = self._process.wait()
        if self._overdue_s is not None:
            return PyodideError(f"No answer within {self._overdue_s} s: Pyodide was stopped.")
        self._log.seek(0)
        said = self._log.read().decode(errors="replace")[-ERROR_CHARS:]
        return PyodideError(f"Pyodide stopped (exit status {status}).\n{said}")


def boot(checkout: Path = ROOT) -> Pyodide:
    """Starts Node with Pyodide and the `edge/decision` of `checkout`; takes about three seconds."""
    package = parts.npm_package("pyodide")
    files = [package, stdlib_zip(), msgspec_wheel(), checkout]
    log = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process
    process = subprocess.Popen(
        [parts.node(), HOME, "serve", *files],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )
    home = Pyodide(process, log)
    try:
        home._exchange([], BOOT_S)  # the home speaks first: it is ready
    except PyodideError:
        home.close()
        raise
    return home


def msgspec_wheel() -> Path:
    """msgspec built for Pyodide; downloaded on first use."""
    folder = CACHE / "wheels"
    if not (found := sorted(folder.glob(f"msgspec-{MSGSPEC}-*wasm32.whl"))):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as download:
            _run(
                [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-qq"]
                + ["--no-deps", "--only-binary=:all:", "--dest", download]
                + [word for tag in WHEEL_TAGS.items() for word in tag]
                + [f"msgspec=={MSGSPEC}"],
            )
            (wheel,) = Path(download).glob("*.whl")
            found = [wheel.replace(folder / wheel.name)]
    return found[0]


def stdlib_zip() -> Path:
    """Pyodide's standard library as bytecode; made on first use, once per version."""
    package = parts.npm_package("pyodide")
    version = json.loads((package / "package.json").read_bytes())["version"]
    target = CACHE / f"pyodide-{version}-stdlib-{STDLIB_RECIPE}.zip"
    if not target.is_file():
        CACHE.mkdir(exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}")
        _run([parts.node(), str(HOME), "stdlib", str(package), str(unfinished)])
        unfinished.replace(target)  # whole or not at all, also with two runs at once
    return target


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr)[-ERROR_CHARS:]
        raise MissingPart(f"`{' '.join(command)}` failed ({done.returncode}):\n{said}")


@pytest.fixture(scope="session")
def pyodide() -> Iterator[Pyodide]:
    """Pyodide under Node with this checkout's edge/decision; booted on first use."""
    try:
        home = boot()
    except MissingPart as problem:
        pytest.fail(str(problem), pytrace=False)
    yield home
    home.close()
