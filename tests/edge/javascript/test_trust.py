"""The trust vectors in workerd and under Deno; `tests/conformance/trust` has the other homes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.trust.elsewhere import ALL_S, HERE, KERNEL, Told, asked, outcomes
from tests.conformance.trust.generate import stored
from tests.conformance.trust.lying import lying
from tests.conformance.trust.stories import expected
from tests.support.javascript import ENTRY, deno, modules, plain_worker, plain_workerd
from tests.support.parts import ROOT

VECTORS = stored()
EXPECTED = {vector.id: [expected(step) for step in vector.steps] for vector in VECTORS.vectors}
TELLING = "tests/conformance/trust/telling.mjs"


def in_workerd(address: str, folder: Path) -> Told:
    entry = "tests/edge/javascript/trusting_worker.js"
    listed = [module for module in modules(entry, TELLING) if module["path"] != ENTRY]
    with plain_workerd(plain_worker(folder, listed)) as server:
        answer = httpx.post(server.url, content=asked(address), timeout=ALL_S)
        assert answer.status_code == 200, answer.text
        return outcomes(answer.content)


def in_deno(address: str, folder: Path) -> Told:
    file = folder / "asked.json"
    file.write_bytes(asked(address))
    command = [deno(), "run", "--no-lock", "--allow-all", HERE / "in_node.mjs", KERNEL, file]
    done = subprocess.run(command, capture_output=True, timeout=ALL_S)
    assert done.returncode == 0, done.stderr.decode()
    return outcomes(done.stdout)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with lying(VECTORS, ROOT) as url:
        yield url


@pytest.mark.parametrize("home", [in_workerd, in_deno], ids=["workerd", "Deno"])
def test_the_edge_does_what_every_vector_says(
    home: Callable[[str, Path], Told], address: str, tmp_path: Path
) -> None:
    told = home(address, tmp_path)
    assert set(told) == set(EXPECTED)
    assert {name: told[name] for name in EXPECTED if told[name] != EXPECTED[name]} == {}
