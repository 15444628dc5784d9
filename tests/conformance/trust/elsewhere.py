"""Runs the trust vectors in other homes than CPython's, each with a fetch of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import msgspec
from playwright.sync_api import Page

from tests.conformance.trust.generate import FILE
from tests.conformance.trust.lying import AT_ONCE, PATIENCE_S
from tests.conformance.trust.stories import Outcome
from tests.support import parts, pyodide
from tests.support.workers import DATE, Workers, worker_folder

HERE = Path(__file__).parent
KERNEL = parts.ROOT / "edge" / "kernel" / "kernel.wasm"
TOLD_BESIDE_THE_EDGE = ("stories.py", "telling.py", "isolate_home.py", "in_python.py")
ALL_S = 120.0
ERROR_CHARS = 3000
Told = dict[str, list[Outcome]]


def asked(address: str) -> bytes:
    fields = {"address": address, "patience_s": PATIENCE_S, "at_once": AT_ONCE}
    return msgspec.json.encode(fields | {"vectors": msgspec.Raw(FILE.read_bytes())})


def outcomes(data: bytes) -> Told:
    return msgspec.json.decode(data, type=Told)


def edge_folder(folder: Path) -> Path:
    """A copy of the deployment folder, with the stories beside the edge."""
    shutil.copytree(worker_folder(), folder)
    for name in TOLD_BESIDE_THE_EDGE:
        shutil.copyfile(HERE / name, folder / "edge" / name)
    return folder


def in_workerd(address: str, work: Path) -> Told:
    folder = edge_folder(work / "worker")
    (folder / "edge" / "worker.py").rename(folder / "edge" / "real_worker.py")
    shutil.copyfile(HERE / "in_workerd.py", folder / "edge" / "worker.py")
    member: dict[str, Any] = {"name": "trust", "host": "trust.test", "vars": {}}
    options = {"folder": str(folder), "persist": str(work / "stored"), "date": DATE}
    workers = Workers(options | {"workers": [member]}, work)
    try:
        answer = httpx.post(
            workers.url, content=asked(address), headers={"host": "trust.test"}, timeout=ALL_S
        )
        assert answer.status_code == 200, f"{answer.text[-ERROR_CHARS:]}\n{workers.output()}"
        return outcomes(answer.content)
    finally:
        workers.close()


def in_pyodide(address: str, work: Path) -> Told:
    return outcomes(ask_pyodide("tell_all", asked(address), work))


def ask_pyodide(main: str, question: bytes, work: Path) -> bytes:
    """What a function of `in_python.py` answers in Pyodide under Node."""
    folder, file = edge_folder(work / "site"), work / "asked.json"
    file.write_bytes(question)
    package = parts.npm_package("pyodide")
    files = [package, pyodide.stdlib_zip(), pyodide.msgspec_wheel(), folder, file]
    return run_node(HERE / "in_pyodide.mjs", *files, main)


def in_node(address: str, work: Path) -> Told:
    question = work / "asked.json"
    question.write_bytes(asked(address))
    return outcomes(run_node(HERE / "in_node.mjs", KERNEL, question))


def in_page(page: Page, address: str) -> Told:
    """In a browser's page, which the lying store serves too."""
    page.goto(f"{address}/files/tests/conformance/trust/README.md")
    told = page.evaluate(
        """async ([question, kernel]) => {
            const { tellAll } = await import("/files/tests/conformance/trust/telling.mjs");
            const module = await WebAssembly.compileStreaming(fetch(kernel));
            return JSON.stringify(await tellAll(JSON.parse(question), module));
        }""",
        [asked(address).decode(), "/files/edge/kernel/kernel.wasm"],
    )
    return outcomes(told.encode())


def run_node(script: Path, *arguments: str | Path) -> bytes:
    """What a script says in its last line."""
    done = subprocess.run(
        [parts.node(), script, *arguments], capture_output=True, timeout=ALL_S, cwd=parts.ROOT
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-ERROR_CHARS:]
    return done.stdout.splitlines()[-1]
