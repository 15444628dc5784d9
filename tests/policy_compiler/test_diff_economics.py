"""What a cart is worth, what attributes may be, and what only catalogs hold: never hidden
behind another difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from edge.decision.bundle import open_bundle, write_bundle
from edge.decision.errors import BundleError
from policy_compiler.compiling import Compiled, compile_catalog
from policy_compiler.diff import Change, diff
from tests.policy_compiler.samples import ATTRIBUTES, PLACEMENTS, SHOP, offer_with, write_catalog

OPEN = offer_with("token: false", "redemption: {recheck: [cart.total]}")


def compiled(folder: Path, files: dict[str, str]) -> Compiled:
    return compile_catalog(write_catalog(folder, **{"offers": OPEN, **files}))


def told(tmp_path: Path, before: dict[str, str], after: dict[str, str]) -> list[str]:
    old, new = compiled(tmp_path / "old", before), compiled(tmp_path / "new", after)
    catalogs = (old.plan.catalog, new.plan.catalog)
    return said(diff(old.bundle, new.bundle, catalogs=catalogs).changes)


def said(changes: list[Change]) -> list[str]:
    return [f"{each.subject}: {each.what}: {each.text}" for each in changes]


RETITLED = OPEN.replace("Ten percent off the first order", "Welcome")
TITLE = "offer welcome: changed: title: Ten percent off the first order -> Welcome"
MARGIN = ATTRIBUTES + "  cart.margin: {type: decimal, scale: 2, money: true, maximum: 900}\n"


def of_shop(old: str, new: str) -> dict[str, str]:
    return {"shop": SHOP.replace(old, new), "attributes": MARGIN, "offers": RETITLED}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("80.00", "90.00", "order value without a cart: 80.00 -> 90.00"),
        ("margin_percent: 40", "margin_percent: 4", "margin where none is sent: 40 % -> 4 %"),
        ("code: USD", "code: USD, rounding: down", "rounding of the currency: half up -> down"),
        ("margin_percent: 40", "margin_percent: 40\n    margin: cart.margin",
         "margin: none -> cart.margin"),
    ],
)  # fmt: skip
def test_economics_are_told_beside_any_other_difference(
    old: str, new: str, wanted: str, tmp_path: Path
) -> None:
    found = told(tmp_path, {"attributes": MARGIN}, of_shop(old, new))
    assert f"shop: changed: {wanted}" in found and TITLE in found


def test_values_of_an_enumeration_that_went_are_told(tmp_path: Path) -> None:
    fewer = ATTRIBUTES.replace("[gold, golden, silver]", "[gold, platinum]")
    offer = OPEN.replace("customer.is_new &&", 'customer.tier == "gold" &&')
    other = {"offers": offer.replace("Ten percent off the first order", "Welcome")}
    found = told(tmp_path, {"offers": offer}, {"attributes": fewer, **other})
    assert "attribute customer.tier: removed: value no longer: silver" in found
    assert "attribute customer.tier: added: value now: platinum" in found
    assert any(each.startswith("offer welcome: changed: who may get it changed") for each in found)


def test_months_of_a_financing_are_told_with_or_without_its_cost(tmp_path: Path) -> None:
    def financing(months: int, fee: str) -> dict[str, str]:
        rung = f"rungs: [{{id: pay, fee_percent: {fee}, months: {months}}}]"
        return {"offers": offer_with("kind: financing", rung, offer=OPEN)}

    months = "offer welcome: changed: size pay months: 6 -> 24"
    assert told(tmp_path / "a", financing(6, "2"), financing(24, "2")) == [months]
    assert months in told(tmp_path / "b", financing(6, "2"), financing(24, "3"))


def test_how_long_the_choices_of_a_greedy_placement_are_kept_is_told(tmp_path: Path) -> None:
    def kept(seconds: int) -> dict[str, str]:
        return {
            "placements": PLACEMENTS.replace("rank: 1", f"rank: 1, choice: {{epoch_s: {seconds}}}")
        }

    assert told(tmp_path, kept(86_400), kept(3_600)) == [
        "placement hero: changed: choices are kept for: 1 day -> 1 hour"
    ]


def test_a_number_that_a_listing_rounds_is_told_as_the_edge_counts_it(tmp_path: Path) -> None:
    def gamma(value: str) -> dict[str, str]:
        choice = f"choice: {{policy: inverse_gap, gamma: {value}}}"
        return {"placements": PLACEMENTS.replace("rank: 1", f"rank: 1, {choice}")}

    (found,) = told(tmp_path, gamma("2.0001"), gamma("2.0002"))
    assert found.startswith("placement hero: changed: param (as the edge counts it): ")


def test_what_only_catalogs_hold_is_told_of_two_folders(tmp_path: Path) -> None:
    rest = "budgets: {{spring: {{amount: {0}, period_s: {1}}}}}\ngroups: {{one: {{title: {2}}}}}\n"
    old = {"rest": rest.format(100, 86_400, "First")}
    new = {
        "rest": rest.format(250, 3_600, "Second"),
        "placements": PLACEMENTS.replace("rank: 1", "rank: 1, pages: [sale]"),
        "shop": SHOP.replace("cdn.example.com", "pictures.example.com"),
    }
    assert told(tmp_path, old, new) == [
        "shop: added: links may lead to now: pictures.example.com",
        "shop: removed: links may lead to no longer: cdn.example.com",
        "placement hero: changed: stands on: any page -> sale",
        "group one: changed: title: First -> Second",
        "budget spring: changed: amount: 100 -> 250",
        "budget spring: changed: period: 1 day -> 1 hour",
    ]


# --- who may get it, where attributes are declared otherwise ------------------

RULE = "customer.is_new && cart.total >= 50.00"
WIDER = "customer.is_new && cart.total >= 40.00"
TOTAL = "cart.total: {type: decimal, scale: 2, money: true, maximum: 5000}"


def eligibility(tmp_path: Path, rule: str, total: str) -> str:
    """What is said of who may get the offer, of which rule and `cart.total` change."""
    old = {"offers": offer_with(f"eligible: '{RULE}'", offer=OPEN)}
    new = {"offers": offer_with(f"eligible: '{rule}'", offer=OPEN)}
    new["attributes"] = ATTRIBUTES.replace(TOTAL, total)
    found = [each for each in told(tmp_path, old, new) if each.startswith("offer welcome")]
    return found[0].split(": ")[1] if found else "same"


@pytest.mark.parametrize(
    ("rule", "declared", "what"),
    [
        (WIDER, "maximum: 5000", "widened"),
        (WIDER, "maximum: 100", "changed"),
        (WIDER, "maximum: 9000", "widened"),
        (WIDER, "maximum: 5000, labels: [personal]", "changed"),
        (WIDER, "maximum: 5000, source: signed", "changed"),
        (RULE, "maximum: 100", "narrowed"),
        (RULE, "maximum: 9000", "widened"),
        (RULE, "maximum: 5000, labels: [personal]", "narrowed"),
        (RULE, "maximum: 5000, labels: [publishable]", "same"),
    ],
)
def test_no_direction_is_claimed_against_what_an_attribute_may_be(
    rule: str, declared: str, what: str, tmp_path: Path
) -> None:
    total = TOTAL.replace("maximum: 5000", declared)
    assert eligibility(tmp_path, rule, total) == what


def test_an_hour_of_another_zone_is_another_hour(tmp_path: Path) -> None:
    def clock(zone: str) -> dict[str, str]:
        hour = f"  shop.hour: {{type: int, source: edge, derived: {{hour: {zone}}}}}\n"
        rule = offer_with("eligible: 'shop.hour >= 8'", offer=OPEN)
        return {"attributes": ATTRIBUTES + hour, "offers": rule}

    found = told(tmp_path, clock("Europe/Berlin"), clock("Asia/Tokyo"))
    assert any("shop.hour is declared otherwise" in each for each in found)


# --- what authors never see ---------------------------------------------------


def test_a_rule_that_only_stands_elsewhere_is_not_called_a_value_of_notes(tmp_path: Path) -> None:
    def named(name: str) -> dict[str, str]:
        rule = offer_with(f"eligible: 'rules.{name}'", offer=OPEN)
        return {"offers": rule, "rules": f"rules: {{{name}: '{RULE}'}}\n"}

    old, new = compiled(tmp_path / "old", named("new")), compiled(tmp_path / "new", named("newer"))
    assert old.data != new.data
    assert said(diff(old.bundle, new.bundle).changes) == [
        "bundle: changed: rules stand elsewhere in their files; nobody is decided upon otherwise"
    ]


def test_rules_of_attributes_that_are_not_there_are_refused_and_no_crash(tmp_path: Path) -> None:
    whole = compiled(tmp_path, {}).bundle
    spoilt = bytes(whole.tables.notes).replace(b"customer.is_new", b"customer.is_mew")
    damaged = open_bundle(write_bundle(structs.replace(whole.tables, notes=spoilt)))
    with pytest.raises(BundleError, match=r"customer[.]is_mew"):
        diff(whole, damaged)
