"""The quick way to candidates against their definition; a million of these in `make fuzz`."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import quick
from edge.decision import tables as t
from edge.decision.bits import members, set_of
from edge.decision.bundle import Bundle
from edge.decision.eligibility import offers_of
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.situation import Situation, situate
from fuzz.quick_pairs import compared
from tests.support.policies import random_bundle
from tests.support.requests import RequestMaker

POLICIES = 12


@pytest.mark.parametrize("few", [0, quick.FEW])
def test_the_quick_way_decides_as_the_definition(few: int) -> None:
    """With lanes for every score (FEW as it is: these policies are small), and with none."""
    with patch.object(quick, "FEW", few):
        found = compared(1500, seed=few)
    assert not found.differences
    assert found.shown > 300 and found.refused < found.decisions // 10


@pytest.mark.parametrize("seed", range(POLICIES))
def test_the_index_finds_the_clauses_whose_constraints_all_fit(seed: int) -> None:
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    for _ in range(40):
        said = maker.request(consent=maker.random.choice(["full", "contextual"]))
        holding = bundle.clauses.holding(
            situation := situate(bundle, unpack_request(encode_request(bundle, said.text).data))
        )
        assert holding == _one_by_one(bundle, situation)
        assert bundle.clauses.offers(holding) == offers_of(holding, bundle.tables.offer_clause)


def _one_by_one(bundle: Bundle, situation: Situation) -> int:
    starts, literals = bundle.tables.clause_literal, bundle.tables.literal_constraint
    return sum(
        1 << clause
        for clause in range(bundle.rows["clause"])
        if all(_fits(bundle, situation, x) for x in literals[starts[clause] : starts[clause + 1]])
    )


def _fits(bundle: Bundle, situation: Situation, constraint: int) -> bool:
    attribute = bundle.tables.constraint_attribute[constraint]
    cell = situation.cells[attribute]
    if bundle.tables.attribute_type[attribute] == t.SET:
        return bundle.clauses.set_fits(constraint, cell, situation.masks[attribute])
    return bundle.clauses.cell_fits(constraint, cell)


def test_accepting_sets_are_forgotten_when_they_take_too_much_memory() -> None:
    bundle = random_bundle(3)
    index = bundle.clauses
    index.room = index.room_for = 5
    attribute = index.scalars[0][0]
    kept = [index.accepting(attribute, cell) for cell in (-3, -2, -1, 0)]
    for other, _ in index.scalars[1:]:
        index.accepting(other, -1)
    assert sum(len(remembered) for remembered in index.memory.values()) <= 5
    assert [index.accepting(attribute, cell) for cell in (-3, -2, -1, 0)] == kept


@given(st.sets(st.integers(0, 3000), max_size=300))
def test_a_set_gives_its_members_in_order(numbers: set[int]) -> None:
    assert members(set_of(numbers, 3001)) == sorted(numbers)
