"""Pyodide deciding with the kernel through JavaScript: the same bytes as its own Python."""

from __future__ import annotations

import gzip
from pathlib import Path

from policy_compiler.emit import emit
from tests.conformance import generated
from tests.support.policies import random_plan

from .bridging import ask_bridge

CASES = 800


def test_the_kernel_gives_pyodides_own_bytes(tmp_path: Path) -> None:
    suite = generated.unpack_generated(gzip.decompress(generated.FILE.read_bytes()))
    questions = [(q.bundle, suite.manifests[q.manifest], q.request) for q in suite.questions]
    found = ask_bridge(list(suite.bundles), questions[:CASES], tmp_path)
    assert found.kernel == found.python
    refused = [each for each in found.kernel if each == "RequestError ENCODING"]
    assert 10 < len(refused) < CASES / 10
    assert found.us["kernel"] < found.us["python"]


def test_a_bundle_that_is_none_is_refused_with_its_code(tmp_path: Path) -> None:
    broken = [b"", b"prfr" + emit(random_plan(0))[4:]]
    found = ask_bridge(broken, [(row, b"", b"") for row in range(len(broken))], tmp_path)
    assert found.kernel == found.python == ["BundleError SIZE", "BundleError MAGIC"]
