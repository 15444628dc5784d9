"""The example catalog is what its README says, and fits the shop that uses it."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from edge.decision.decide import verdict_on
from edge.decision.manifest import ManifestBlock
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_fields
from examples.store.shop.cart import cart_of
from examples.store.shop.context import Attributes, attributes_of
from examples.store.shop.personas import PERSONAS
from examples.store.shop.products import CATEGORIES, PRODUCTS
from examples.store.shop.session import Session
from policy_compiler.catalog import Catalog, Creative, Offer, Rung
from policy_compiler.compiling import Compiled, compile_catalog
from policy_compiler.source import read_catalog
from tests.support.parts import ROOT

STORE = ROOT / "examples" / "store"
KINDS = {"percent", "fixed", "bundle", "gift", "shipping", "points", "financing"}
HOST = "https://shop.quillmoor.example"
NOW_S = 1_795_000_000


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_catalog(STORE / "catalog")


def reach(
    compiled: Compiled,
    placement: str,
    attributes: Attributes,
    customer: str = "",
    consent: str = "full",
) -> dict[str, int]:
    """The arms that could be drawn there, with their tickets."""
    bundle = compiled.bundle
    fields = {
        "visitor": "v-1", "customer": customer, "nonce": "n-1", "consent": consent,
        "now_s": NOW_S, "placements": [placement], "attributes": dict(attributes), "state": {},
    }  # fmt: skip
    manifest = ManifestBlock(digest=bytes(32), issued_s=NOW_S, expires_s=NOW_S + 86400)
    asked = {name: value for name, value in fields.items() if value != ""}
    request = unpack_request(encode_fields(bundle, asked).data)
    (row,) = verdict_on(bundle, manifest, request)
    return {bundle.arm_name(arm): tickets for arm, tickets in row.ghost.listed}


def known(persona: str, cart: dict[str, int] | None = None, age_s: int = 60) -> Attributes:
    """What the shop says of this persona with this cart."""
    session = Session(NOW_S, persona=persona, pages=4)
    return attributes_of(session, cart_of(cart or {}, NOW_S - age_s), None, NOW_S)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    source = read_catalog(STORE / "catalog")
    assert not source.diagnostics
    assert source.catalog is not None
    return source.catalog


def offer_of(catalog: Catalog, id: str) -> Offer:
    (offer,) = [offer for offer in catalog.offers if offer.id == id]
    return offer


def creatives(catalog: Catalog) -> list[Creative]:
    return [
        creative
        for offer in catalog.offers
        for by_locale in offer.creatives.values()
        for creative in by_locale.values()
    ]


def test_it_is_as_large_as_a_believable_shop(catalog: Catalog) -> None:
    assert len(catalog.attributes) >= 24
    assert len(catalog.offers) >= 25
    assert {offer.kind for offer in catalog.offers} == KINDS
    policies = {name: each.choice.policy for name, each in catalog.placements.items()}
    assert policies == {
        "home_hero": "allocation",
        "cart_banner": "epsilon",
        "checkout_upsell": "inverse_gap",
        "weekly_email": "greedy",
    }


def test_every_offer_speaks_both_languages_on_each_of_its_placements(catalog: Catalog) -> None:
    for offer in catalog.offers:
        assert set(offer.creatives) == set(offer.placements), offer.id
        assert all(set(each) == {"en", "de"} for each in offer.creatives.values()), offer.id


def test_pictures_and_links_of_creatives_exist_in_the_shop(catalog: Catalog) -> None:
    pages = {"/", "/cart", "/checkout"}
    pages |= {f"/range/{category}" for category in CATEGORIES}
    pages |= {f"/product/{product}" for product in PRODUCTS}
    for creative in creatives(catalog):
        assert creative.href.removeprefix(HOST) in pages
        assert (STORE / "shop" / creative.image.removeprefix(HOST).lstrip("/")).is_file()


def test_letters_link_to_the_allowed_host_and_pages_to_themselves(catalog: Catalog) -> None:
    for offer in catalog.offers:
        for placement, by_locale in offer.creatives.items():
            email = catalog.placements[placement].channel == "email"
            for creative in by_locale.values():
                assert creative.href.startswith(f"{HOST}/" if email else "/")
                assert creative.image.startswith(f"{HOST}/" if email else "/")


def test_the_first_purchase_incentive_lives_fourteen_days_and_once(catalog: Catalog) -> None:
    offer = offer_of(catalog, "welcome-first-order")
    assert offer.expires_after_s == 14 * 86400
    assert (offer.redemption.per_customer, offer.redemption.period_s) == (1, 0)


def test_cart_recovery_respects_margin_and_high_return_goods(catalog: Catalog) -> None:
    offer = offer_of(catalog, "cart-recovery")
    assert offer.guardrails.margin_floor is not None
    assert "age_s(cart.updated_at)" in (offer.applicable or "")
    assert "rules.low_return_cart" in (offer.eligible or "")
    assert '!("rugs" in cart.categories)' in catalog.rules["low_return_cart"]


def test_financing_starts_at_a_basket_threshold(catalog: Catalog) -> None:
    offer = offer_of(catalog, "checkout-financing")
    assert offer.purpose == "financing"
    assert "cart.total >= 120.00" in (offer.applicable or "")


def test_the_tier_booster_is_close_to_a_tier_and_once_a_year(catalog: Catalog) -> None:
    offer = offer_of(catalog, "tier-booster")
    assert "loyalty.next_tier_points - loyalty.points <= 200" in (offer.applicable or "")
    assert (offer.redemption.per_customer, offer.redemption.period_s) == (1, 31_536_000)


def test_no_rule_reads_what_is_protected(catalog: Catalog) -> None:
    rules = list(catalog.rules.values())
    rules += [r for o in catalog.offers for r in (o.eligible, o.applicable, o.suitable) if r]
    assert "protected" in catalog.attributes["customer.age_band"].labels
    assert not [rule for rule in rules if "age_band" in rule]


def test_the_hero_starts_even_and_names_only_arms_that_stand_there(catalog: Catalog) -> None:
    hero = catalog.placements["home_hero"].choice
    assert hero.allocation is not None
    there = {
        f"{o.id}/{rung.id}"
        for o in catalog.offers
        if "home_hero" in o.placements
        for rung in o.rungs
    }
    assert set(hero.allocation) == {*(catalog.attributes[hero.segment or ""].values or ()), "*"}
    for weights in hero.allocation.values():
        assert set(weights.values()) == {100}
        assert "none" in weights
        assert set(weights) - {"none"} <= there


def test_the_shop_sends_only_attributes_that_the_catalog_declares(catalog: Catalog) -> None:
    cart = cart_of({"fig-candle": 1, "wool-rug": 1}, NOW_S)
    for persona in PERSONAS:
        session = Session(NOW_S, persona=persona)
        sent = attributes_of(session, cart, PRODUCTS["fig-candle"], NOW_S)
        assert set(sent) <= set(catalog.attributes)
        for name, value in sent.items():
            allowed = catalog.attributes[name].values
            said = value if isinstance(value, list) else [value]
            assert allowed is None or set(said) <= set(allowed), name


def size_of(rung: Rung) -> str:
    """The size of a rung as the shop's style sheet prints it."""
    if rung.percent is not None:
        return f"−{rung.percent} %"
    if rung.amount is not None and rung.amount == rung.amount.to_integral_value():
        return f"−{int(rung.amount)} €"
    if rung.points is not None:
        return f"+{rung.points}"
    if rung.points_per_unit is not None:
        return f"{rung.points_per_unit + Decimal(1)} ×"
    return f"{rung.months} months" if rung.months and rung.months > 1 else ""


def test_the_style_sheet_prints_the_size_that_a_rung_really_has(catalog: Catalog) -> None:
    style = Path(STORE / "shop" / "static" / "shop.css").read_text()
    printed = dict(re.findall(r'\[data-rung="(\w+)"\] \{ --size: "(.+?)"; \}', style))
    for offer in catalog.offers:
        if set(offer.placements) == {"weekly_email"}:
            continue
        for rung in offer.rungs:
            assert printed.get(rung.id, "") == size_of(rung), f"{offer.id}/{rung.id}"


# --- what its visitors get ------------------------------------------------------


def test_it_compiles_with_notes_at_most(compiled: Compiled) -> None:
    assert [found for found in compiled.diagnostics if found.severity != "note"] == []


def test_a_few_offers_of_the_home_page_may_be_decided_in_a_browser() -> None:
    bundle = compile_catalog(STORE / "catalog", projection="browser").bundle
    assert set(bundle.arm_rows) == {"none", "herb-bundle/set", "double-points/x2"}


@pytest.mark.parametrize(
    ("persona", "arms"),
    [
        ("new", {"welcome-first-order/p10", "welcome-first-order/p15"}),
        ("returning", {"thank-you-back/a5", "thank-you-back/a10"}),
        ("bargain", {"bargain-clearance/p20"}),
        ("loyal", {"tier-booster/b100", "tier-booster/b200", "double-points/x2"}),
    ],
)
def test_every_persona_has_a_few_arms_of_its_own_on_the_home_page_at_even_odds(
    compiled: Compiled, persona: str, arms: set[str]
) -> None:
    for_all = {"none", "herb-bundle/set", "free-delivery/standard"}
    tickets = reach(compiled, "home_hero", known(persona))
    assert set(tickets) == arms | for_all
    assert max(tickets.values()) - min(tickets.values()) < len(tickets)


def test_somebody_of_whom_nothing_is_known_can_be_welcomed(compiled: Compiled) -> None:
    assert "welcome-first-order/p10" in reach(compiled, "home_hero", {})


def test_without_consent_to_personal_data_only_impersonal_offers_remain(
    compiled: Compiled,
) -> None:
    tickets = reach(compiled, "home_hero", known("loyal"), consent="contextual")
    assert set(tickets) <= {"none", "herb-bundle/set", "free-delivery/standard"}
    assert "herb-bundle/set" in tickets


TWO_DAYS_S = 2 * 86400
BOWLS = {"stoneware-bowls": 1, "fig-candle": 1}


def test_a_cart_left_behind_is_recovered_and_one_with_a_rug_is_not(compiled: Compiled) -> None:
    tickets = reach(compiled, "cart_banner", known("returning", BOWLS, TWO_DAYS_S))
    assert max(tickets, key=lambda arm: tickets[arm]).startswith("cart-recovery/")
    for attributes in (
        known("returning", BOWLS, 600),
        known("returning", {"wool-rug": 1}, TWO_DAYS_S),
    ):
        assert not [arm for arm in reach(compiled, "cart_banner", attributes) if "recovery" in arm]


def test_recovery_stops_where_the_margin_would(compiled: Compiled) -> None:
    thin = known("returning", BOWLS, TWO_DAYS_S) | {"cart.margin": "16.00"}
    assert not [arm for arm in reach(compiled, "cart_banner", thin) if "recovery" in arm]


def test_financing_is_offered_from_the_threshold_on_and_only_with_the_partners_yes(
    compiled: Compiled,
) -> None:
    table = {"oak-side-table": 1}
    assert "checkout-financing/m3" in reach(compiled, "checkout_upsell", known("loyal", table))
    below = reach(compiled, "checkout_upsell", known("loyal", {"halo-pendant": 1}))
    unasked = reach(compiled, "checkout_upsell", known("bargain", table))
    assert not [arm for arm in {**below, **unasked} if arm.startswith("checkout-financing")]


def test_the_booster_ends_when_the_tier_is_far_or_reached(compiled: Compiled) -> None:
    for points in (1799, 2000):
        attributes = known("loyal") | {"loyalty.points": points}
        assert "tier-booster/b200" not in reach(compiled, "home_hero", attributes)
    assert "tier-booster/b200" in reach(
        compiled, "home_hero", known("loyal") | {"loyalty.points": 1800}
    )


def test_the_letter_waits_until_the_customer_is_known(compiled: Compiled) -> None:
    assert reach(compiled, "weekly_email", known("loyal")) == {}
    assert reach(compiled, "weekly_email", known("loyal"), customer="c-1")
