"""Differences between policies, in the words that a merchant uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_compiler.compiling import compile_catalog
from policy_compiler.diff import Change, Difference, diff
from tests.policy_compiler.samples import ATTRIBUTES, FILES, PLACEMENTS, offer_with, write_catalog
from tests.support.parts import ROOT

OPEN = "token: false"
"""Rules of these samples may then rest on what a page claims."""
BASE = offer_with(OPEN, "redemption: {recheck: [cart.total]}")


def compared(tmp_path: Path, before: dict[str, str], after: dict[str, str]) -> Difference:
    """The sample catalog in two versions."""
    old = compile_catalog(write_catalog(tmp_path / "old", **{"offers": BASE, **before}))
    new = compile_catalog(write_catalog(tmp_path / "new", **{"offers": BASE, **after}))
    return diff(old.bundle, new.bundle)


def told(found: list[Change]) -> list[str]:
    return [f"{each.subject}: {each.what}: {each.text}" for each in found]


def of_offers(tmp_path: Path, before: str, after: str) -> list[Change]:
    return compared(tmp_path, {"offers": before}, {"offers": after}).changes


def rule(text: str) -> str:
    return offer_with(OPEN, f"eligible: '{text}'", offer=BASE)


def test_a_policy_is_the_same_as_itself(tmp_path: Path) -> None:
    found = compared(tmp_path, {}, {})
    assert found.changes == []
    assert found.before == found.after and found.size_before_bytes == found.size_after_bytes


def test_comments_and_file_names_are_no_difference(tmp_path: Path) -> None:
    old = compile_catalog(write_catalog(tmp_path / "old"))
    whole = "# all in one file\n" + "".join(FILES.values())
    gone = dict.fromkeys((name.removesuffix(".yaml") for name in FILES), None)
    new = compile_catalog(write_catalog(tmp_path / "new", **{**gone, "whole": whole}))
    assert diff(old.bundle, new.bundle).changes == []


# --- who is eligible ----------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("cart.total >= 50.00", "cart.total >= 30.00", "widened"),
        ("cart.total >= 30.00", "cart.total >= 50.00", "narrowed"),
        ("cart.total >= 50.00", "cart.total >= 50.00 || customer.is_new", "widened"),
        ("cart.total >= 50.00", "cart.total >= 50.00 && customer.is_new", "narrowed"),
        ("cart.total >= 50.00", "cart.total <= 50.00", "changed"),
        ("cart.total >= 50.00", "cart.items >= 5", "changed"),
        ('customer.tier == "gold"', 'customer.tier in ["gold", "silver"]', "widened"),
        ('!("staff" in customer.segments)', 'has(customer.segments)', "widened"),
        ("cart.total >= 50.00", "has(cart.total)", "widened"),
        ("customer.is_new", "customer.is_new ? cart.total > 1.00 : cart.total > 5.00", "changed"),
    ],
)  # fmt: skip
def test_rules_that_are_provably_wider_or_narrower_are_called_so(
    old: str, new: str, what: str, tmp_path: Path
) -> None:
    changes = of_offers(tmp_path, rule(old), rule(new))
    (found,) = [each for each in changes if each.subject == "offer welcome"]
    assert found.what == what
    assert found.before in ("", old) and (found.after == new or found.after in new)


def test_the_parts_of_a_rule_that_changed_are_told_and_no_others(tmp_path: Path) -> None:
    old = rule('customer.is_new && cart.total >= 50.00 && geo.country == "US"')
    new = rule('customer.is_new && cart.total >= 40.00 && geo.country == "US"')
    assert told(of_offers(tmp_path, old, new)) == [
        "offer welcome: widened: more may get it;"
        " no longer asks: cart.total >= 50.00; now asks: cart.total >= 40.00"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("customer.is_new && cart.total >= 50.00", "cart.total >= 50.00 && customer.is_new"),
        ("!(cart.total < 50.00)", "cart.total >= 50.00"),
    ],
)
def test_a_rule_in_other_words_is_no_change_of_who_may_get_it(
    old: str, new: str, tmp_path: Path
) -> None:
    changes = of_offers(tmp_path, rule(old), rule(new))
    assert [each.what for each in changes] == ["changed"]
    assert "same meaning" in changes[0].text


def test_an_attribute_of_another_scale_is_never_called_wider(tmp_path: Path) -> None:
    other = ATTRIBUTES.replace("cart.items: {type: int}", "cart.items: {type: decimal, scale: 1}")
    old, new = rule("cart.items >= 5"), rule("cart.items >= 5.0")
    found = compared(tmp_path, {"offers": old}, {"offers": new, "attributes": other})
    kinds = {each.what for each in found.changes if each.subject == "offer welcome"}
    assert kinds == {"changed"}


# --- everything else ----------------------------------------------------------

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "a larger size": (
        {"offers": offer_with("rungs: [{id: ten, percent: 12, cap: 40.00}]", offer=BASE)},
        ["offer welcome: changed: size ten costs: 10 % of cart.total, at most 40.00"
         " -> 12 % of cart.total, at most 40.00"],
    ),
    "a cap": (
        {"offers": offer_with("caps: [{count: 3, period_s: 86400}]", offer=BASE)},
        ["offer welcome: added: cap now: shown at most 3 times in 1 day"],
    ),
    "a guardrail": (
        {"offers": offer_with("guardrails: {ceiling: 30.00}", offer=BASE)},
        ["offer welcome: added: size ten guardrail now: never costs more than 30.00"],
    ),
    "a window": (
        {"offers": offer_with("window: {start: 2026-12-01T00:00:00}", offer=BASE)},
        ["offer welcome: changed: window: ever until ever -> 2026-12-01T05:00Z until ever"],
    ),
    "a pause": (
        {"offers": offer_with("paused: true", offer=BASE)},
        ["offer welcome: changed: paused"],
    ),
    "a text": (
        {"offers": BASE.replace("headline: Welcome", "headline: Hello")},
        ["offer welcome: changed: text hero/en-US headline: Welcome -> Hello"],
    ),
    "a redemption limit": (
        {"offers": offer_with("redemption: {recheck: [cart.total], total: 500}", offer=BASE)},
        ["offer welcome: added: redemption now: at most 500 in all"],
    ),
    "a holdout": (
        {"placements": PLACEMENTS.replace("rank: 1", "rank: 1, holdout: {share: 0.1}")},
        ["placement hero: changed: holdout: none -> 10 % of visitors"],
    ),
    "a policy": (
        {"placements": PLACEMENTS.replace("rank: 1", "rank: 1, choice: {policy: epsilon}")},
        ["placement hero: changed: policy: always the best"
            " -> the best, but 10 % of the time any candidate, drawn anew every 1 day"],
    ),
    "a salt": (
        {"placements": PLACEMENTS.replace("rank: 1", 'rank: 1, choice: {salt: "2"}')},
        ["placement hero: changed: choice salt: 1 -> 2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("after", "wanted"), CASES.values(), ids=CASES)
def test_each_kind_of_change_is_told(
    after: dict[str, str], wanted: list[str], tmp_path: Path
) -> None:
    assert told(compared(tmp_path, {}, after).changes) == wanted


def test_what_no_listing_shows_is_told_as_the_columns_that_differ(tmp_path: Path) -> None:
    shop = FILES["shop.yaml"] + "  horizon_years: 4\n"
    (found,) = compared(tmp_path, {}, {"shop": shop}).changes
    assert (found.subject, found.what) == ("bundle", "changed") and "head" in found.text


def test_offers_and_sizes_that_come_and_go_are_told(tmp_path: Path) -> None:
    two = BASE.replace("{id: ten, percent: 10, cap: 40.00}", "{id: five, percent: 5}")
    another = BASE.replace("id: welcome", "id: another").replace("offers:\n", "")
    found = told(of_offers(tmp_path, BASE, two + another))
    assert any(each.startswith("offer another: added: Ten percent off") for each in found)
    assert "offer welcome: added: size five added: costs 5 % of cart.total" in found
    assert any(each.startswith("offer welcome: removed: size ten removed") for each in found)
    back = told(of_offers(tmp_path, two + another, BASE))
    assert any(each.startswith("offer another: removed") for each in back)


def test_weights_that_moved_are_told(tmp_path: Path) -> None:
    def allocation(none: int, ten: int) -> str:
        row = f"{{none: {none}, welcome/ten: {ten}}}"
        choice = f"choice: {{policy: allocation, allocation: {{'*': {row}}}}}"
        return PLACEMENTS.replace("rank: 1", f"rank: 1, {choice}")

    found = compared(tmp_path, {"placements": allocation(1, 1)}, {"placements": allocation(1, 3)})
    assert told(found.changes) == [
        "placement hero: moved: share of none for everybody: 50 % -> 25 %",
        "placement hero: moved: share of welcome/ten for everybody: 50 % -> 75 %",
    ]


def test_the_weights_of_a_model_that_moved_are_told(tmp_path: Path) -> None:
    def model(constant: str, weight: str) -> str:
        term = f"{{attribute: cart.items, cuts: [3], role: base, weights: [0, {weight}, 0]}}"
        arms = f"arms: {{welcome: {constant}}}"
        return f"models: {{m: {{link: logistic, {arms}, terms: [{term}]}}}}\n"

    placements = PLACEMENTS.replace("rank: 1", "rank: 1, model: m")
    old = {"placements": placements, "models": model("0.5", "1")}
    new = {"placements": placements, "models": model("0.75", "2")}
    assert told(compared(tmp_path, old, new).changes) == [
        "model of hero: moved: weight of welcome/ten: 0.5 -> 0.75",
        "model of hero: moved: weights of cart.items (below 3, from 3, unknown) as base"
        " for all arms: 0, 1, 0 -> 0, 2, 0",
    ]


@pytest.mark.parametrize("example", ["store", "grocer"])
def test_the_edge_s_and_the_browser_s_projection_differ(example: str) -> None:
    folder = ROOT / "examples" / example / "catalog"
    edge, browser = (compile_catalog(folder, projection=p).bundle for p in ("edge", "browser"))
    found = diff(edge, browser)
    assert "shop: changed: projection: edge -> browser" in told(found.changes)
    assert found.size_after_bytes == browser.size_bytes
