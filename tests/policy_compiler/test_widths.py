"""A rule that would explode: every offer is told, with the part to blame and other words."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import CatalogRefused, Diagnostic
from tests.policy_compiler.samples import OFFER, offer_with, write_catalog

ROWS = [f"a.x{index}" for index in range(7)]
MORE = "attributes:\n" + "".join(
    f"  {name}{side}: {{type: int, source: signed}}\n" for name in ROWS for side in "lr"
)
PAIRS = " && ".join(f"({name}l > 1 || {name}r > 1)" for name in ROWS)
SHORT = " && ".join(f"({name}l > 1 || {name}r > 1)" for name in ROWS[:6])
PLACES = 'geo.country == "US" || geo.country == "CA" || geo.country in ["MX", "BR"]'


def refused(folder: Path, *rules: str) -> list[Diagnostic]:
    """What is said of offers with these fields."""
    offers = [
        offer_with(*rule.split("\n"), "token: false", offer=OFFER.replace("welcome", f"o{i}"))
        for i, rule in enumerate(rules)
    ]
    text = "offers:\n" + "".join(offer.partition("\n")[2] for offer in offers)
    with pytest.raises(CatalogRefused) as refusal:
        compile_catalog(write_catalog(folder, offers=text, more=MORE))
    return [each for each in refusal.value.diagnostics if each.severity == "error"]


def test_every_offer_that_is_too_wide_is_told(tmp_path: Path) -> None:
    found = refused(tmp_path, f"eligible: {PAIRS}", "eligible: a.x0l > 1", f"eligible: {PAIRS}")
    assert [(each.code, each.path) for each in found] == [
        ("P401", "offers[0].eligible"),
        ("P401", "offers[2].eligible"),
    ]


def test_the_part_is_named_with_its_alternatives_and_stands_where_it_is_written(
    tmp_path: Path,
) -> None:
    (found,) = refused(tmp_path, f"eligible: customer.is_new || ({PAIRS})")
    assert "2 x 2 x 2 x 2 x 2 x 2 x 2 = 128 (`a.x0l > 1 || a.x0r > 1` has 2, " in found.message
    line = (tmp_path / "offers.yaml").read_text().splitlines()[found.line - 1]
    assert line[found.column - 1 :].startswith("(a.x0l > 1") or line[found.column - 1 :].startswith(
        "a.x0l > 1"
    )
    assert "one offer for each alternative of `a.x0l > 1 || a.x0r > 1`" in found.help


def test_tiers_that_multiply_each_other_are_told_together(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, f"eligible: {SHORT}\nsuitable: {PAIRS[-24:]}")
    assert found.path == "offers[0]"
    assert "in all tiers together, alternatives multiply to 64 x 2 = 128" in found.message


def test_equal_comparisons_are_rewritten_as_a_list(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, f"eligible: ({PLACES}) && {SHORT}")
    assert '`geo.country in ["US", "CA", "MX", "BR"]`' in found.help


def test_a_list_of_too_many_equal_comparisons_is_rewritten(tmp_path: Path) -> None:
    rule = " || ".join(f'geo.country == "A{index}"' for index in range(65))
    (found,) = refused(tmp_path, f"eligible: {rule}")
    assert "there are 65 alternatives; at most 64" in found.message
    assert '`geo.country in ["A0", "A1", "A2", "A3", ...]`' in found.help
