"""The cases of texts, in Python."""

from __future__ import annotations

import msgspec
import pytest

from edge.decision.beacon import Record, unpack_verdict
from edge.decision.creatives import show
from edge.decision.decide import decide
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.rendering import disclosure_of, is_safe_address
from policy_compiler.compiling import compile_catalog
from tests.conformance.building import MANIFEST_DIGEST
from tests.conformance.texts import (
    BLOCK,
    BUNDLE,
    FOLDER,
    TextCase,
    bundle,
    expected,
    request_text,
    text_cases,
)

CASES = text_cases()


@pytest.mark.parametrize("case", CASES.cases, ids=lambda case: case.id)
def test_a_decision_shows_what_the_case_says(case: TextCase) -> None:
    opened = bundle()
    data = encode_request(opened, request_text(CASES.base, case)).data
    verdict = decide(opened, BLOCK, data)
    record = Record(
        bundle_digest=opened.digest,
        manifest_digest=MANIFEST_DIGEST,
        manifest_block=BLOCK,
        request=data,
        verdict=verdict,
    )
    (row,) = unpack_verdict(verdict)
    found = show(opened, record, unpack_request(data), row)
    assert msgspec.structs.asdict(found) == expected(case, found), case.description


def test_addresses_are_told_apart() -> None:
    assert [each for each in CASES.addresses.safe if not is_safe_address(each)] == []
    assert [each for each in CASES.addresses.unsafe if is_safe_address(each)] == []


def test_notices_are_in_the_locales_language() -> None:
    for locale, notice in CASES.notices.items():
        assert disclosure_of(locale.split("-")[0].lower()) == notice


def test_the_committed_bundle_is_what_its_catalog_gives() -> None:
    compiled = compile_catalog(FOLDER / "catalog.yaml").data
    assert compiled == BUNDLE.read_bytes(), "run `python -m tests.conformance.texts`"
