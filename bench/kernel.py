"""The kernel in Node against the loops it could be at best, and against engines from npm.

    python -m bench.kernel                  everything, a few minutes
    python -m bench.kernel --offers 100     some sizes
    python -m bench.kernel --publish        puts the last run into docs/benchmarks.md

Policies and requests are those of `bench.decide`; `peers_js/kernel.mjs` times, all engines in
one process and in turns, after each has decided some requests as the kernel does, to the last
ticket.  Then the same policies in Pyodide through the bridge, and in batches by the native
build (`kernel_batch.py`).

The case `thresholds` is 10,000 offers with as many distinct thresholds on one attribute, ten
times what a catalog may have: every visitor meets cells that nobody met before.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.kernel_batch import BLOCK, ROWS, measured
from bench.kernel_report import KernelReport, SizeTimes, publish, show
from bench.report import machine
from bench.runtimes import installed_peers
from bench.thresholds import thresholds
from bench.workload import CACHE, Workload, workload
from edge.decision.bundle import open_bundle
from edge.decision.request_json import encode_request
from edge.kernel.build import LOADER, SMALL_LOADER, WASM, build_native, compile_wasm
from tests.edge.kernel.bridging import ask_bridge
from tests.support import parts

STAGES = Path(__file__).with_name("kernel_stages.c")
SIZES = (100, 1000, 10_000)
NEW = {100: 300, 1000: 300, 10_000: 150}
SEEN = {100: 100, 1000: 60, 10_000: 10}
ROUNDS = {100: 4, 1000: 2, 10_000: 1}
ENGINES = ("kernel", "plain scan", "GrowthBook", "Eppo", "flagd", "json-logic-engine")
PATIENCE_S = 1800
BRIDGED = 200
RESULT = CACHE / "kernel.json"


class Job(Struct):
    """What kernel.mjs reads."""

    folder: str
    wasm: str
    stages: str
    bare: str
    bundle: str
    policy: str
    requests: str
    manifest: str
    seen: int
    rounds: int


def run(sizes: list[int], *, named: bool = True, memory: bool = True) -> KernelReport:
    report = KernelReport(machine=machine(), code_bytes=code_bytes())
    home = installed_peers() / "kernel.mjs"
    loads = [(f"{size:,} offers", workload(size, requests=_requests(size))) for size in sizes]
    if named:
        loads.append(("10,000 thresholds", thresholds(10_000, requests=_requests(10_000))))
    for name, load in loads:
        print(f"{name} ...", file=sys.stderr)
        report.sizes.append(_size(home, name, load, memory))
    return report


def add_pythons(report: KernelReport, sizes: list[int]) -> None:
    """Pyodide through the bridge, and batches."""
    build_native()
    for size in sizes:
        print(f"{size:,} offers in Python ...", file=sys.stderr)
        report.bridge_us[f"{size:,} offers"] = _bridge(workload(size))
        report.batch.append(measured(size, ROWS.get(size, 2000)))


def _bridge(load: Workload) -> dict[str, float]:
    bundle = open_bundle(load.bundle)
    requests = [encode_request(bundle, text).data for text in load.requests[:BRIDGED]]
    with tempfile.TemporaryDirectory() as folder:
        questions = [(0, BLOCK, each) for each in requests]
        found = ask_bridge([load.bundle], questions, Path(folder))
    if found.python != found.kernel:
        raise SystemExit("Python and the kernel differ in Pyodide.")
    return found.us


def _requests(offers: int) -> int:
    return SEEN.get(offers, 20) + NEW.get(offers, 40)


def code_bytes() -> dict[str, int]:
    """What a page loads of the kernel itself, raw and under gzip."""
    data = [WASM.read_bytes(), SMALL_LOADER.read_bytes()]
    packed = sum(len(gzip.compress(each, 9)) for each in data)
    return {"raw": sum(map(len, data)), "gzip": packed}


def _size(home: Path, name: str, load: Workload, memory: bool) -> SizeTimes:
    job = _job(load)
    told = _node(home, job)
    found = SizeTimes(
        name=name,
        offers=load.offers,
        requests=told["requests"],
        bundle_bytes=len(load.bundle),
        bundle_gzip_bytes=len(gzip.compress(load.bundle, 9)),
        policy_gzip_bytes=len(gzip.compress(msgspec.json.encode(load.policy), 9)),
        times_us=told["found"],
    )
    for engine in ENGINES if memory else ():
        found.memory_bytes[engine] = _node(home, job, engine)["bytes"]
    return found


def _node(home: Path, job: Path, *more: str) -> Any:
    command = [parts.node(), "--expose-gc", home, job, *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S)
    return msgspec.json.decode(done.stdout)


def _job(load: Workload) -> Path:
    folder = CACHE / "kernel"
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "stages": compile_wasm(STAGES),
        "bare": compile_wasm(STAGES, ["-O3"]),
        "bundle": load.bundle,
        "policy": msgspec.json.encode(load.policy),
        "requests": msgspec.json.encode([text.decode() for text in load.requests]),
        "manifest": BLOCK,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    job = Job(
        folder=str(LOADER.parent),
        wasm=str(WASM),
        seen=SEEN.get(load.offers, 20),
        rounds=ROUNDS.get(load.offers, 2),
        **{name: str(folder / name) for name in files},
    )
    (folder / "job.json").write_bytes(msgspec.json.encode(job))
    return folder / "job.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.kernel", description=__doc__)
    parser.add_argument("--offers", default="", help="sizes, separated by commas")
    parser.add_argument("--publish", action="store_true", help="the last run, into the docs")
    parser.add_argument("--json", type=Path, default=RESULT)
    given = parser.parse_args()
    if given.publish:
        publish(msgspec.json.decode(given.json.read_bytes(), type=KernelReport))
        return
    sizes = [int(each) for each in given.offers.split(",") if each]
    report = run(sizes or list(SIZES), named=not sizes)
    add_pythons(report, sizes or list(SIZES))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    show(report)
    print(f"written: {given.json}")


if __name__ == "__main__":
    try:
        main()
    except parts.MissingPart as problem:
        sys.exit(str(problem))
