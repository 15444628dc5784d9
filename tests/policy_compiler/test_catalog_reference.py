"""docs/reference/catalog.md is true: its examples compile, and its state is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge.decision.hashing import key_of
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from policy_compiler.compiling import compile_catalog
from tests.policy_compiler.samples import with_example
from tests.support.parts import ROOT

TEXT = (ROOT / "docs" / "reference" / "catalog.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
(STATE,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_compiles_without_a_warning(example: str, tmp_path: Path) -> None:
    compiled = compile_catalog(with_example(tmp_path, example))
    assert [each.message for each in compiled.diagnostics if each.severity != "note"] == []


def test_the_state_is_one_and_keys_are_made_as_told(tmp_path: Path) -> None:
    bundle = compile_catalog(with_example(tmp_path, EXAMPLES[0])).bundle
    request = {"visitor": "v", "nonce": "n", "consent": "full", "now_s": 1_795_000_000,
               "placements": ["hero"], "state": json.loads(STATE)}  # fmt: skip
    state = unpack_request(encode_request(bundle, json.dumps(request).encode()).data).state
    assert state is not None and len(state.caps) == len(state.kept) == 1
    assert key_of("placement/hero") in bundle.tables.placement_key
    assert key_of("arm/welcome/ten") in bundle.tables.rung_key
