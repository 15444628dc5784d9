"""kernel.js in real workerd, as a module worker: the whole conformance suite, byte for byte.

workerd compiles wasm at deployment only, so the worker imports the module and gives it to
the loader; nothing here is emulated.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.kernel.build import SCRIPTS, WASM
from tests.support.parts import npm_package
from tests.support.processes import serving

from .asking import InWorkerd
from .suite import (
    check_2000_made_up_requests,
    check_10000_generated_cases,
    check_every_case,
    check_every_text,
)

HERE = Path(__file__).parent
FILES = (*SCRIPTS, WASM, HERE / "answering.mjs", HERE / "worker.mjs")
CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "kernel", worker = .worker)],
  sockets = [(name = "http", http = (), service = "kernel")],
);
const worker :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  modules = [{modules}],
);
"""


def config() -> str:
    """worker.mjs is the main module, since it comes first."""
    kinds = {".wasm": "wasm"}
    modules = [
        f'(name = "{file.name}", {kinds.get(file.suffix, "esModule")} = embed "{file.name}")'
        for file in reversed(FILES)
    ]
    return CONFIG.replace("{modules}", ", ".join(modules))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InWorkerd]:
    folder = tmp_path_factory.mktemp("workerd")
    for file in FILES:
        shutil.copy(file, folder)
    (folder / "worker.capnp").write_text(config())
    workerd = npm_package("workerd") / "bin" / "workerd"
    listen = ["--socket-addr", "http=127.0.0.1:{port}"]
    with serving([workerd, "serve", "worker.capnp", *listen], cwd=folder) as server:
        yield InWorkerd(server)


def test_every_case_of_the_suite_gives_the_same_bytes_in_workerd(home: InWorkerd) -> None:
    check_every_case(home)


def test_10000_generated_cases_give_the_same_verdicts_in_workerd(home: InWorkerd) -> None:
    check_10000_generated_cases(home)


def test_2000_made_up_requests_are_encoded_and_decided_alike_in_workerd(home: InWorkerd) -> None:
    check_2000_made_up_requests(home)


def test_decisions_become_the_same_texts_in_workerd(home: InWorkerd) -> None:
    check_every_text(home)
