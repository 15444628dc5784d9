"""What a page gets for a verdict's row."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from edge.decision.beacon import Record, decision_id, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.creatives import Shown, show
from edge.decision.decide import decide
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from policy_compiler.compiling import compile_catalog
from tests.support.parts import ROOT
from tests.support.requests import NOW_S

BLOCK = ManifestBlock(digest=bytes(32), issued_s=NOW_S, expires_s=NOW_S + 10)


@cache
def store() -> Bundle:
    return compile_catalog(ROOT / "examples" / "store" / "catalog").bundle


def everything_shown(locale: str, visitors: int = 40, **fields: Any) -> list[tuple[bytes, Shown]]:
    """What many visitors see on the home page and in the cart, with the decision's id."""
    bundle, found = store(), []
    for number in range(visitors):
        request = {
            "visitor": f"v{number}", "nonce": "n", "consent": "full", "now_s": NOW_S,
            "locale": locale, "placements": ["home_hero", "cart_banner"], "state": {},
            "attributes": {"visit.kind": "new", "cart.total": 60, "geo.country": "DE"},
        } | fields  # fmt: skip
        data = encode_request(bundle, json.dumps(request).encode()).data
        verdict = decide(bundle, pack_manifest(BLOCK), data)
        record = Record(
            bundle_digest=bundle.digest, manifest_digest=BLOCK.digest,
            manifest_block=pack_manifest(BLOCK), request=data, verdict=verdict,
        )  # fmt: skip
        for row in unpack_verdict(verdict):
            name = decision_id(bundle.digest, BLOCK.digest, data, row.placement, row.slot)
            found.append((name, show(bundle, record, unpack_request(data), row)))
    return found


def test_a_shown_offer_has_its_text_and_its_decisions_name() -> None:
    shown = everything_shown("en")
    assert all(each.decision == name.hex() for name, each in shown)
    offers = [each for _, each in shown if each.offer]
    assert len({each.arm for each in offers}) > 2
    for each in offers:
        assert each.creative["headline"]
        assert each.drawn_by == each.decision


def test_without_an_offer_there_is_a_reason_and_nothing_else() -> None:
    empty = [each for _, each in everything_shown("en") if not each.offer]
    assert empty
    for each in empty:
        assert each.reason and not each.creative and not each.token_s and not each.drawn_by


@pytest.mark.parametrize(
    ("asked", "given"), [("de-AT", "de"), ("de", "de"), ("fr", "en"), ("", "en")]
)
def test_a_locale_falls_back_to_its_language_then_to_the_shops_first(
    asked: str, given: str
) -> None:
    wanted = {e.arm: e.creative for _, e in everything_shown(given) if e.offer}
    found = {e.arm: e.creative for _, e in everything_shown(asked) if e.offer}
    assert found == {arm: wanted[arm] for arm in found}


def test_german_and_english_texts_differ() -> None:
    english = {e.arm: e.creative["headline"] for _, e in everything_shown("en") if e.offer}
    german = {e.arm: e.creative["headline"] for _, e in everything_shown("de") if e.offer}
    assert english.keys() == german.keys()
    assert all(english[arm] != german[arm] for arm in english)
