"""The demo's processes: started in order, watched, ended in order.

    control plane -> shop -> edge -> visitors, and a few who walk through the shop's pages

They end the other way round, so that the edge can still hand on what it holds.  Each
is in a process group of its own (Ctrl-C in a terminal reaches only the demo, which
tells them), writes to a log of its own, and ends by itself if the demo dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

import httpx
from msgspec import Struct

from control_plane.cli.files import examples
from control_plane.cli.terminal import Unusable
from policy_compiler.keys import DevelopmentKeys

START_S = 30.0
GRACE_S = 2.0
END_S = 4.5
"""All processes are gone after so long, killed if need be."""
LOOK_EVERY_S = 0.1
LAST_LINES = 15
SHOP_SHARE = 0.1
"""Of the visitors, who walk through the shop's pages: only they see cart and checkout."""


class DemoPlan(Struct, frozen=True, kw_only=True):
    """What the demo consists of."""

    data: Path
    catalog: Path
    edge_port: int
    control_port: int
    origin_port: int
    learn_every_s: int
    rate: float
    truth: str
    keys: DevelopmentKeys

    @property
    def edge_url(self) -> str:
        return f"http://127.0.0.1:{self.edge_port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def origin_url(self) -> str:
        return f"http://127.0.0.1:{self.origin_port}"

    @property
    def logs(self) -> Path:
        return self.data / "log"


AT_HOME = {
    "PROFFER_DATABASE_URL": "",
    "PROFFER_OBJECT_STORE": "",
    "PROFFER_HOST": "127.0.0.1",
    "PROFFER_OPEN_CONSOLE": "true",
}
"""The demo keeps everything in its folder, whatever databases this machine works with; and
nobody logs in to it, so it stays on this machine."""


class Child:
    """One process; `needed`: without it the demo ends."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        log: Path,
        environ: Mapping[str, str],
        needed: bool = True,
    ) -> None:
        self.name, self.log, self.needed = name, log, needed
        log.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = log.open("ab")
        command = [sys.executable, "-m", "control_plane.cli.child", str(os.getpid()), *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            process_group=0,
        )

    @property
    def status(self) -> int | None:
        return self.process.poll()

    def interrupt(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)

    def end(self, deadline: float) -> None:
        """Wait for its end until `deadline` (monotonic), then kill it."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._file.close()

    def died(self) -> Unusable:
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return Unusable(
            f"The {self.name} ended by itself (status {self.status}).",
            f"Its log is {self.log}.",
            shown="\n".join(lines),
        )


class Demo:
    """A context: whatever was started is ended when the block is left."""

    def __init__(self, plan: DemoPlan) -> None:
        self.plan = plan
        self.children: list[Child] = []
        self._asked_to_end = False
        self._handlers: dict[int, object] = {}
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._lock = _lock(self.plan.data)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, self._ask_to_end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if self._lock is not None:
            self._lock.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask_to_end(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True

    # --- starting -----------------------------------------------------------

    def start(self) -> None:
        """Raises `Unusable` if a part does not start."""
        plan, data = self.plan, str(self.plan.data)
        self._spawn(
            "control plane", "serve", "--catalog", str(plan.catalog), "--data", data,
            "--port", str(plan.control_port), "--learn-every", str(plan.learn_every_s), "--plain",
            environ=AT_HOME,
        )  # fmt: skip
        self._wait(f"{plan.control_url}/v1/channels/production/edge.jws")
        self._spawn("shop", "shop", shop_app(), str(plan.origin_port), environ=self._shop_environ())
        self._spawn(
            "edge", "edge", "--origin", plan.origin_url, "--control", plan.control_url,
            "--data", data, "--port", str(plan.edge_port), "--refresh", "2", "--plain",
        )  # fmt: skip
        self._wait(f"{plan.origin_url}/healthz")
        self._wait(f"{plan.edge_url}/_proffer/healthz")
        if plan.rate:
            self._visitors("visitors", "edge", plan.rate * (1 - SHOP_SHARE))
            self._visitors("shop visitors", "shop", plan.rate * SHOP_SHARE)

    def _visitors(self, name: str, through: str, rate: float) -> None:
        plan = self.plan
        self._spawn(
            name, "simulate", "--truth", plan.truth, "--through", through, "--rate", f"{rate:g}",
            "--edge", plan.edge_url, "--control", plan.control_url, "--data", str(plan.data),
            "--visitors", "0", "--seed", str(time.time_ns() % 1_000_000_007), "--plain",
            needed=False,
        )  # fmt: skip

    def _shop_environ(self) -> dict[str, str]:
        """Sessions of the shop outlive it: their secret comes from the kept keys."""
        keys = self.plan.keys
        secret = hashlib.sha256(b"shop session" + keys.cookie_secret).hexdigest()
        return {
            "PROFFER_URL": self.plan.control_url,
            "PROFFER_KEY": keys.shop_key,
            "SHOP_SECRET": secret,
            "PYTHONPATH": os.pathsep.join(
                [str(examples().parent), os.environ.get("PYTHONPATH", "")]
            ).rstrip(os.pathsep),
        }

    def _spawn(
        self,
        name: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        needed: bool = True,
    ) -> None:
        if not self._asked_to_end:
            log = self.plan.logs / f"{name.replace(' ', '-')}.log"
            self.children.append(Child(name, list(arguments), log, environ or {}, needed))

    def _wait(self, url: str) -> None:
        """Until the newest child answers there."""
        child, deadline = self.children[-1], time.monotonic() + START_S
        while time.monotonic() < deadline and not self._asked_to_end:
            self._check()
            try:
                if httpx.get(url, timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(LOOK_EVERY_S)
        if not self._asked_to_end:
            raise Unusable(
                f"The {child.name} did not answer at {url} within {START_S:g} s.",
                f"Its log is {child.log}.",
            )

    # --- watching -----------------------------------------------------------

    def watch(self, seconds: float, note: Callable[[str], None]) -> None:
        """Until Ctrl-C or the end of the time.  Raises `Unusable` if a needed child dies."""
        deadline = time.monotonic() + seconds if seconds else float("inf")
        while not self._asked_to_end and time.monotonic() < deadline:
            self._check()
            for child in [c for c in self.children if not c.needed and c.status is not None]:
                note(f"The {child.name} ended (status {child.status}); see {child.log}.")
                self.children.remove(child)
            time.sleep(LOOK_EVERY_S)

    def _check(self) -> None:
        if self._asked_to_end:
            return
        for child in self.children:
            if child.needed and child.status is not None:
                raise child.died()

    # --- ending -------------------------------------------------------------

    def end(self) -> None:
        """In reverse order: all are gone within `END_S`."""
        deadline = time.monotonic() + END_S
        while self.children:
            child = self.children.pop()
            child.interrupt()
            child.end(min(deadline, time.monotonic() + GRACE_S))


def _lock(data: Path) -> IO[bytes]:
    """Two demos on one folder would publish against each other."""
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "demo.lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Unusable(
            f"Another demo runs with the data in {data}.",
            "End that one, or name another folder with --data.",
        ) from None
    return file


def shop_app() -> str:
    """Where Python finds the demo shop: in the wheel's examples, or in the checkout's."""
    package = "examples" if examples().name == "examples" else "policy_compiler._examples"
    return f"{package}.store.shop.app:create_app"


def free_ports(*wanted: int) -> list[int]:
    """Each wanted port, or the next free one that nobody else here wants."""
    found: list[int] = []
    for port in wanted:
        others = {*found, *(other for other in wanted if other != port)}
        candidates = [port, *range(max(wanted) + 1, 65536)] if port else [0]
        for candidate in candidates:
            if candidate not in others and (free := _free(candidate)):
                found.append(free)
                break
        else:
            raise Unusable(f"No port from {port} on is free.", "Name others: --port and so on.")
    return found


def _free(port: int) -> int:
    """The port if nobody listens on it (for 0: one that is free), else 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return probe.getsockname()[1]
