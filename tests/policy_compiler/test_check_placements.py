"""Placements, how they choose, and the models that score for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy_compiler.samples import PLACEMENTS, found_in, told


def with_placement(tmp_path: Path, text: str, **files: str) -> list[tuple[str, str]]:
    """A further placement `p`."""
    return told(found_in(tmp_path, placements=f"{PLACEMENTS}  p: {{{text}}}\n", **files))


def with_term(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    return told(
        found_in(tmp_path, models=f"models: {{m: {{link: logistic, terms: [{{{text}}}]}}}}")
    )


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("slots: 0", "P305", ".slots"),
        ("slots: 17", "P305", ".slots"),
        ("box: {width: 0, height: 5}", "P305", ".box.width"),
        ("holdout: {share: 1.5}", "P305", ".holdout.share"),
        ('holdout: {salt: ""}', "P323", ".holdout.salt"),
        ("model: nothing", "P301", ".model"),
        ("choice: {epsilon: 2}", "P305", ".choice.epsilon"),
        ("choice: {floor: -0.1}", "P305", ".choice.floor"),
        ("choice: {gamma: -1}", "P305", ".choice.gamma"),
        ("choice: {explore_loss: -1}", "P305", ".choice.explore_loss"),
        ("choice: {epoch_s: 0}", "P305", ".choice.epoch_s"),
        ("choice: {segment: customer.tier}", "P322", ".choice.segment"),
        ("choice: {policy: allocation, segment: cart.gone}", "P301", ".choice.segment"),
        ("choice: {policy: allocation, segment: cart.total}", "P322", ".choice.segment"),
        ('choice: {allocation: {"*": {none: 1}}}', "P322", ".choice.allocation"),
        (
            "choice: {policy: allocation, allocation: {gold: {none: 1}}}",
            "P322",
            ".choice.allocation.gold",
        ),
        (
            "choice: {policy: allocation, segment: customer.tier, allocation: {tin: {none: 1}}}",
            "P312",
            ".choice.allocation.tin",
        ),
        (
            "choice: {policy: allocation, segment: customer.is_new, allocation: {yes: {none: 1}}}",
            "P312",
            ".choice.allocation.yes",
        ),
        (
            'choice: {policy: allocation, allocation: {"*": {welcome/teen: 1}}}',
            "P301",
            '.choice.allocation["*"]["welcome/teen"]',
        ),
        (
            'choice: {policy: allocation, allocation: {"*": {welcome: 1}}}',
            "P301",
            '.choice.allocation["*"].welcome',
        ),
        (
            'choice: {policy: allocation, allocation: {"*": {none: -1}}}',
            "P305",
            '.choice.allocation["*"].none',
        ),
    ],
)
def test_placements_and_their_choices_are_checked(
    text: str, code: str, field: str, tmp_path: Path
) -> None:
    assert with_placement(tmp_path, f"title: P, rank: 2, {text}") == [
        (code, f"placements.p{field}")
    ]


def test_a_whole_allocation_passes(tmp_path: Path) -> None:
    rows = '{gold: {none: 0, welcome/ten: 5}, "*": {none: 1}}'
    choice = f"choice: {{policy: allocation, segment: customer.tier, allocation: {rows}}}"
    assert with_placement(tmp_path, f"title: P, rank: 2, {choice}") == []


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("attribute: cart.gone, weights: [1]", "P301", ".attribute"),
        ("attribute: customer.segments, weights: [1]", "P320", ".attribute"),
        ("attribute: customer.is_new, weights: [1, 2]", "P320", ".weights"),
        ("attribute: customer.is_new, cuts: [1], weights: [1, 2, 3]", "P320", ".cuts"),
        ("attribute: cart.items, cuts: [1, 2], weights: [1, 2, 3]", "P320", ".weights"),
        ("attribute: cart.items, cuts: [2, 1], weights: [1, 2, 3, 4]", "P320", ".cuts"),
        ("attribute: cart.items, cuts: [0.5], weights: [1, 2, 3]", "P320", ".cuts[0]"),
        ("attribute: cart.items, values: [a], weights: [1, 2, 3]", "P320", ".values"),
        ("attribute: geo.country, cuts: [5], weights: [1, 2, 3]", "P320", ".cuts"),
        ("attribute: geo.country, values: [US, US], weights: [1, 2, 3, 4]", "P314", ".values[1]"),
        ("attribute: customer.tier, values: [tin], weights: [1, 2, 3]", "P312", ".values[0]"),
        ("attribute: customer.is_new", "P320", ""),
        ("attribute: customer.is_new, role: arm, weights: [1, 2, 3]", "P320", ""),
        ("attribute: customer.is_new, arms: {welcome: [1, 2, 3]}", "P320", ""),
        (
            "attribute: customer.is_new, role: arm, arms: {wlcome: [1, 2, 3]}",
            "P301",
            ".arms.wlcome",
        ),
        ("attribute: customer.is_new, role: arm, arms: {welcome: [1]}", "P320", ".arms.welcome"),
        ("attribute: customer.is_new, cross_cuts: [1], weights: [1, 2, 3]", "P320", ".cross_cuts"),
        (
            "attribute: customer.is_new, cross: cart.items, cross_cuts: [1], weights: [1, 2, 3]",
            "P320",
            ".weights",
        ),
    ],
)
def test_terms_of_models_are_checked(text: str, code: str, field: str, tmp_path: Path) -> None:
    assert with_term(tmp_path, text) == [(code, f"models.m.terms[0]{field}")]


@pytest.mark.parametrize(
    "text",
    [
        "attribute: customer.is_new, weights: [0, 1, 2]",
        "attribute: cart.total, cuts: [20, 50.50], weights: [0, 1, 2, 3], role: sensitivity",
        "attribute: geo.country, values: [US, CA], weights: [0, 1, 2, 3]",
        "attribute: customer.is_new, role: arm, arms: {welcome: [1, 2, 3], none: [0, 0, 0]}",
        "attribute: customer.is_new, cross: cart.items, cross_cuts: [1],"
        " weights: [1, 2, 3, 4, 5, 6, 7, 8, 9]",
    ],
)
def test_whole_terms_pass(text: str, tmp_path: Path) -> None:
    assert with_term(tmp_path, text) == []


def test_constants_of_models_name_arms(tmp_path: Path) -> None:
    models = "models: {m: {link: identity, arms: {welcome: 1, welcome/ten: 2, gone/ten: 3}}}"
    assert told(found_in(tmp_path, models=models)) == [("P301", 'models.m.arms["gone/ten"]')]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("policy: epsilon, floor: 0.9", [("P326", "placements.hero.choice.floor")]),
        ("policy: inverse_gap, floor: 0.51", [("P326", "placements.hero.choice.floor")]),
        ("policy: epsilon, floor: 0.5", []),
        ("policy: greedy, floor: 0.9", []),
    ],
)
def test_a_floor_that_not_all_can_have_is_told(
    choice: str, wanted: list[tuple[str, str]], tmp_path: Path
) -> None:
    """One size and showing nothing: at most a half each."""
    placements = PLACEMENTS.replace("rank: 1", f"rank: 1, choice: {{{choice}}}")
    assert told(found_in(tmp_path, placements=placements)) == wanted
