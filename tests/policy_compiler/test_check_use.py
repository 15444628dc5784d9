"""Protected attributes, purposes, and claims that must be checked again."""

from __future__ import annotations

from pathlib import Path

from tests.policy_compiler.samples import (
    ATTRIBUTES,
    PLACEMENTS,
    codes,
    found_in,
    offer_with,
    told,
    with_offer,
)


def test_protected_attributes_decide_nothing(tmp_path: Path) -> None:
    rule = 'customer.religion == "any"'
    attributes = ATTRIBUTES.replace(
        "cart.updated_at: {type: timestamp,",
        "cart.updated_at: {type: timestamp, labels: [protected],",
    )
    found = found_in(
        tmp_path,
        attributes=attributes,
        rules=f"rules: {{odd: '{rule}'}}",
        models="models: {m: {link: identity, terms: [{attribute: customer.is_new,"
        " cross: customer.religion, weights: [1, 2, 3, 4, 5, 6]}]}}",
        placements=PLACEMENTS.replace(
            "rank: 1", "rank: 1, choice: {policy: allocation, segment: customer.religion}"
        ),
        offers=offer_with("eligible: rules.odd", "suitable: age_s(cart.updated_at) > 5"),
    )
    assert told(found) == [
        ("P307", "models.m.terms[0].cross"),
        ("P307", "offers[0].eligible"),
        ("P307", "offers[0].suitable"),
        ("P307", "placements.hero.choice.segment"),
        ("P307", "rules.odd"),
    ]


def test_attributes_serve_their_purpose_only(tmp_path: Path) -> None:
    placements = PLACEMENTS.replace("rank: 1", "rank: 1, model: m")
    models = "models: {m: {link: identity, terms: [{attribute: customer.birth_month,"
    models += " weights: [1, 2]}], arms: {}}}"
    offers = offer_with("eligible: customer.birth_month == 5")
    found = found_in(tmp_path, placements=placements, models=models, offers=offers)
    assert told(found) == [
        ("P308", "models.m.terms[0].attribute"),
        ("P308", "offers[0].eligible"),
    ]
    birthday = offer_with("eligible: customer.birth_month == 5", "purpose: birthday")
    assert found_in(tmp_path, placements=placements, models=models, offers=birthday) == []


def test_a_derived_attribute_has_the_purposes_that_all_its_operands_allow(tmp_path: Path) -> None:
    attributes = ATTRIBUTES + (
        "  a.x: {type: int, source: signed, purpose: [birthday]}\n"
        "  a.y: {type: int, source: signed, purpose: [marketing]}\n"
    )
    offers = offer_with("eligible: a.x - a.y > 0", "purpose: birthday")
    found = found_in(tmp_path, attributes=attributes, offers=offers)
    assert codes(found) == ["P308"]
    assert any("`a.y` may serve marketing" in each.message for each in found)


def test_claims_of_the_page_must_be_checked_again(tmp_path: Path) -> None:
    rule = "eligible: cart.items > 3 && cart.discount > 1.0 && customer.is_new"
    assert with_offer(tmp_path, rule) == [("P309", "offers[0].eligible")] * 2
    recheck = "redemption: {recheck: [cart.items]}"
    assert with_offer(tmp_path, rule, recheck) == [("P309", "offers[0].eligible")]
    recheck = "redemption: {recheck: [cart.items, cart.discount]}"
    assert with_offer(tmp_path, rule, recheck) == []


def test_what_redemption_computes_anyway_needs_no_recheck(tmp_path: Path) -> None:
    assert with_offer(tmp_path, "eligible: cart.total > 5.0") == []
    attributes = ATTRIBUTES + "  cart.toys: {type: decimal, scale: 2, money: true, maximum: 5}\n"
    offers = offer_with("eligible: cart.toys > 1.0", "scope: cart.toys")
    assert found_in(tmp_path, attributes=attributes, offers=offers) == []
    offers = offer_with("eligible: cart.toys > 1.0")
    assert codes(found_in(tmp_path, attributes=attributes, offers=offers)) == ["P309"]


def test_a_recheck_may_name_what_was_derived_or_what_it_is_derived_from(tmp_path: Path) -> None:
    rule = "eligible: cart.total - cart.discount > 5.0"
    assert with_offer(tmp_path, rule) == [("P309", "offers[0].eligible")]
    assert with_offer(tmp_path, rule, "redemption: {recheck: [cart.discount]}") == []
    recheck = 'redemption: {recheck: ["cart.total - cart.discount"]}'
    assert with_offer(tmp_path, rule, recheck) == []


def test_an_offer_without_token_may_rest_on_claims(tmp_path: Path) -> None:
    assert with_offer(tmp_path, "eligible: cart.items > 3", "token: false") == []


def test_a_finding_points_into_the_rule(tmp_path: Path) -> None:
    rule = "eligible: customer.is_new && cart.total >= 5.00 && cart.items > 3"
    (found,) = found_in(tmp_path, offers=offer_with(rule))
    assert (found.code, found.line, found.column) == ("P309", 8, 5 + rule.index("cart.items"))
