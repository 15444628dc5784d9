"""The three places that are measured: this process, Pyodide under Node, plain Node.

Each answers commands (see `ours.py`) about one policy at a time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bench import ours
from bench.workload import CACHE, Workload
from tests.support import parts
from tests.support.pyodide import Pyodide, boot

HERE = Path(__file__).parent
MODULES = ("plain", "naive", "ours")
PATIENCE_S = 600

IN_PYODIDE = """
import sys, types

def module(name, text):
    made = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), made.__dict__)
    return made

sys.modules["bench"] = types.ModuleType("bench")
for name, text in {texts!r}.items():
    module("bench." + name, text)
main = sys.modules["bench.ours"].main
"""


class Runtime(Protocol):
    name: str
    engines: tuple[str, ...]
    pid: str
    """As in /proc, for the memory check."""

    def open(self, load: Workload) -> None: ...

    def ask(self, command: str, *arguments: Any) -> Any: ...

    def close(self) -> None: ...


class _WithOurs:
    """Runs `ours.main`, wherever that is."""

    engines: tuple[str, ...] = ("ours", "naive")
    name: str = ""
    pid: str = ""

    def open(self, load: Workload) -> None:
        policy = msgspec.json.encode(load.policy)
        self.ask("open", load.bundle, policy, list(load.requests))

    def ask(self, command: str, *arguments: Any) -> Any:
        return msgspec.msgpack.decode(self.run(msgspec.msgpack.encode([command, 0, *arguments])))

    def run(self, payload: bytes) -> bytes:
        raise AssertionError("a runtime says how it runs")

    def close(self) -> None:
        """Nothing to end."""


class CPython(_WithOurs):
    name, pid = "CPython", "self"

    def run(self, payload: bytes) -> bytes:
        return ours.main(payload)


class InPyodide(_WithOurs):
    name = "Pyodide"

    def __init__(self, home: Pyodide) -> None:
        self.home, self.pid = home, str(home._process.pid)
        texts = {name: (HERE / f"{name}.py").read_text() for name in MODULES}
        self.source = IN_PYODIDE.format(texts=texts)

    def run(self, payload: bytes) -> bytes:
        return self.home.run(self.source, payload, PATIENCE_S)

    def close(self) -> None:
        self.home.close()


class Node:
    """The engines from npm; `peers_js/home.mjs` is the other end of the pipe."""

    name = "Node"

    def __init__(self) -> None:
        home = installed_peers() / "home.mjs"
        self.process = subprocess.Popen(
            [parts.node(), home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "NODE_ENV": "production"},
        )
        self.pid = str(self.process.pid)
        self.engines: tuple[str, ...] = tuple(self._answer())

    def open(self, load: Workload) -> None:
        self.ask("open", load.policy, [text.decode() for text in load.requests])

    def ask(self, command: str, *arguments: Any) -> Any:
        assert self.process.stdin
        self.process.stdin.write(msgspec.json.encode([command, *arguments]) + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Node stopped (exit status {self.process.wait()}); see above.")
        return msgspec.json.decode(line)

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def installed_peers() -> Path:
    """A copy of `peers_js` with its packages, installed when the lock file is new."""
    source, folder = HERE / "peers_js", CACHE / "peers_js"
    lock = "package-lock.json"
    old = (folder / lock).read_bytes() if (folder / lock).is_file() else b""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    if old != (source / lock).read_bytes() or not (folder / "node_modules").is_dir():
        subprocess.run([parts.npm(), "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return folder


@contextlib.contextmanager
def started(names: list[str]) -> Iterator[list[Runtime]]:
    """These runtimes, in this order; ended afterwards."""
    with contextlib.ExitStack() as stack:
        found: list[Runtime] = []
        for name in names:
            runtime = _start(name)
            stack.callback(runtime.close)
            found.append(runtime)
        yield found


def _start(name: str) -> Runtime:
    if name == "cpython":
        return CPython()
    if name == "pyodide":
        return InPyodide(boot())
    if name == "node":
        return Node()
    raise ValueError(f"no runtime {name}")
