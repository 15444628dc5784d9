"""Integer bounds: what the compiler lets pass, the edge's reader accepts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import CatalogRefused
from tests.policy_compiler.samples import ATTRIBUTES, PLACEMENTS, SHOP, offer_with, write_catalog


def refusal(folder: Path, **files: str) -> list[tuple[str, str, str]]:
    """Codes, paths and messages of the errors."""
    with pytest.raises(CatalogRefused) as caught:
        compile_catalog(write_catalog(folder, **files))
    errors = [each for each in caught.value.diagnostics if each.severity == "error"]
    return [(each.code, each.path, each.message) for each in errors]


def total_of(maximum: str) -> str:
    return ATTRIBUTES.replace("maximum: 5000}", f"maximum: {maximum}}}")


def test_a_percentage_of_too_large_a_cart_names_the_largest_safe_one(tmp_path: Path) -> None:
    found = refusal(tmp_path / "one", attributes=total_of("300000000"))
    assert found == [
        (
            "P404",
            'attributes["cart.total"]',
            "`cart.total` may reach 300000000.00, and 40 % (the shop's margin) of it leaves the"
            " exact range; the largest safe number is 225179981.36.",
        )
    ]


def test_the_largest_safe_cart_is_safe_and_a_cent_more_is_not(tmp_path: Path) -> None:
    ((_, path, message),) = refusal(tmp_path / "one", attributes=total_of("90000000"))
    assert path == 'attributes["cart.total"]'
    assert "1088 costs of 40 % (the shop's margin)" in message
    safe = Decimal(message.rsplit(" ", 1)[1].rstrip("."))
    compile_catalog(write_catalog(tmp_path / "safe", attributes=total_of(f"{safe}")))
    over = safe + Decimal("0.10")
    assert refusal(tmp_path / "over", attributes=total_of(f"{over}"))[0][0] == "P404"


def test_costs_that_could_fill_a_page_name_the_rung(tmp_path: Path) -> None:
    dear = offer_with("kind: gift", "rungs: [{id: car, unit_cost: 9000000}]")
    ((code, path, message),) = refusal(tmp_path / "one", offers=dear)
    assert (code, path) == ("P404", "offers[0].rungs[0]")
    assert "`welcome/car`" in message
    safe = message.rsplit(" ", 1)[1].rstrip(".")
    fitting = offer_with("kind: gift", f"rungs: [{{id: car, unit_cost: {safe}}}]")
    compile_catalog(write_catalog(tmp_path / "two", offers=fitting))


def test_a_logistic_model_over_large_carts_names_model_and_number(tmp_path: Path) -> None:
    models = "models:\n  m: {link: logistic}\n"
    places = PLACEMENTS.replace("rank: 1", "rank: 1, model: m")
    ((code, path, message),) = refusal(
        tmp_path, models=models, placements=places, attributes=total_of("5000000"),
        shop=SHOP + "  score_unit: 0.00001\n",
    )  # fmt: skip
    assert (code, path) == ("P404", 'attributes["cart.total"]')
    assert "model `m`" in message and "the largest safe number is 1374389.53" in message


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        (("rungs: [{id: r, percent: 5, depth: 300}]",), "offers[0].rungs[0].depth", "at most 256"),
        (
            ("rungs: [{id: r, percent: 5, expected_cost: 20000}]",),
            "offers[0].rungs[0].expected_cost",
            "at most 16777.216",
        ),
        (
            ("kind: financing", "rungs: [{id: r, months: 3, fee_percent: 99, risk_percent: 9}]"),
            "offers[0].rungs[0]",
            "108 % of the cart; at most 104.8576 %",
        ),
        (
            ("kind: points", "rungs: [{id: r, points: 1000000000, point_value: 900000000}]"),
            "offers[0].rungs[0]",
            "`welcome/r` costs",
        ),
    ],
)
def test_numbers_that_no_column_holds_are_named(
    fields: tuple[str, ...], path: str, words: str, tmp_path: Path
) -> None:
    ((code, where, message),) = refusal(tmp_path, offers=offer_with(*fields))
    assert (code, where) == ("P404", path)
    assert words in message


def test_weights_name_model_term_and_largest_number(tmp_path: Path) -> None:
    models = (
        "models:\n  m:\n    link: identity\n    constant: -99999\n"
        "    arms: {welcome: 50000}\n"
        "    terms: [{attribute: customer.is_new, weights: [1, 20000, 3]}]\n"
    )
    found = refusal(tmp_path, models=models)
    assert [path for _, path, _ in found] == [
        "models.m.constant",
        "models.m.arms",
        "models.m.terms[0].weights[1]",
    ]
    assert all("at most 16777.216" in message for _, _, message in found)
    assert "`customer.is_new`" in found[2][2] and "`welcome`" in found[1][2]


def test_too_strong_a_gamma_names_the_placement(tmp_path: Path) -> None:
    choice = "choice: {policy: inverse_gap, gamma: 100}"
    places = PLACEMENTS.replace("rank: 1", f"rank: 1, {choice}")
    ((code, path, message),) = refusal(tmp_path, placements=places)
    assert (code, path) == ("P404", "placements.hero.choice.gamma")
    assert "at most 62.5" in message


def test_sums_of_wide_numbers_name_their_parts(tmp_path: Path) -> None:
    more = "  cart.seen: {type: int, derived: {difference: [cart.items, cart.left]}}\n"
    more += "  cart.left: {type: int}\n"
    offer = offer_with("eligible: cart.seen > 3 && cart.total > 1.00", "token: false")
    compile_catalog(write_catalog(tmp_path, attributes=ATTRIBUTES + more, offers=offer))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 1_000_000_000),
    st.integers(0, 100),
    st.integers(1, 100),
    st.integers(0, 20_000_000),
    st.booleans(),
)
def test_nothing_is_left_for_the_reader_to_refuse(
    tmp_path_factory: pytest.TempPathFactory,
    most: int,
    margin: int,
    percent: int,
    gift: int,
    logistic: bool,
) -> None:
    folder = tmp_path_factory.mktemp("catalog")
    models = f"models:\n  m: {{link: {'logistic' if logistic else 'identity'}}}\n"
    offers = offer_with(f"rungs: [{{id: r, percent: {percent}}}]")
    offers += (
        offer_with("kind: gift", f"rungs: [{{id: g, unit_cost: {gift}}}]")
        .replace("offers:\n", "")
        .replace("id: welcome", "id: present")
    )
    files = {
        "shop": SHOP.replace("margin_percent: 40", f"margin_percent: {margin}"),
        "attributes": total_of(str(most)),
        "placements": PLACEMENTS.replace("rank: 1", "rank: 1, model: m"),
        "models": models,
        "offers": offers,
    }
    try:
        compile_catalog(write_catalog(folder, **files))
    except CatalogRefused as refused:
        errors = {each.code for each in refused.diagnostics if each.severity == "error"}
        assert errors == {"P404"}
        assert most > 1000 or gift > 1000
