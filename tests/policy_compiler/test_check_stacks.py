"""The worst stack: a bound that no cart of the edge exceeds, and reaches where it names one."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from edge.decision.bundle import Bundle
from edge.decision.guardrails import cart_of, cost_terms, guard, incentive_of
from edge.decision.reasons import ArmReason
from edge.decision.situation import ABSENT_CELL, Situation
from policy_compiler.compiling import compile_catalog
from tests.policy_compiler.samples import ATTRIBUTES, write_catalog

MOST_CENTS = 200_00
SMALL = ATTRIBUTES.replace("maximum: 5000}", "maximum: 200}", 1)
PLACES = "placements:\n  hero: {title: Hero, rank: 1, slots: 2}\n"
TOLD = re.compile(r"at most ([\d.]+) together(?:, in a cart of ([\d.]+))?")


def offer(id: str, fields: str) -> str:
    return (
        f"  - {{id: {id}, title: T, placements: [hero], stackable: true, {fields},"
        " creatives: {hero: {en-US: {headline: H}}}}\n"
    )


def worst(folder: Path, *offers: str) -> tuple[Bundle, Decimal, str]:
    """The bundle, the bound, and the cart that was named."""
    catalog = write_catalog(
        folder, offers="offers:\n" + "".join(offers), attributes=SMALL, placements=PLACES
    )
    compiled = compile_catalog(catalog)
    (found,) = [each.message for each in compiled.diagnostics if each.code == "P411"]
    assert "the stackable offers" in found
    told = TOLD.search(found)
    assert told
    return compiled.bundle, Decimal(told[1]), told[2] or ""


def cost_at(bundle: Bundle, cents: int | None) -> int:
    """What the edge would let both offers cost together in that cart, in micros."""
    row, count = bundle.attribute_rows["cart.total"], bundle.rows["attribute"]
    situation = Situation([ABSENT_CELL] * count, [0] * count, [0] * count)
    if cents is not None:
        situation.cells[row], situation.values[row] = 0, cents
    cart = cart_of(bundle.tables, situation)
    dearest: dict[int, int] = {}
    for arm in range(1, bundle.rows["rung"] + 1):
        cost = incentive_of(bundle, situation, cart, cost_terms(bundle.tables, arm))
        assert cost is not None
        if guard(bundle.tables, cart, arm, cost, 0) == ArmReason.CANDIDATE:
            owner = bundle.tables.rung_offer[arm - 1]
            dearest[owner] = max(dearest.get(owner, 0), cost)
    return sum(dearest.values())


PEN = offer("pen", "kind: gift, rungs: [{id: r, unit_cost: 3.00}]")
STACKS = {
    "a ceiling": offer("p", "kind: percent, guardrails: {ceiling: 12.00},"
                       " rungs: [{id: r, percent: 10}]"),
    "a cap": offer("p", "kind: percent, rungs: [{id: r, percent: 10, cap: 7.50}]"),
    "two sizes": offer("p", "kind: percent, guardrails: {ceiling: 9.99},"
                       " rungs: [{id: r, percent: 10}, {id: s, percent: 20}]"),
    "a margin floor": offer("p", "kind: percent, guardrails: {margin_floor: 50.00},"
                            " rungs: [{id: r, percent: 12.5}]"),
    "a share": offer("p", "kind: fixed, guardrails: {ceiling_percent: 5},"
                     " rungs: [{id: r, amount: 4.00}]"),
}  # fmt: skip


@pytest.mark.parametrize("other", STACKS.values(), ids=STACKS)
def test_the_worst_stack_is_that_of_the_worst_of_all_carts(other: str, tmp_path: Path) -> None:
    bundle, bound, where = worst(tmp_path, other, PEN)
    dearest = max(cost_at(bundle, cents) for cents in (None, *range(MOST_CENTS + 1)))
    assert bound * 1_000_000 == dearest
    assert cost_at(bundle, int(Decimal(where) * 100)) == dearest


def test_a_subtotal_of_its_own_is_bounded_though_no_cart_is_the_worst(tmp_path: Path) -> None:
    scoped = offer(
        "p", "kind: percent, scope: cart.garden, guardrails: {ceiling: 12.00},"
        " rungs: [{id: r, percent: 10}]"
    )  # fmt: skip
    garden = "attributes:\n  cart.garden: {type: decimal, scale: 2, money: true, maximum: 500}\n"
    (tmp_path / "garden.yaml").write_text(garden)
    _, bound, _ = worst(tmp_path, scoped, PEN)
    assert bound == Decimal("15.00")
