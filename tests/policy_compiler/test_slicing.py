"""Slices of the browser's projection, and guardrails that became thresholds there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from edge.decision import tables as t
from edge.decision.rule import truth
from policy_compiler.carts import guards_of, slack_of
from policy_compiler.catalog import Guardrails, Placement
from policy_compiler.compiling import compile_catalog, compile_slices, compile_source
from policy_compiler.plan import Tiers
from policy_compiler.slicing import Page, UnknownSlice, pages_of
from policy_compiler.source import read_catalog
from policy_compiler.thresholds import admitted, without_guardrails
from policy_compiler.tree import Compare, Node, parts_of
from tests.policy_compiler.samples import ATTRIBUTES, SHOP, diagnose, offer_with, write_catalog

PLACES = """\
placements:
  hero: {title: H, rank: 1, pages: [home]}
  basket: {title: B, rank: 2, pages: [cart, checkout]}
  banner: {title: N, rank: 3}
  letter: {title: L, rank: 4, channel: email}
"""
EVERYWHERE = "placements: [hero, basket, banner]"
PUBLISHABLE = ATTRIBUTES.replace("maximum: 5000}", "maximum: 5000, labels: [publishable]}")


def placement(*pages: str, channel: str = "page") -> Placement:
    return Placement(title="", rank=1, pages=list(pages), channel=channel)  # type: ignore[arg-type]


def test_a_page_has_its_placements_and_those_that_stand_anywhere() -> None:
    found = pages_of({"a": placement("x"), "b": placement("x", "y"), "c": placement()})
    assert found == [Page("site", ("c",)), Page("x", ("a", "b", "c")), Page("y", ("b", "c"))]


def test_without_pages_everything_is_one_slice() -> None:
    assert pages_of({"a": placement(), "b": placement()}) == [Page("site", ("a", "b"))]
    assert pages_of({"a": placement("x")}) == [Page("x", ("a",))]
    assert pages_of({"a": placement(channel="email")}) == []


def test_each_slice_is_a_bundle_with_its_placements_only(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path, placements=PLACES, offers=offer_with(EVERYWHERE))
    slices = compile_slices(folder)
    assert {name: list(each.bundle.placement_rows) for name, each in slices.items()} == {
        "site": ["banner"],
        "home": ["banner", "hero"],
        "cart": ["banner", "basket"],
        "checkout": ["banner", "basket"],
    }
    assert all(each.bundle.head(t.HEAD_PROJECTION) == 1 for each in slices.values())
    assert slices["cart"].data == slices["checkout"].data
    assert b"hero" not in slices["cart"].data
    whole = compile_catalog(folder, projection="browser")
    assert list(whole.bundle.placement_rows) == ["banner", "basket", "hero"]


def test_an_unknown_slice_names_those_there_are(tmp_path: Path) -> None:
    source = read_catalog(write_catalog(tmp_path, placements=PLACES))
    with pytest.raises(UnknownSlice, match="there is: site, cart, checkout, home"):
        compile_source(source, projection="browser", slice="shelf")


def test_pages_have_names_and_are_named_once(tmp_path: Path) -> None:
    places = "placements:\n  hero: {title: H, rank: 1, pages: [home, Home Page, home]}\n"
    found = diagnose(write_catalog(tmp_path, placements=places))
    assert [(each.code, each.path) for each in found] == [
        ("P113", "placements.hero.pages[1]"),
        ("P314", "placements.hero.pages[2]"),
    ]


# --- thresholds -----------------------------------------------------------------------


def browser(folder: Path, *fields: str, attributes: str = PUBLISHABLE) -> tuple[list[str], str]:
    """Why offers are edge-only, and the applicable tier of the one that is not."""
    folder = write_catalog(folder, offers=offer_with(*fields), attributes=attributes)
    compiled = compile_catalog(folder, projection="browser")
    whys = [found.message for found in compiled.diagnostics if found.code == "P501"]
    tiers = compiled.plan.tiers.get("welcome", Tiers())
    return whys, "" if tiers.applicable is None else told(tiers.applicable)


def told(node: Node) -> str:
    return node.text or " ".join(told(part) for part in parts_of(node))


FLOOR = "guardrails: {margin_floor: 30.00}"
TEN = "rungs: [{id: ten, percent: 10}]"


def test_a_margin_floor_becomes_a_threshold_on_a_publishable_order_value(tmp_path: Path) -> None:
    """40 % margin less 10 %: 30.00 are left from 100.00 on, but for the rounding of cents."""
    whys, rule = browser(tmp_path, TEN, FLOOR)
    assert whys == []
    assert rule == "cart.total >= 100.00"


def test_a_floor_that_the_rule_ensures_needs_no_words(tmp_path: Path) -> None:
    whys, rule = browser(tmp_path, TEN, FLOOR, "eligible: cart.total >= 200.00")
    assert (whys, rule) == ([], "")


def test_without_the_label_it_stays_at_the_edge(tmp_path: Path) -> None:
    whys, _ = browser(tmp_path, TEN, FLOOR, attributes=ATTRIBUTES)
    assert whys == [
        "`welcome` is edge-only: its margin floor cannot be shown to hold for every cart, and"
        " `cart.total` is not labelled publishable."
    ]


def test_a_ceiling_is_proved_from_the_declared_maximum_or_ends_the_range(tmp_path: Path) -> None:
    assert browser(tmp_path / "a", TEN, "guardrails: {ceiling: 500.00}") == ([], "")
    rule = "cart.total <= 250.04"
    assert browser(tmp_path / "b", TEN, "guardrails: {ceiling: 25.00}") == ([], rule)


def test_a_visitor_without_a_cart_passes_only_if_the_typical_order_does(tmp_path: Path) -> None:
    fields = (TEN, "eligible: customer.is_new")
    _, rule = browser(tmp_path / "a", *fields, "guardrails: {margin_floor: 20.00}")
    assert rule.startswith("!has(cart.total) cart.total >= 66.")
    _, rule = browser(tmp_path / "b", *fields, FLOOR)
    assert rule == "cart.total >= 100.00"


def test_what_no_threshold_can_say_stays_at_the_edge(tmp_path: Path) -> None:
    stacks = browser(tmp_path / "a", TEN, FLOOR, "stackable: true")[0]
    assert len(stacks) == 1 and "margin floor" in stacks[0]
    never = browser(tmp_path / "b", TEN, "guardrails: {margin_floor: 4999.00}")[0]
    assert len(never) == 1


@pytest.mark.parametrize(("margin", "floor"), [(40, "30.00"), (50, "40.00"), (70, "60.00")])
def test_other_margins_and_floors_with_the_same_threshold_change_no_byte(
    margin: int, floor: str, tmp_path: Path
) -> None:
    def data(name: str, margin: int, floor: str) -> bytes:
        offers = offer_with(TEN, f"guardrails: {{margin_floor: {floor}}}")
        shop = SHOP.replace("margin_percent: 40", f"margin_percent: {margin}")
        folder = write_catalog(tmp_path / name, offers=offers, shop=shop, attributes=PUBLISHABLE)
        return compile_catalog(folder, projection="browser").data

    assert data("this", margin, floor) == data("that", 40, "30.00")
    assert data("other", margin, "11.00") != data("that", 40, "30.00")


limits = st.builds(
    Guardrails,
    ceiling=st.none() | st.integers(1, 400).map(Decimal),
    margin_floor=st.none() | st.integers(0, 900).map(Decimal),
    margin_floor_percent=st.none() | st.integers(0, 40).map(Decimal),
)


@settings(max_examples=40, deadline=None)
@given(limits, st.integers(1, 39), st.integers(0, 4000), st.integers(0, 500_000))
def test_a_cart_that_the_rule_lets_pass_keeps_every_guardrail(
    tmp_path_factory: pytest.TempPathFactory,
    limits: Guardrails,
    percent: int,
    least: int,
    anywhere: int,
) -> None:
    """At the boundary, one unit to both sides of it, and anywhere."""
    folder = tmp_path_factory.mktemp("catalog")
    offers = offer_with(f"rungs: [{{id: r, percent: {percent}}}]")
    catalog = read_catalog(write_catalog(folder, offers=offers, attributes=PUBLISHABLE)).catalog
    assert catalog is not None
    offer = msgspec.structs.replace(catalog.offers[0], guardrails=limits)
    tiers = Tiers(Compare(attribute="cart.total", op=">=", value=least * 100))
    public = without_guardrails(catalog, offer, tiers, catalog.attributes)
    carts = admitted(catalog, offer, tiers, catalog.attributes)
    slacks = [slack_of(offer, offer.rungs[0], guard, carts.till) for guard in guards_of(offer)]

    def kept(cents: int) -> bool:
        return all(slack(carts.box(cents * 10_000, cents * 10_000)).low >= 0 for slack in slacks)

    def lets(cents: int) -> bool:
        return public.rule is None or truth(public.rule, Cents(cents)) is True

    if public.refused:
        return
    ends = bounds(public.rule) if public.rule else [least * 100, 500_000]
    for value in {x + off for x in ends for off in (-1, 0, 1)} | {anywhere}:
        if least * 100 <= value <= 500_000 and lets(value):
            assert kept(value), value
    for end in ends if public.rule else []:
        outside = [v for v in (end - 1, end + 1) if not lets(v) and least * 100 <= v <= 500_000]
        assert all(not kept(v) for v in outside)


class Cents(Struct, frozen=True):
    """A cart of so many cents and nothing else known."""

    cents: int

    def value(self, attribute: str) -> int | None:
        return self.cents if attribute == "cart.total" else None

    def absent(self, attribute: str) -> bool:
        return attribute != "cart.total"


def bounds(rule: Node) -> list[int]:
    """The constants that the order value is compared with."""
    if isinstance(rule, Compare):
        return [int(rule.value)]
    return [value for part in parts_of(rule) for value in bounds(part)]
