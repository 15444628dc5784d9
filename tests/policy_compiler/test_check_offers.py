"""Offers: what they refer to, their rungs, windows and creatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_compiler.diagnostics import errors_of
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
)


def with_rung(tmp_path: Path, kind: str, rung: str) -> list[tuple[str, str]]:
    found = with_offer(tmp_path, f"kind: {kind}", f"rungs: [{{id: a, {rung}}}]")
    return [(code, path.removeprefix("offers[0].")) for code, path in found]


@pytest.mark.parametrize(
    ("field", "code", "path"),
    [
        ("placements: [hero, heroo]", "P301", "placements[1]"),
        ("placements: [hero, hero]", "P314", "placements[1]"),
        ("group: gifts", "P301", "group"),
        ("budget: spring", "P301", "budget"),
        ("scope: cart.gone", "P301", "scope"),
        ("scope: cart.discount", "P303", "scope"),
        ("redemption: {recheck: [cart.gone]}", "P301", "redemption.recheck[0]"),
        ("redemption: {total: 0}", "P305", "redemption.total"),
        ("redemption: {per_customer: 0}", "P305", "redemption.per_customer"),
        ("priority: 1000001", "P305", "priority"),
        ("expires_after_s: 0", "P305", "expires_after_s"),
        ("max_policy_age_s: -1", "P305", "max_policy_age_s"),
        ('purpose: "a\\nb"', "P323", "purpose"),
        ("guardrails: {ceiling: -1}", "P305", "guardrails.ceiling"),
        ("guardrails: {ceiling: 0.1234567}", "P109", "guardrails.ceiling"),
        ("guardrails: {ceiling_percent: 101}", "P305", "guardrails.ceiling_percent"),
        ("guardrails: {margin_floor: -2000000000}", "P305", "guardrails.margin_floor"),
        ("guardrails: {margin_floor_percent: 101}", "P305", "guardrails.margin_floor_percent"),
        ("caps: [{count: 0}]", "P305", "caps[0].count"),
        ("caps: [{count: 1, period_s: -1}]", "P305", "caps[0].period_s"),
        ("caps: [{count: 1, placement: cart}]", "P301", "caps[0].placement"),
        ("window: {zone: Nowhere}", "P317", "window.zone"),
        ("window: {start: soon}", "P311", "window.start"),
        ("window: {start: 2026-11-27T08:00Z}", "P311", "window.start"),
        ("window: {start: 2026-11-27T08:00:30}", "P311", "window.start"),
        ("window: {until: 0001-01-01}", "P311", "window.until"),
        ("window: {start: 2026-11-27, until: 2026-11-27}", "P311", "window.until"),
        ("window: {weekdays: [0]}", "P305", "window.weekdays[0]"),
        ("window: {weekdays: [1, 1]}", "P314", "window.weekdays[1]"),
        ("window: {hours: [[22, 6]]}", "P311", "window.hours[0]"),
        ("window: {hours: [[20, 25]]}", "P311", "window.hours[0]"),
        ("rungs: []", "P313", "rungs"),
        ("rungs: [{id: a, percent: 5}, {id: a, percent: 6}]", "P314", "rungs[1].id"),
    ],
)
def test_fields_of_offers_are_checked(field: str, code: str, path: str, tmp_path: Path) -> None:
    assert with_offer(tmp_path, field) == [(code, f"offers[0].{path}")]


@pytest.mark.parametrize(
    "field",
    [
        "window: {start: 2026-11-27, until: 2026-11-30T18:30, zone: Europe/Berlin}",
        "window: {weekdays: [1, 7], hours: [[0, 6], [22, 24]]}",
        "guardrails: {ceiling: 0, ceiling_percent: 100, margin_floor: -5.50}",
        "caps: [{count: 1}, {count: 255, period_s: 86400, placement: hero}]",
        "price_disclosure: [FR]",
        "scope: cart.total",
    ],
)
def test_good_fields_of_offers_pass(field: str, tmp_path: Path) -> None:
    assert with_offer(tmp_path, field) == []


def test_two_offers_of_one_id_are_refused(tmp_path: Path) -> None:
    found = told(found_in(tmp_path, more=OFFER))
    assert found == [("P314", "offers[1].id")]


def test_an_offer_without_placements_would_never_be_seen(tmp_path: Path) -> None:
    found = with_offer(tmp_path, "placements: []", "creatives: {}")
    assert found == [("P305", "offers[0].placements")]


def test_disclosures_name_values_of_the_country(tmp_path: Path) -> None:
    offers = offer_with("price_disclosure: [FR, DE]")
    attributes = ATTRIBUTES.replace("source: edge}", "source: edge, values: [US, FR]}")
    found = told(found_in(tmp_path, offers=offers, attributes=attributes))
    assert found == [("P312", "offers[0].price_disclosure[1]")]
    without = "\n".join(line for line in ATTRIBUTES.splitlines() if "geo." not in line)
    found = told(found_in(tmp_path, offers=offers, attributes=without))
    assert found == [("P301", "offers[0].price_disclosure")]


KINDS = {
    "percent": ["percent: 10", "percent: 10, cap: 40.00"],
    "fixed": ["amount: 5.00"],
    "bundle": ["saves: 12.00"],
    "gift": ["unit_cost: 3.20"],
    "shipping": [
        "amount: 4.99",
        "cost_table: {attribute: geo.country, values: {US: 4}, otherwise: 9}",
        "cost_table: {attribute: cart.total, cuts: [50, 99.99], costs: [5, 3, 0]}",
    ],
    "points": [
        "points: 500, point_value: 0.01, breakage_percent: 20",
        "points_per_unit: 2, point_value: 0.01",
    ],
    "financing": ["fee_percent: 3.5, months: 12, risk_percent: 1"],
}
WRONG = [
    ("percent", "amount: 5", [("P304", "rungs[0]"), ("P304", "rungs[0].amount")]),
    ("percent", "percent: 0", [("P305", "rungs[0].percent")]),
    ("percent", "percent: 101", [("P305", "rungs[0].percent")]),
    ("percent", "percent: 5, cap: 0", [("P305", "rungs[0].cap")]),
    ("percent", "percent: 5, amount: 0", [("P304", "rungs[0].amount")]),
    ("fixed", "amount: 5, percent: 5", [("P304", "rungs[0].percent")]),
    ("fixed", "amount: -5", [("P305", "rungs[0].amount")]),
    ("bundle", "depth: 1", [("P304", "rungs[0]")]),
    ("gift", "unit_cost: 1, months: 3", [("P304", "rungs[0].months")]),
    ("shipping", "depth: 1", [("P304", "rungs[0]")]),
    (
        "shipping",
        "amount: 5, cost_table: {attribute: geo.country, values: {US: 4}, otherwise: 9}",
        [("P304", "rungs[0]")],
    ),
    ("points", "points: 5", [("P304", "rungs[0]")]),
    ("points", "points: 5, points_per_unit: 1, point_value: 1", [("P304", "rungs[0]")]),
    ("points", "points: 0, point_value: 1", [("P305", "rungs[0].points")]),
    (
        "points",
        "points: 5, point_value: 1, breakage_percent: 101",
        [("P305", "rungs[0].breakage_percent")],
    ),
    ("financing", "fee_percent: 3", [("P304", "rungs[0]")]),
    ("financing", "fee_percent: 3, months: 0", [("P305", "rungs[0].months")]),
    ("gift", "unit_cost: 1, depth: -1", [("P305", "rungs[0].depth")]),
    ("gift", "unit_cost: 1, fixed_cost: -1", [("P305", "rungs[0].fixed_cost")]),
    ("gift", "unit_cost: 1, expected_profit: 20000", [("P305", "rungs[0].expected_profit")]),
]
TABLES = [
    ("attribute: cart.gone, cuts: [], costs: [1]", "P301", ".attribute"),
    ("attribute: customer.segments, cuts: [], costs: [1]", "P321", ".attribute"),
    ("attribute: cart.total, cuts: [5], costs: [1]", "P321", ""),
    ("attribute: cart.total, cuts: [5], costs: [1, 2], otherwise: 3", "P321", ""),
    ("attribute: cart.total, cuts: [6, 5], costs: [1, 2, 3]", "P321", ".cuts"),
    ("attribute: cart.total, cuts: [5.001], costs: [1, 2]", "P321", ".cuts[0]"),
    ("attribute: cart.total, cuts: [5], costs: [1, -2]", "P305", ".costs[1]"),
    ("attribute: geo.country, values: {US: 1}", "P321", ""),
    ("attribute: geo.country, otherwise: 1", "P321", ""),
    ("attribute: geo.country, values: {US: -1}, otherwise: 1", "P305", ".values.US"),
    ("attribute: customer.tier, values: {tin: 1}, otherwise: 1", "P312", ".values.tin"),
]


@pytest.mark.parametrize(
    ("kind", "rung"), [(k, rung) for k, rungs in KINDS.items() for rung in rungs]
)
def test_each_kind_has_its_rungs(kind: str, rung: str, tmp_path: Path) -> None:
    assert with_rung(tmp_path, kind, rung) == []


@pytest.mark.parametrize(("kind", "rung", "expected"), WRONG)
def test_rungs_that_do_not_fit_their_kind_are_refused(
    kind: str, rung: str, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert with_rung(tmp_path, kind, rung) == expected


@pytest.mark.parametrize(("table", "code", "field"), TABLES)
def test_cost_tables_are_checked(table: str, code: str, field: str, tmp_path: Path) -> None:
    found = with_rung(tmp_path, "shipping", f"cost_table: {{{table}}}")
    assert found == [(code, f"rungs[0].cost_table{field}")]


def test_budgets_are_amounts_over_a_period(tmp_path: Path) -> None:
    budgets = "budgets: {a: {amount: 0}, b: {amount: 5, period_s: 0}}"
    found = told(found_in(tmp_path, budgets=budgets))
    assert found == [("P305", "budgets.a.amount"), ("P305", "budgets.b.period_s")]


# --- creatives ----------------------------------------------------------------


def test_every_placement_wants_a_creative_in_every_locale(tmp_path: Path) -> None:
    shop = SHOP.replace("[en-US]", "[en-US, es-US]")
    placements = PLACEMENTS + "  cart: {title: Cart, rank: 2}\n"
    offers = offer_with("placements: [hero, cart]")
    found = found_in(tmp_path, shop=shop, placements=placements, offers=offers)
    assert codes(found) == ["P306"] and errors_of(found) == []
    messages = sorted(each.message for each in found)
    assert "cart in en-US, es-US" in messages[0] and "hero in es-US" in messages[1]


@pytest.mark.parametrize(
    ("creatives", "code", "path"),
    [
        ("{hero: {en-US: {headline: Hi}, en-GB: {headline: Hi}}}", "P318", '.hero["en-GB"]'),
        ("{hero: {en-US: {headline: Hi}}, cart: {}}", "P301", ".cart"),
        ('{hero: {en-US: {headline: " "}}}', "P323", '.hero["en-US"].headline'),
        ("{hero: {en-US: {headline: Hi, href: sale}}}", "P310", '.hero["en-US"].href'),
        ("{hero: {en-US: {headline: Hi, image: //x.y/z}}}", "P310", '.hero["en-US"].image'),
    ],
)
def test_creatives_are_checked(creatives: str, code: str, path: str, tmp_path: Path) -> None:
    found = with_offer(tmp_path, f"creatives: {creatives}")
    assert found == [(code, f"offers[0].creatives{path}")]


@pytest.mark.parametrize(
    ("attribute", "path"),
    [("cart.total", "shop.economics.order_value"), ("cart.garden", "offers[0].scope")],
)
def test_what_discounts_are_taken_off_is_never_negative(
    attribute: str, path: str, tmp_path: Path
) -> None:
    garden = "  cart.garden: {type: decimal, scale: 2, money: true, maximum: 500}\n"
    offers = offer_with("scope: cart.garden")
    sound = ATTRIBUTES + garden
    assert told(found_in(tmp_path / "a", attributes=sound, offers=offers)) == []
    name = f"{attribute}: {{type: decimal, scale: 2, money: true,"
    spoilt = sound.replace(name, f"{name} minimum: -0.01,")
    assert told(found_in(tmp_path / "b", attributes=spoilt, offers=offers)) == [("P325", path)]


def test_a_margin_may_be_negative(tmp_path: Path) -> None:
    margin = "  cart.margin: {type: decimal, scale: 2, money: true, minimum: -9, maximum: 9}\n"
    shop = SHOP.replace("margin_percent: 40", "margin_percent: 40\n    margin: cart.margin")
    assert found_in(tmp_path, attributes=ATTRIBUTES + margin, shop=shop) == []


@pytest.mark.parametrize("percent", ["-5", "101"])
def test_a_margin_floor_in_percent_has_one_range(percent: str, tmp_path: Path) -> None:
    offers = offer_with(f"guardrails: {{margin_floor_percent: {percent}}}")
    (found,) = found_in(tmp_path, offers=offers)
    assert found.code == "P305" and "between 0 and 100" in found.message


@pytest.mark.parametrize("sign", ["\\u202E", "\\u2066"])
def test_signs_that_turn_what_follows_around_are_told(sign: str, tmp_path: Path) -> None:
    offers = OFFER.replace("Ten percent off the first order", f'"Ten {sign} off"')
    offers = offers.replace("headline: Welcome", f'headline: "Wel{sign}come"')
    assert told(found_in(tmp_path, offers=offers)) == [
        ("P327", 'offers[0].creatives.hero["en-US"].headline'), ("P327", "offers[0].title"),
    ]  # fmt: skip
