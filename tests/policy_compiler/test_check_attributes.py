"""Declarations of attributes: each by itself, and their names together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy_compiler.samples import ATTRIBUTES, found_in, told


def with_attribute(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    """A further attribute `x.y`."""
    return told(found_in(tmp_path, attributes=f"{ATTRIBUTES}  x.y: {{{text}}}\n"))


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("type: decimal, scale: 7", "P305", ".scale"),
        ("type: int, scale: 2", "P316", ".scale"),
        ("type: string, minimum: 5", "P316", ".minimum"),
        ("type: int, minimum: 5, maximum: 4", "P316", ".minimum"),
        ("type: int, maximum: 4.5", "P316", ".maximum"),
        ("type: decimal, scale: 1, maximum: 4.55", "P316", ".maximum"),
        ("type: decimal, scale: 6, maximum: 1000000000", "P305", ".maximum"),
        ("type: int, values: [a]", "P316", ".values"),
        ("type: string, values: []", "P316", ".values"),
        ("type: string, values: [a, b, a]", "P314", ".values[2]"),
        ("type: decimal, money: true", "P302", ""),
        ("type: int, money: true, maximum: 5", "P302", ".type"),
        ("type: decimal, money: true, maximum: 9000000000", "P305", ".maximum"),
        ("type: int, labels: [confidential, publishable]", "P316", ".labels"),
        ('type: int, purpose: [""]', "P323", ".purpose[0]"),
        ("type: int, derived: {}", "P315", ".derived"),
        ("type: int, derived: {hour: UTC, weekday: UTC}", "P315", ".derived"),
        ("type: int, derived: {hour: Mars/Olympus}", "P317", ".derived.hour"),
        ("type: decimal, derived: {weekday: UTC}", "P315", ".derived.weekday"),
        ("type: int, derived: {age_s: cart.gone}", "P301", ".derived.age_s"),
        ("type: int, derived: {age_s: cart.items}", "P315", ".derived.age_s"),
        ("type: int, derived: {sum: [cart.items, cart.total]}", "P315", ".derived.sum[1]"),
        ("type: int, derived: {sum: [cart.items, geo.country]}", "P315", ".derived.sum[1]"),
        ("type: int, derived: {difference: [x.y, cart.items]}", "P315", ".derived.difference[0]"),
    ],
)
def test_declarations_of_attributes_are_checked(
    text: str, code: str, field: str, tmp_path: Path
) -> None:
    assert with_attribute(tmp_path, text) == [(code, f'attributes["x.y"]{field}')]


@pytest.mark.parametrize(
    "text",
    [
        "type: int, derived: {age_s: cart.updated_at}",
        "type: int, source: edge, derived: {hour: Europe/Berlin}",
        "type: decimal, scale: 2, derived: {difference: [cart.total, cart.discount]}",
        "type: timestamp, minimum: 0, maximum: 4000000000",
        "type: set, values: [a, b], labels: [personal, protected]",
    ],
)
def test_good_declarations_pass(text: str, tmp_path: Path) -> None:
    assert with_attribute(tmp_path, text) == []


def test_an_attribute_cannot_be_the_beginning_of_another(tmp_path: Path) -> None:
    attributes = f"{ATTRIBUTES}  cart.total.net.x: {{type: int}}\n"
    found = told(found_in(tmp_path, attributes=attributes))
    assert found == [("P319", 'attributes["cart.total.net.x"]')]
