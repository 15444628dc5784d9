"""The size that `python -m bench.size` measures, held where nobody looks at benchmarks."""

from __future__ import annotations

import gzip

import pytest

from bench.synthetic import WEIGHTS, catalog_files, weights
from edge.decision.bundle import write_bundle
from policy_compiler.compiling import Compiled, compile_catalog
from policy_compiler.tree import And

OFFERS = 1000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder = tmp_path_factory.mktemp("synthetic")
    for name, text in catalog_files(OFFERS).items():
        (folder / name).write_text(text, encoding="utf-8")
    return compile_catalog(folder, weights=weights(OFFERS))


def test_every_offer_has_its_rule_and_its_16_weights(shop: Compiled) -> None:
    tables = shop.bundle.tables
    assert WEIGHTS == 16
    assert len(tables.bias_weight) + len(tables.weight_value) == 16 * OFFERS
    assert all(shop.plan.clauses[offer.id] for offer in shop.plan.offers)
    rules = [tiers.eligible for tiers in shop.plan.tiers.values()]
    assert {len(rule.parts) for rule in rules if isinstance(rule, And)} == {3, 4, 5, 6}


def test_what_decides_about_an_offer_fits_into_150_bytes_and_60_compressed(
    shop: Compiled,
) -> None:
    shop.bundle.tables.notes = b""
    data = write_bundle(shop.bundle.tables)
    assert len(data) < 150 * OFFERS
    assert len(gzip.compress(data, 9, mtime=0)) < 60 * OFFERS
