"""Lowering: negation normal form, clauses, and the rewrites that are never used."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import pytest
from msgspec import Struct

from edge.decision import tables as t
from edge.decision.rule import Operator, Value, truth
from policy_compiler.lower import (
    ALWAYS,
    CLAUSE_LIMIT,
    NEVER,
    Clauses,
    Literal,
    RuleTooWide,
    lower,
    merge,
)
from policy_compiler.tree import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Constant,
    Has,
    In,
    Node,
    Not,
    Or,
)
from policy_compiler.vocabulary import Cells
from tests.support.parts import ROOT

BOOL = Cells(t.BOOL)
CELLS = {
    "a": BOOL,
    "b": BOOL,
    "c": BOOL,
    "n": Cells(t.INT, breaks=(1, 2, 3)),
    "t": Cells(t.SET, words=("x", "y", "z")),
}


def yes(name: str) -> Node:
    return Compare(attribute=name, op="==", value=True, text=name)


def no(name: str) -> Node:
    return Not(part=yes(name))


def number(op: Operator, value: int) -> Node:
    return Compare(attribute="n", op=op, value=value)


def any_of(*values: str) -> Node:
    return AnyOf(attribute="t", values=values)


A, B, C = yes("a"), yes("b"), yes("c")
IS = {True: 2, False: 1}


def cell(name: str, value: bool) -> Literal:
    return Literal(name, t.CELLS, IS[value])


def clauses(*expected: set[Literal]) -> Clauses:
    return sorted((frozenset(each) for each in expected), key=sorted)


# --- what must come out -------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Constant(value=True), ALWAYS),
        (Constant(value=False), NEVER),
        (Not(part=Constant(value=True)), NEVER),
        (And(parts=()), ALWAYS),
        (Or(parts=()), NEVER),
        (A, clauses({cell("a", True)})),
        (Not(part=A), clauses({cell("a", False)})),
        (Not(part=Not(part=A)), clauses({cell("a", True)})),
        (Has(attribute="a"), clauses({Literal("a", t.PRESENT)})),
        (Not(part=Has(attribute="a")), clauses({Literal("a", t.ABSENT)})),
        # de Morgan
        (Not(part=And(parts=(A, B))), clauses({cell("a", False)}, {cell("b", False)})),
        (Not(part=Or(parts=(A, B))), clauses({cell("a", False), cell("b", False)})),
        # distribution, absorption, idempotence
        (
            And(parts=(A, Or(parts=(B, C)))),
            clauses({cell("a", True), cell("b", True)}, {cell("a", True), cell("c", True)}),
        ),
        (Or(parts=(A, And(parts=(A, B)))), clauses({cell("a", True)})),
        (And(parts=(A, Or(parts=(A, B)))), clauses({cell("a", True)})),
        (And(parts=(A, A)), clauses({cell("a", True)})),
        # contradictions hold never
        (And(parts=(A, no("a"))), NEVER),
        (And(parts=(A, Not(part=Has(attribute="a")))), NEVER),
        (And(parts=(Has(attribute="n"), Not(part=Has(attribute="n")))), NEVER),
    ],
)  # fmt: skip
def test_lowering(rule: Node, expected: Clauses) -> None:
    assert lower(rule, CELLS) == expected


def test_a_negated_ternary_keeps_its_test() -> None:
    rule = Not(part=Conditional(test=A, then=B, otherwise=C))
    assert lower(rule, CELLS) == clauses(
        {cell("a", True), cell("b", False)}, {cell("a", False), cell("c", False)}
    )


def test_resolution_is_not_used() -> None:
    """(a || b) && (!a || c) keeps the clause b && c, which holds while a is unknown."""
    rule = And(parts=(Or(parts=(A, B)), Or(parts=(no("a"), C))))
    assert lower(rule, CELLS) == clauses(
        {cell("a", True), cell("c", True)},
        {cell("a", False), cell("b", True)},
        {cell("b", True), cell("c", True)},
    )


@pytest.mark.parametrize(
    "rule",
    [
        Or(parts=(A, no("a"))),
        Conditional(test=A, then=Constant(value=True), otherwise=Constant(value=True)),
        Or(parts=(number("<", 2), number(">=", 2))),
        Or(parts=(any_of("x"), Not(part=any_of("x")))),
    ],
)  # fmt: skip
def test_the_excluded_middle_is_not_used(rule: Node) -> None:
    assert lower(rule, CELLS) != ALWAYS
    assert all(lower(rule, CELLS))


def test_the_branches_of_a_ternary_may_not_hide_its_test() -> None:
    assert lower(Conditional(test=A, then=B, otherwise=B), CELLS) == clauses(
        {cell("a", True), cell("b", True)}, {cell("a", False), cell("b", True)}
    )


# --- merging ------------------------------------------------------------------


def literal(kind: int, *words: int) -> Literal:
    return Literal("t", kind, sum(1 << w for w in words))


def merged(*literals: Literal) -> set[Literal] | None:
    first, *rest = (frozenset([each]) for each in literals)
    result: frozenset[Literal] | None = first
    for each in rest:
        result = None if result is None else merge(result, each, CELLS)
    return None if result is None else set(result)


def test_constraints_on_a_number_are_intersected() -> None:
    low, high = Literal("n", t.CELLS, 0b0110), Literal("n", t.CELLS, 0b1100)
    assert merged(low, high) == {Literal("n", t.CELLS, 0b0100)}
    assert merged(low, Literal("n", t.PRESENT)) == {low}
    assert merged(low, Literal("n", t.CELLS, 0b1001)) is None
    assert merged(Literal("n", t.ABSENT), Literal("n", t.ABSENT)) == {Literal("n", t.ABSENT)}
    assert merged(Literal("n", t.ABSENT), Literal("n", t.PRESENT)) is None


def test_a_set_has_one_forbidden_list_and_the_least_required_groups() -> None:
    assert merged(literal(t.NONE_OF, 0), literal(t.NONE_OF, 1)) == {literal(t.NONE_OF, 0, 1)}
    assert merged(literal(t.ANY_OF, 0, 1), literal(t.NONE_OF, 0)) == {
        literal(t.ANY_OF, 1), literal(t.NONE_OF, 0)
    }  # fmt: skip
    assert merged(literal(t.ANY_OF, 0), literal(t.NONE_OF, 0)) is None
    assert merged(literal(t.ANY_OF, 0, 1), literal(t.ANY_OF, 0)) == {literal(t.ANY_OF, 0)}
    assert merged(literal(t.ANY_OF, 0, 1), literal(t.ANY_OF, 1, 2)) == {
        literal(t.ANY_OF, 0, 1), literal(t.ANY_OF, 1, 2)
    }  # fmt: skip
    assert merged(Literal("t", t.PRESENT), literal(t.ANY_OF, 0)) == {literal(t.ANY_OF, 0)}


# --- exactness, by trying everything ------------------------------------------

STATES: dict[str, list[Value | str | None]] = {
    "a": [0, 1, None, "absent"],
    "n": [0, 1, 2, 3, None, "absent"],
    "t": [frozenset(), frozenset("x"), frozenset("yq"), frozenset("xy"), None, "absent"],
}
RULES = [
    Or(parts=(And(parts=(A, number(">", 1))), any_of("x", "y"))),
    Not(part=Or(parts=(And(parts=(A, any_of("x"))), In(attribute="n", values=(1, 3))))),
    Conditional(test=any_of("y"), then=Not(part=Has(attribute="n")), otherwise=no("a")),
    And(parts=(Or(parts=(A, any_of("x"))), Or(parts=(no("a"), number("!=", 2))))),
    And(parts=(Not(part=any_of("x")), any_of("x", "y"), Not(part=number("<=", 0)))),
]  # fmt: skip


class Facts(Struct):
    states: dict[str, Value | str | None]

    def value(self, attribute: str) -> Value | None:
        state = self.states[attribute]
        return None if isinstance(state, str) else state

    def absent(self, attribute: str) -> bool:
        return self.states[attribute] == "absent"


def fits(each: Literal, facts: Facts) -> bool:
    """A literal by its definition."""
    value = facts.value(each.attribute)
    if each.kind == t.ABSENT:
        return facts.absent(each.attribute)
    if value is None:
        return False
    if each.kind == t.PRESENT:
        return True
    cells = CELLS[each.attribute]
    if isinstance(value, frozenset):
        words = sum(1 << i for i, word in enumerate(cells.words) if word in value)
        return bool(words & each.mask) == (each.kind == t.ANY_OF)
    assert isinstance(value, int)
    at = value if cells.type == t.BOOL else sum(b <= value for b in cells.breaks)
    return bool(each.mask >> at & 1)


@pytest.mark.parametrize("rule", RULES)
def test_clauses_hold_where_the_rule_is_true_and_nowhere_else(rule: Node) -> None:
    cells = CELLS | {"n": Cells(t.INT, breaks=(1, 2, 3, 4))}
    lowered = lower(rule, cells)
    truths = 0
    for values in product(*STATES.values()):
        facts = Facts(dict(zip(STATES, values, strict=True)))
        holds = any(all(fits(each, facts) for each in clause) for clause in lowered)
        assert holds == (truth(rule, facts) is True), facts
        truths += holds
    assert truths


# --- limits and order ---------------------------------------------------------


def wide(pairs: int) -> tuple[Node, dict[str, Cells]]:
    """(x0 || y0) && (x1 || y1) && ...: two to the power of `pairs` clauses."""
    names = [f"{side}{i}" for i in range(pairs) for side in "xy"]
    parts = [Or(parts=(yes(f"x{i}"), yes(f"y{i}"))) for i in range(pairs)]
    return And(parts=tuple(parts), text="the culprit"), dict.fromkeys(names, BOOL)


def test_a_rule_of_as_many_clauses_as_allowed_is_lowered() -> None:
    rule, cells = wide(6)
    assert len(lower(rule, cells)) == CLAUSE_LIMIT == 64


@pytest.mark.parametrize("pairs", [7, 40])
def test_a_rule_that_multiplies_is_refused_with_the_part_to_blame(pairs: int) -> None:
    rule, cells = wide(pairs)
    with pytest.raises(RuleTooWide, match="the culprit"):
        lower(rule, cells)


def test_a_long_disjunction_is_refused_too() -> None:
    names = [f"x{i}" for i in range(65)]
    rule = Or(parts=tuple(map(yes, names)), text="so many")
    with pytest.raises(RuleTooWide, match="so many"):
        lower(rule, dict.fromkeys(names, BOOL))


HASHING = """
from policy_compiler.lower import lower
from policy_compiler.tree import In, Or
from policy_compiler.vocabulary import Cells
from edge.decision import tables as t
words = ("u", "v", "w", "x", "y", "z")
parts = tuple(In(attribute="a", values=words[:n]) for n in range(1, 7))
print(lower(Or(parts=parts), {"a": Cells(t.STRING, words=words)}))
"""


def test_clauses_do_not_depend_on_the_hash_seed() -> None:
    """Sets of strings iterate in another order in every process."""
    said = {
        subprocess.run(
            [sys.executable, "-c", HASHING], cwd=ROOT, check=True, capture_output=True, text=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in range(4)
    }  # fmt: skip
    assert len(said) == 1
    assert said.pop().count("Literal") == 1
