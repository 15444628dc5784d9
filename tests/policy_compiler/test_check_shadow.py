"""Shadowed offers: claimed only where it is so; and the blame for rules that are never true."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import Diagnostic
from tests.policy_compiler.samples import diagnose, offer_with, write_catalog

LARGE = "rungs: [{id: six, percent: 6, expected_profit: 2.00}]"
SMALL = "rungs: [{id: five, percent: 5, expected_profit: 1.00}]"


def pair(large: tuple[str, ...], small: tuple[str, ...]) -> str:
    """Two offers, `large` before `small`; each with more fields."""
    texts = [
        offer_with(f"title: {name}", *fields).replace("id: welcome", f"id: {name}")
        for name, fields in (("large", (LARGE, *large)), ("small", (SMALL, *small)))
    ]
    return texts[0] + texts[1].replace("offers:\n", "")


def remarks(folder: Path, offers: str, **files: str) -> list[Diagnostic]:
    return list(compile_catalog(write_catalog(folder, offers=offers, **files)).diagnostics)


def shadows(folder: Path, offers: str, **files: str) -> list[str]:
    return [found.message for found in remarks(folder, offers, **files) if found.code == "P405"]


SHADOWED = ["`small` can never be shown: always beaten by `large` at hero."]


@pytest.mark.parametrize(
    ("large", "small"),
    [
        ((), ()),
        (("eligible: customer.is_new",), ("eligible: customer.is_new && cart.total > 5.00",)),
        (("guardrails: {ceiling: 999.00}",), ("guardrails: {margin_floor: 9.00}",)),
        (("window: {until: 2027-01-01}",), ("window: {until: 2026-12-31}",)),
    ],
)
def test_an_offer_that_another_always_beats(
    large: tuple[str, ...], small: tuple[str, ...], tmp_path: Path
) -> None:
    assert shadows(tmp_path, pair(large, small)) == SHADOWED


@pytest.mark.parametrize(
    ("large", "small"),
    [
        (("eligible: cart.total > 5.00",), ("eligible: customer.is_new",)),
        (("guardrails: {margin_floor: 25.00}",), ()),
        (("caps: [{count: 3}]",), ()),
        (("window: {until: 2026-12-31}",), ()),
        (("max_policy_age_s: 60",), ()),
        (("stackable: true",), ("stackable: true",)),
        (("paused: true",), ()),
        ((), ("without_identity: allow",)),
        (("scope: cart.other",), ()),
    ],
)
def test_nothing_is_claimed_where_the_other_may_be_missing(
    large: tuple[str, ...], small: tuple[str, ...], tmp_path: Path
) -> None:
    more = "attributes:\n  cart.other: {type: decimal, scale: 2, money: true, maximum: 10}\n"
    assert shadows(tmp_path, pair(large, small), more=more) == []


def test_stackable_offers_of_one_group_shadow_each_other(tmp_path: Path) -> None:
    fields = ("stackable: true", "group: g")
    groups = "groups:\n  g: {title: G}\n"
    assert shadows(tmp_path, pair(fields, fields), groups=groups) == SHADOWED


def test_where_choices_explore_or_read_the_visitor_nothing_is_shadowed(tmp_path: Path) -> None:
    places = "placements:\n  hero: {title: H, rank: 1, choice: {policy: epsilon}}\n"
    assert shadows(tmp_path / "a", pair((), ()), placements=places) == []
    places = "placements:\n  hero: {title: H, rank: 1, model: m}\n"
    models = (
        "models:\n  m:\n    link: identity\n    arms: {large: 2, small: 1}\n"
        "    terms: [{attribute: customer.is_new, role: arm, arms: {small: [0, 9, 0]}}]\n"
    )
    assert shadows(tmp_path / "b", pair((), ()), placements=places, models=models) == []


def test_a_shadow_at_one_of_two_placements_is_none(tmp_path: Path) -> None:
    places = "placements:\n  hero: {title: H, rank: 1}\n  foot: {title: F, rank: 2}\n"
    assert shadows(tmp_path, pair((), ("placements: [hero, foot]",)), placements=places) == []


# --- exclusivity and blame ----------------------------------------------------------


def test_offers_of_a_group_that_stack_differently_are_named(tmp_path: Path) -> None:
    offers = pair(("stackable: true", "group: g"), ("group: g",))
    found = remarks(tmp_path, offers, groups="groups:\n  g: {title: G}\n")
    (mixed,) = [each for each in found if each.code == "P406"]
    assert mixed.path == "offers[1].stackable"
    assert "`small`" in mixed.message and "`large`" in mixed.message and "hero" in mixed.message


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        (
            ("eligible: cart.items < 3 && customer.is_new && cart.items > 5",),
            "offers[0].eligible",
            "in the tier `eligible`, `cart.items < 3` and `cart.items > 5` exclude each other",
        ),
        (
            ("eligible: customer.is_new", "suitable: cart.items > 1 && !customer.is_new"),
            "offers[0].eligible",
            "in `eligible` and `suitable`, `customer.is_new` and `!customer.is_new` exclude",
        ),
        (
            ("eligible: cart.total > 1.00", "applicable: customer.is_new && false"),
            "offers[0].applicable",
            "in the tier `applicable`, `false` is never true",
        ),
        (
            ("eligible: cart.total > 6000.00",),
            "offers[0]",
            "its rule asks for a `cart.total` outside the declared range (any to 5000)",
        ),
    ],
)
def test_a_rule_that_is_never_true_names_the_parts_to_blame(
    fields: tuple[str, ...], path: str, words: str, tmp_path: Path
) -> None:
    offer = offer_with(*fields, "redemption: {recheck: [cart.items]}")
    (found,) = [each for each in remarks(tmp_path, offer) if each.code == "P402"]
    assert found.path == path
    assert words in found.message


# --- placeholders -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headline", "words"),
    [
        ("{percent} % off", None),
        ("{percent} % off, at most {cap}", "{cap} has no value for `welcome/five`"),
        ("{months} months", "{months} has no value for `welcome/five`, `welcome/ten`, of kind"),
        ("{percentage} % off", "There is no placeholder {percentage}."),
        ("Save {} { } {1}", None),
    ],
)
def test_placeholders_have_a_value_in_every_rung(
    headline: str, words: str | None, tmp_path: Path
) -> None:
    rungs = "rungs: [{id: five, percent: 5}, {id: ten, percent: 10, cap: 4.00}]"
    creative = f'creatives: {{hero: {{en-US: {{headline: "{headline}"}}}}}}'
    found = diagnose(write_catalog(tmp_path, offers=offer_with(rungs, creative)))
    assert [each.code for each in found] == (["P324"] if words else [])
    assert all(words in each.message for each in found if words)
