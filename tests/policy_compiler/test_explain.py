"""A bundle read back as a listing: every number in words, every byte accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.decision.bundle import Bundle
from policy_compiler.compiling import compile_catalog
from policy_compiler.explain import list_policy
from policy_compiler.explain_words import duration, moment, percent_of_ppm, share
from policy_compiler.listed import OfferListed, PolicyListed
from tests.policy_compiler.samples import (
    ATTRIBUTES,
    PLACEMENTS,
    SHOP,
    offer_with,
    write_catalog,
)
from tests.support.parts import ROOT


def bundle_of(example: str) -> Bundle:
    return compile_catalog(ROOT / "examples" / example / "catalog").bundle


def listed(tmp_path: Path, **files: str) -> PolicyListed:
    return list_policy(compile_catalog(write_catalog(tmp_path / "catalog", **files)).bundle)


def offer(tmp_path: Path, *fields: str) -> OfferListed:
    files = {"offers": offer_with("redemption: {recheck: [cart.total, cart.items]}", *fields)}
    return listed(tmp_path, **files).offers[0]


@pytest.mark.parametrize("example", ["store", "grocer"])
def test_everything_of_an_example_is_listed(example: str) -> None:
    bundle = bundle_of(example)
    policy = list_policy(bundle)
    assert len(policy.offers) == bundle.rows["offer"]
    assert sum(len(each.rungs) for each in policy.offers) == bundle.rows["rung"]
    assert [each.name for each in policy.placements] == list(bundle.placement_rows)
    assert len(policy.models) == bundle.rows["model"]
    assert sum(each.size_bytes for each in policy.sizes) == policy.size_bytes
    assert policy.bundle == bundle.digest.hex()


@pytest.mark.parametrize(
    ("fields", "costs"),
    [
        (("kind: percent", "rungs: [{id: a, percent: 7.5}]"), "7.5 % of cart.total"),
        (("kind: percent", "rungs: [{id: a, percent: 10, cap: 40.00}]"),
         "10 % of cart.total, at most 40.00"),
        (("kind: fixed", "rungs: [{id: a, amount: 5.00}]"), "5.00, at most cart.total"),
        (("kind: gift", "rungs: [{id: a, unit_cost: 3.10, fixed_cost: 0.50}]"),
         "3.10; plus 0.50 handling"),
        (("kind: shipping", "rungs: [{id: a, amount: 4.90}]"), "4.90"),
        (("kind: shipping",
          "rungs: [{id: a, cost_table: {attribute: cart.items, cuts: [3], costs: [5, 7.5]}}]"),
         "by cart.items (below 3: 5.00, from 3: 7.50, unknown: withheld)"),
        (("kind: shipping",
          "rungs: [{id: a, cost_table: {attribute: geo.country, values: {US: 4}, otherwise: 9}}]"),
         "by geo.country (US: 4.00, others: 9.00, unknown: 9.00)"),
        (("kind: points", "rungs: [{id: a, points: 100, point_value: 0.01, breakage_percent: 20}]"),
         "0.80"),
        (("kind: financing", "rungs: [{id: a, fee_percent: 2, risk_percent: 0.5, months: 6}]"),
         "2.5 % of cart.total"),
    ],
)  # fmt: skip
def test_every_cost_formula_in_words(fields: tuple[str, str], costs: str, tmp_path: Path) -> None:
    assert offer(tmp_path, *fields).rungs[0].costs == costs


def test_guardrails_caps_window_and_terms_in_words(tmp_path: Path) -> None:
    found = offer(
        tmp_path,
        "guardrails: {ceiling: 9.00, ceiling_percent: 20, margin_floor: 1,"
        " margin_floor_percent: 5}",
        "caps: [{count: 1}, {count: 3, period_s: 3600, placement: hero, strict: true}]",
        "window: {until: 2026-12-01T00:00:00, hours: [[8, 10]]}",
        "expires_after_s: 7200",
        "stackable: true",
        "without_identity: allow",
    )
    assert found.rungs[0].limits == [
        "never costs more than 9.00",
        "never costs more than 20 % of cart.total",
        "leaves a margin of 1.00 or more",
        "leaves a margin of 5 % of the order or more",
    ]
    assert found.caps == [
        "shown at most once ever",
        "shown at most 3 times in 1 hour at hero, withheld where the count is uncertain",
    ]
    assert moment(found.from_s) == "ever" and moment(found.until_s) == "2026-12-01T05:00Z"
    assert "hour in [[8, 10]]" in found.daypart
    assert found.redemption == ["cart.total, cart.items checked again"]
    assert found.terms == [
        "token valid for 2 hours",
        "stacks with other offers",
        "also without consent to identity",
        "off when the policy is older than 1 day",
    ]


def test_models_and_allocations_in_words(tmp_path: Path) -> None:
    axes = "attribute: cart.items, cuts: [3], cross: customer.is_new"
    term = f"{{{axes}, weights: [1, 2, 3, 4, 5, 6, 7, 8, 9]}}"
    models = f"models: {{m: {{link: identity, constant: 0.25, terms: [{term}]}}}}\n"
    choice = "choice: {policy: allocation, allocation: {'*': {none: 1, welcome/ten: 3}}}"
    placements = PLACEMENTS.replace("rank: 1", f"rank: 1, model: m, {choice}")
    policy = listed(tmp_path, models=models, placements=placements)
    (model,) = policy.models
    assert model.constant == "0.25" and model.link == "identity"
    assert model.terms[0].over == (
        "cart.items (below 3, from 3, unknown) x customer.is_new (false, true, unknown)"
    )
    assert model.terms[0].weights == {"all arms": [*"123456789"]}
    assert policy.placements[0].weights == {"everybody": {"none": "25 %", "welcome/ten": "75 %"}}


def test_numbers_are_written_without_exponents_and_idle_zeros() -> None:
    assert [duration(s) for s in (0, 45, 60, 7200, 86400, 604800)] == [
        "0 s", "45 s", "1 minute", "2 hours", "1 day", "7 days",
    ]  # fmt: skip
    assert percent_of_ppm(1_000_000) == "100 %" and percent_of_ppm(12_345) == "1.2345 %"
    assert share(1 << 20) == "100 %" and share(52_429) == "5 %"


@pytest.mark.parametrize(
    ("floor", "said"),
    [("0.2", "every candidate at least 20 %,"), ("0.9", "or an equal part (1 of 2 if all may)")],
)
def test_a_floor_is_told_as_far_as_it_can_hold(floor: str, said: str, tmp_path: Path) -> None:
    choice = f"choice: {{policy: epsilon, floor: {floor}}}"
    placements = PLACEMENTS.replace("rank: 1", f"rank: 1, {choice}")
    assert said in listed(tmp_path, placements=placements).placements[0].policy


def test_economics_enumerations_and_months_are_listed(tmp_path: Path) -> None:
    rung = "rungs: [{id: pay, fee_percent: 2, months: 6}]"
    rule = "eligible: 'customer.tier == \"gold\" && has(cart.items)'"
    offers = offer_with("kind: financing", rung, rule, "redemption: {recheck: [cart.items]}")
    policy = listed(tmp_path, offers=offers)
    money = policy.economics
    assert (money.order_value, money.order_value_otherwise) == ("cart.total", "80.00")
    assert (money.margin, money.margin_percent, money.rounding) == ("", "40 %", "half up")
    attributes = {each.name: each for each in policy.attributes}
    assert attributes["customer.tier"].values == ["gold", "golden", "silver"]
    assert attributes["cart.total"].declared == "decimal, client, 0.00 to 5000.00"
    assert attributes["cart.items"].declared == "int, client"
    assert policy.offers[0].rungs[0].sizes == {"months": "6"}


def test_the_threshold_of_a_browser_s_bundle_is_listed(tmp_path: Path) -> None:
    public = ATTRIBUTES.replace("maximum: 5000}", "maximum: 5000, labels: [publishable]}", 1)
    public += "  cart.margin: {type: decimal, scale: 2, money: true, maximum: 900}\n"
    shop = SHOP.replace("margin_percent: 40", "margin_percent: 40\n    margin: cart.margin")
    size = "rungs: [{id: ten, percent: 10}]"
    offers = offer_with(size, "guardrails: {ceiling: 20.00}", "eligible: customer.is_new")
    folder = write_catalog(tmp_path, attributes=public, shop=shop, offers=offers)
    policy = list_policy(compile_catalog(folder, projection="browser").bundle)
    (offer,) = policy.offers
    assert offer.applicable == "!has(cart.total) || cart.total <= 200.04"
