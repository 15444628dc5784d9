"""The JavaScript worker against an empty one, in real workerd: `python -m bench.javascript_worker`.

    empty    answers nothing, and reads nothing
    reader   reads the body and the headers that the edge reads, and answers as many bytes as JSON
    edge     decides, logs, and really sends its records

Each is a process of workerd.  They get the same requests in turns of a second, from a load
generator with eight connections that stays the same.  CPU is that of the whole process.

    --seconds N   of load for each (default 20)
    --starts N    process starts measured for each (default 11)
    --json FILE   write the numbers there
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from edge.cookies import state_cookie, visitor_cookie
from edge.decision.state import State
from policy_compiler.sign import sign_manifest
from tests.support import parts
from tests.support.edges import CHANNEL, a_manifest, keys, pocket_bundle
from tests.support.javascript import modules, plain_worker
from tests.support.workers import variables, workerd

TOOL = Path(__file__).with_suffix(".mjs")
CONNECTIONS = 8
TURN_S = 1.0
WARM_S = 3.0
PATIENCE_S = 20.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SCRIPTS = {
    "empty": 'export default { fetch() { return new Response(""); } };',
    "reader": """
const TEXT = JSON.stringify("x".repeat(SIZE));
const NAMES = ["content-type", "content-length", "transfer-encoding", "cookie", "accept-language",
  "user-agent", "x-country"];
export default {
  async fetch(request) {
    for (const name of NAMES) request.headers.get(name);
    await request.arrayBuffer();
    return new Response(TEXT, {
      headers: [["content-type", "application/json"], ["cache-control", "private, no-store"]],
    });
  },
};
""".replace("SIZE", "1300"),
}


class Result(Struct, kw_only=True):
    """Of one worker: answers per second and microseconds of CPU per answer, a number per turn;
    milliseconds from the start of its process to its first answer, a number per start."""

    name: str
    rps: list[float] = []
    cpu_us: list[float] = []
    start_ms: list[float] = []

    def middle(self, column: str) -> float:
        return statistics.median(getattr(self, column))


# --- what is asked ------------------------------------------------------------


def request(number: int) -> bytes:
    """A known visitor asks for one placement."""
    visitor = f"{number:032x}"
    secret, now_s = keys().cookie_secret, int(time.time())
    cookies = (visitor_cookie(secret, visitor), state_cookie(secret, visitor, State(), now_s))
    body = json.dumps({"placements": ["hero"], "attributes": {"cart.total": f"{20 + number}.90"}})
    head = [
        "POST /_proffer/decide HTTP/1.1", "Host: shop.example", "Content-Type: application/json",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0",
        "Accept-Language: de-DE,de;q=0.9,en;q=0.8",
        f"Cookie: {'; '.join(line.partition(';')[0] for line in cookies)}",
        f"Content-Length: {len(body)}",
    ]  # fmt: skip
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


# --- processes ----------------------------------------------------------------


class Tool:
    """A process of `javascript_worker.mjs`."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [parts.node(), str(TOOL), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.ready = self.answer()["ready"]

    def answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def ask(self, question: object) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Worker:
    """A process of workerd."""

    def __init__(self, folder: Path) -> None:
        self._begin_s = time.perf_counter()
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [str(workerd()), "serve", "worker.capnp", f"--control-fd={writing}"],
            cwd=folder, pass_fds=[writing], stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as control:
            self.port: int = json.loads(control.readline())["port"]

    def first_answer_ms(self, raw: bytes, wanted: bytes) -> float:
        """From the start of the process to the end of its first answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(raw)
            answer = connection.recv(65536)
        if wanted not in answer:
            raise RuntimeError(f"not the answer that was expected: {answer[:400]!r}")
        return 1000 * (time.perf_counter() - self._begin_s)

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


# --- folders ------------------------------------------------------------------


def control_folder(folder: Path) -> Path:
    """The signed files, as the control plane serves them."""
    bundle = pocket_bundle()
    manifest = sign_manifest(keys(), a_manifest(1, (bundle,)))
    files = {
        f"channels/{CHANNEL}/edge.jws": manifest,
        f"bundles/{sha256(bundle).hexdigest()}": bundle,
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def edge_folder(folder: Path, control_port: int) -> Path:
    control_url = f"http://127.0.0.1:{control_port}"
    told = variables(control_url, control_url) | {"PROFFER_REFRESH_S": "15"}
    return plain_worker(folder, modules(), told)


def script_folder(folder: Path, script: str) -> Path:
    """A worker of one script."""
    file = folder / "script.js"
    file.write_text(script)
    return plain_worker(folder, [{"type": "ESModule", "path": "script.js", "file": str(file)}])


# --- measuring ----------------------------------------------------------------


@contextmanager
def worker(folder: Path) -> Iterator[Worker]:
    made = Worker(folder)
    try:
        yield made
    finally:
        made.close()


def measure_starts(folders: dict[str, Path], results: dict[str, Result], count: int) -> None:
    wanted = {"edge": b'"offer":"ten"', "empty": b"200 OK", "reader": b"200 OK"}
    for _ in range(count):
        for name, folder in folders.items():
            with worker(folder) as made:
                results[name].start_ms.append(made.first_answer_ms(request(1), wanted[name]))


def measure_load(
    folders: dict[str, Path], results: dict[str, Result], seconds: float, warm_s: float
) -> None:
    requests = [b64encode(request(number)).decode() for number in range(1, 257)]
    question = {"connections": CONNECTIONS, "requests": requests}
    with ExitStack() as stack:
        tool = Tool("load")
        stack.callback(tool.close)
        workers = {name: stack.enter_context(worker(folder)) for name, folder in folders.items()}
        for made in workers.values():
            tool.ask(question | {"port": made.port, "seconds": warm_s})
        for _ in range(int(seconds / TURN_S)):
            for name, made in workers.items():
                before_s = made.cpu_s
                said = tool.ask(question | {"port": made.port, "seconds": TURN_S})
                check(name, said)
                spent_s = made.cpu_s - before_s
                results[name].rps.append(said["answers"] / said["seconds"])
                results[name].cpu_us.append(1e6 * spent_s / said["answers"])


def check(name: str, said: dict[str, Any]) -> None:
    """Nothing is measured that was not answered, and decided."""
    if set(said["statuses"]) != {"200"} or (
        name == "edge" and '"offer":"ten"' not in said["first"]
    ):
        raise RuntimeError(f"{name} answered {said['statuses']}: {said['first'][:600]}")


def measure(seconds: float, starts: int, warm_s: float = WARM_S) -> dict[str, Result]:
    results = {name: Result(name=name) for name in (*SCRIPTS, "edge")}
    with tempfile.TemporaryDirectory() as root, ExitStack() as stack:
        places = {name: Path(root) / name for name in ("control", *results)}
        for place in places.values():
            place.mkdir()
        control = Tool("control", str(control_folder(places["control"])))
        stack.callback(control.close)
        folders = {name: script_folder(places[name], script) for name, script in SCRIPTS.items()}
        folders["edge"] = edge_folder(places["edge"], control.ready)
        measure_starts(folders, results, starts)
        measure_load(folders, results, seconds, warm_s)
    return results


def ratio(edge: Result, other: Result) -> float:
    """Of answers per second, in turns that stand side by side."""
    pairs = zip(edge.rps, other.rps, strict=True)
    return round(statistics.median(a / b for a, b in pairs), 2)


def summary(results: dict[str, Result]) -> dict[str, Any]:
    """Medians of everything; for starts the quickest and the slowest too."""
    edge = results["edge"]
    columns = ("rps", "cpu_us", "start_ms")
    told: dict[str, Any] = {
        name: {column: round(result.middle(column), 1) for column in columns}
        | {"cpu_us_least": round(min(result.cpu_us), 1)}
        | {"start_ms_range": [round(f(result.start_ms), 1) for f in (min, max)]}
        for name, result in results.items()
    }
    told |= {f"rps_to_{name}": ratio(edge, results[name]) for name in SCRIPTS}
    return told | {"turns": len(edge.rps), "starts": len(edge.start_ms)}


def main() -> int:
    parser = argparse.ArgumentParser(description="The JavaScript worker against empty ones.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--starts", type=int, default=11)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    said = json.dumps(summary(measure(given.seconds, given.starts)), indent=1)
    print(said)
    if given.json:
        given.json.write_text(said + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
