"""The catalog as a whole: the shop itself, limits, and what is left of broken objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_compiler import items
from policy_compiler.check import check_catalog
from policy_compiler.rules import check_rules
from policy_compiler.source import read_catalog
from tests.policy_compiler.samples import (
    ATTRIBUTES,
    OFFER,
    PLACEMENTS,
    SHOP,
    codes,
    found_in,
    offer_with,
    told,
    with_offer,
    write_catalog,
)


def with_shop(tmp_path: Path, old: str, new: str) -> list[tuple[str, str]]:
    assert old in SHOP
    return told(found_in(tmp_path, shop=SHOP.replace(old, new)))


def test_the_sample_catalog_is_in_order(tmp_path: Path) -> None:
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("tenant: harbor", "tenant: Harbor Goods", "P113", "shop.tenant"),
        ("code: USD", "code: usd", "P318", "shop.currency.code"),
        ("code: USD", "code: USD, minor_digits: 7", "P305", "shop.currency.minor_digits"),
        ("[en-US]", "[en-US, en_US]", "P318", "shop.locales[1]"),
        ("America/New_York", "America/Gotham", "P317", "shop.zone"),
        ("America/New_York", "../../etc/passwd", "P317", "shop.zone"),
        ("value: cart.total", "value: cart.totl", "P301", "shop.economics.order_value"),
        ("value: cart.total", "value: cart.discount", "P303", "shop.economics.order_value"),
        ("percent: 40", "percent: 140", "P305", "shop.economics.margin_percent"),
        ("percent: 40", "percent: 40\n    margin: cart.items", "P303", "shop.economics.margin"),
        ("80.00", "-1", "P305", "shop.economics.order_value_otherwise"),
        ("80.00", "0.0000001", "P109", "shop.economics.order_value_otherwise"),
        ("hosts:", "global_holdout: {share: 5}\n  hosts:", "P305", "shop.global_holdout.share"),
        (
            "hosts:",
            'global_holdout: {salt: "a\\x1f"}\n  hosts:',
            "P323",
            "shop.global_holdout.salt",
        ),
        ("hosts:", "score_unit: 0\n  hosts:", "P305", "shop.score_unit"),
        ("hosts:", "horizon_years: 0\n  hosts:", "P305", "shop.horizon_years"),
        ("cdn.example.com", "https://cdn.example.com", "P310", "shop.hosts[0]"),
        ("cdn.example.com", "CDN.example.com", "P310", "shop.hosts[0]"),
    ],
)
def test_what_the_shop_says_of_itself_is_checked(
    old: str, new: str, code: str, path: str, tmp_path: Path
) -> None:
    assert (code, path) in with_shop(tmp_path, old, new)


def test_a_shop_speaks_at_least_one_language(tmp_path: Path) -> None:
    assert ("P318", "shop.locales") in with_shop(tmp_path, "[en-US]", "[]")


# --- limits -------------------------------------------------------------------


def test_more_than_64_attributes_count_only_if_they_are_read(tmp_path: Path) -> None:
    many = "".join(f"  a.x{i}: {{type: int, source: signed}}\n" for i in range(70))
    assert found_in(tmp_path, attributes=ATTRIBUTES + many) == []
    rule = "eligible: " + " && ".join(f"a.x{i} > 1" for i in range(64))
    found = found_in(tmp_path, attributes=ATTRIBUTES + many, offers=offer_with(rule))
    assert told(found) == [("P313", "attributes")]
    assert "65 attributes" in found[0].message


def test_an_attribute_has_at_most_1024_cells(tmp_path: Path) -> None:
    def found_with(count: int) -> list[tuple[str, str]]:
        values = ", ".join(f'"{i:x}"' for i in range(count))
        return with_offer(tmp_path, f"eligible: geo.country in [{values}]")

    assert found_with(1023) == []
    assert found_with(1024) == [("P313", 'attributes["geo.country"]')]


def test_a_set_has_at_most_64_elements(tmp_path: Path) -> None:
    def found_with(count: int) -> list[tuple[str, str]]:
        values = ", ".join(f'"{i}"' for i in range(count))
        return with_offer(tmp_path, f"eligible: sets.intersects(customer.segments, [{values}])")

    assert found_with(64) == []
    assert found_with(65) == [("P313", 'attributes["customer.segments"]')]


def test_there_are_at_most_500_placements(tmp_path: Path) -> None:
    many = "".join(f"  p{i}: {{title: P, rank: 2}}\n" for i in range(500))
    assert told(found_in(tmp_path, placements=PLACEMENTS + many)) == [("P313", "placements")]


def test_there_are_at_most_10_000_offers(tmp_path: Path) -> None:
    offer = ["a"] * 10_001
    offers = "offers: [" + ", ".join(f"{{id: {name}{i}}}" for i, name in enumerate(offer)) + "]"
    source = read_catalog(write_catalog(tmp_path / "catalog", offers=offers))
    assert told(source.diagnostics) == [("P313", "offers[10000]")]
    assert check_catalog(source, check_rules(source)) == []


def test_too_many_offers_are_refused_before_any_is_read(tmp_path: Path, monkeypatch) -> None:
    row = "  - id: a{}\n    broken: true\n"
    offers = "offers:\n" + "".join(row.format(i) for i in range(10_001))

    def read(*_: object) -> None:
        raise AssertionError("an offer was read")

    monkeypatch.setattr(items, "read_part", read)
    source = read_catalog(write_catalog(tmp_path / "catalog", offers=offers))
    (found,) = source.diagnostics
    assert (found.code, found.file, found.line) == ("P313", "offers.yaml", 2 + 2 * 10_000)


def test_an_offer_has_at_most_31_rungs_and_8_caps(tmp_path: Path) -> None:
    rungs = ", ".join(f"{{id: r{i}, percent: 5}}" for i in range(32))
    caps = ", ".join(["{count: 1}"] * 9)
    found = with_offer(tmp_path, f"rungs: [{rungs}]", f"caps: [{caps}]")
    assert found == [("P313", "offers[0].caps"), ("P313", "offers[0].rungs")]


# --- broken objects -----------------------------------------------------------


def test_references_to_broken_objects_are_not_errors_of_their_own(tmp_path: Path) -> None:
    found = found_in(
        tmp_path,
        attributes=ATTRIBUTES.replace("maximum: 5000", "maximum: lots"),
        placements=PLACEMENTS.replace("rank: 1", "rank: one"),
        groups="groups: {g: {titel: x}}",
        offers=offer_with("group: g", "scope: cart.total"),
    )
    assert codes(found) == ["P110", "P112"]


def test_arms_of_broken_offers_are_not_errors_of_their_own(tmp_path: Path) -> None:
    models = "models: {m: {link: identity, arms: {welcome/ten: 1}}}"
    found = found_in(tmp_path, models=models, offers=OFFER.replace("percent: 10", "percent: ten"))
    assert codes(found) == ["P112"]


def test_nothing_is_said_of_a_catalog_with_a_missing_file(tmp_path: Path) -> None:
    assert codes(found_in(tmp_path, attributes="attributes: [")) == ["P104"]
