"""Rules mean what an independent CEL evaluator says: by their trees and by their clauses.

`make fuzz` runs the same comparison over a hundred times as many pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import pytest

from edge.decision.rule import Truth
from policy_compiler import lower
from policy_compiler.tree import Conditional
from policy_compiler.vocabulary import Cells
from tests.support.oracle import Answers, Oracle, Policy, batches, compared
from tests.support.rule_generator import Context, rules_and_contexts
from tests.support.rule_inputs import INPUTS, NOW_S, SENT, Json, Meant, State

SEED = 20261122
PAIRS = 2000


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle()


# --- generated pairs ----------------------------------------------------------


def test_two_thousand_generated_pairs_mean_what_an_independent_evaluator_says(
    oracle: Oracle,
) -> None:
    for seed in batches(SEED, PAIRS):
        found = compared(oracle, seed, rules=100, contexts=20)
        assert not found.differences, "\n".join(map(str, found.differences[:3]))
        assert found.pairs + 20 * found.too_wide == PAIRS
        # a comparison that only ever saw errors would agree, too
        assert min(found.true, found.false, found.error) > PAIRS // 10


def test_the_generated_rules_use_every_form_of_every_attribute() -> None:
    rules, _ = rules_and_contexts(SEED, 1000, 1)
    whole = "\n".join(rules)
    assert all(each.name in whole for each in INPUTS)
    for form in ("&&", "||", "!(", ") ? (", "in [", ".exists(e,", "sets.intersects(", "age_s("):
        assert form in whole
    for form in ("startsWith(", "endsWith(", "contains(", "has(", "rules.", "true", " - ", " + "):
        assert form in whole


def test_the_generated_requests_bring_every_attribute_into_every_state() -> None:
    _, contexts = rules_and_contexts(SEED, 1, 400)
    for each in INPUTS:
        states = {_state(context, each.name) for context in contexts}
        assert {"value", "error"} <= states
        assert "absent" in states or each.name in ("clock.hour", "day.number")
        assert ("withheld" in states) == each.personal
        sent = [context.sent.get(each.name) for context in contexts]
        assert all(bad in sent for bad in each.bad)


def _state(context: Context, name: str) -> str:
    meant = context.meant[name]
    if meant is State.ERROR and context.contextual and name in {i.name for i in SENT if i.personal}:
        return "withheld"
    return {State.ABSENT: "absent", State.ERROR: "error"}.get(meant, "value")  # type: ignore[call-overload]


def test_a_rule_that_is_refused_as_too_wide_leaves_the_others_to_be_compared() -> None:
    pairs = [
        "(flag.on || fresh.now)",
        "(count.items > 3 || level.points > 3)",
        "(spend.total > 1.00 || saved.total > 1.00)",
        "(weight.kg > 1.0 || land.code == 'US')",
        "(town.name == 'Rome' || tier.name == 'gold')",
        "('a' in tags.all || 'vip' in roles.all)",
        "(clock.hour > 6 || day.number == 1)",
    ]
    policy = Policy(["true", " && ".join(pairs), " && ".join(pairs[1:])])
    assert policy.too_wide == {1}
    assert policy.trees.keys() == {0, 2}


# --- the three traps of lowering ----------------------------------------------
# Rewrites that are right in two-valued logic, and wrong where a part can be an error.
# n, g, c and d are conditions on four attributes, each true, false, absent or invalid.

N, G, C, D = "flag.on", "land.code == 'DE'", "count.items >= 3", "tags.all.exists(e, e == 'a')"
STATES: dict[str, tuple[tuple[Json, Meant], ...]] = {
    "flag.on": ((True, True), (False, False), ("", State.ERROR)),
    "land.code": (("DE", "DE"), ("elsewhere", "elsewhere"), (5, State.ERROR)),
    "count.items": ((3, 3), (2, 2), (-1, State.ERROR)),
    "tags.all": ((["a"], ("a",)), ([], ()), ("a", State.ERROR)),
}


def situations() -> Iterator[Context]:
    nothing: tuple[Json, Meant] = (None, State.ABSENT)
    for chosen in product(*((nothing, *states) for states in STATES.values())):
        sent = {name: json for name, (json, _) in zip(STATES, chosen, strict=True)}
        meant = {name: value for name, (_, value) in zip(STATES, chosen, strict=True)}
        yield Context(sent, meant, contextual=False, now_s=NOW_S)


def disagreements(oracle: Oracle, rules: list[str]) -> list[str]:
    """Rules on which the oracle and the compiled policy differ in some situation."""
    policy = Policy(rules)
    programs = [oracle.program(rule) for rule in rules]
    found = set()
    for context in situations():
        for index, answers in policy.answers(context).items():
            said = programs[index].truth(context.meant, NOW_S)
            if answers != Answers(said, said is True):
                found.add(rules[index])
    return sorted(found)


def truth_of(oracle: Oracle, rule: str, **known: bool) -> Truth:
    """By the oracle, with n, g, c true or false as given, and unknown otherwise."""
    values: dict[str, Meant] = dict.fromkeys(STATES, State.ERROR)
    names = {"n": "flag.on", "g": "land.code", "c": "count.items"}
    for name, value in known.items():
        values[names[name]] = STATES[names[name]][not value][1]
    return oracle.program(rule).truth(values, NOW_S)


NEGATED_TERNARY = [
    f"!({N} ? {G} : {C})",
    f"!({N} ? !({G}) : ({C} ? {D} : !({D})))",
    f"!(({N} ? {G} : {C}) ? {D} : {G})",
]
RESOLUTION = [
    f"({N} || {G}) && (!{N} || {C})",
    f"({N} && {C}) || (!{N} && {G}) || ({G} && {C})",
    f"({G} || {D}) && (!({G}) || {C}) && ({N} || {D})",
]
EXCLUDED_MIDDLE = [
    f"{N} || !{N}",
    f"({C} && {G}) || (!({C}) && {G})",
    f"({N} || !{N}) && ({C} || !({C}))",
    f"!({N} && !{N})",
    f"{D} || !({D})",
]


def test_trap_one_a_negated_ternary_keeps_its_test(oracle: Oracle) -> None:
    assert truth_of(oracle, NEGATED_TERNARY[0], n=True, g=False) is True
    assert truth_of(oracle, NEGATED_TERNARY[0], g=False, c=False) is None
    assert disagreements(oracle, NEGATED_TERNARY) == []


def test_trap_two_what_resolution_calls_redundant_is_kept(oracle: Oracle) -> None:
    assert truth_of(oracle, RESOLUTION[0], g=True, c=True) is True
    assert truth_of(oracle, RESOLUTION[0], g=True) is None
    assert disagreements(oracle, RESOLUTION) == []


def test_trap_three_the_middle_is_not_excluded(oracle: Oracle) -> None:
    assert truth_of(oracle, EXCLUDED_MIDDLE[0], n=False) is True
    assert truth_of(oracle, EXCLUDED_MIDDLE[0]) is None
    assert disagreements(oracle, EXCLUDED_MIDDLE) == []


# --- would it be seen? --------------------------------------------------------
# Each trap, walked into on purpose: the comparison must notice.


def _negation_over_the_test(
    node: Conditional, negated: bool, cells: Mapping[str, Cells]
) -> lower.Clauses:
    """!(t ? a : b) as (!t || !a) && (t || !b)."""
    if not negated:
        return RIGHT_CONDITIONAL(node, negated, cells)
    test, untest = (lower._lower(node.test, sign, cells) for sign in (False, True))
    then, otherwise = (lower._lower(part, True, cells) for part in (node.then, node.otherwise))
    nodes = (node.then, node.otherwise)
    return lower._conjoin([untest + then, test + otherwise], node, nodes, cells)


def _complementary(a: lower.Clause, b: lower.Clause) -> str | None:
    """The attribute whose cells two clauses take opposite sides on, over the rest of both."""
    for left in a - b:
        for right in b - a:
            same = left.attribute == right.attribute and left.kind == right.kind
            if same and left.mask & right.mask == 0 and left.mask and right.mask:
                return left.attribute
    return None


def _without_redundant(clauses: lower.Clauses) -> lower.Clauses:
    """Drops what resolution of two others implies."""
    kept = RIGHT_ABSORB(clauses)
    for a, b in product(kept, kept):
        if (name := _complementary(a, b)) is not None:
            implied = frozenset(literal for literal in a | b if literal.attribute != name)
            kept = [each for each in kept if each in (a, b) or not each >= implied]
    return kept


def _with_excluded_middle(clauses: lower.Clauses) -> lower.Clauses:
    """Takes `x && rest || !x && rest` for `rest`."""
    kept = RIGHT_ABSORB(clauses)
    for a, b in product(kept, kept):
        if (name := _complementary(a, b)) is not None:
            rests = {frozenset(x for x in clause if x.attribute != name) for clause in (a, b)}
            if len(rests) == 1:
                return RIGHT_ABSORB([*kept, *rests])
    return kept


RIGHT_CONDITIONAL, RIGHT_ABSORB = lower._lower_conditional, lower._absorb
WRONG = {
    "negated ternary": ("_lower_conditional", _negation_over_the_test, NEGATED_TERNARY),
    "resolution": ("_absorb", _without_redundant, RESOLUTION),
    "excluded middle": ("_absorb", _with_excluded_middle, EXCLUDED_MIDDLE),
}


@pytest.mark.parametrize("trap", WRONG)
def test_a_compiler_that_walks_into_the_trap_is_noticed(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    name, wrong, rules = WRONG[trap]
    monkeypatch.setattr(lower, name, wrong)
    assert disagreements(oracle, rules) != []


def test_a_comparison_of_generated_pairs_notices_a_wrong_compiler(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lower, "_lower_conditional", _negation_over_the_test)
    found = compared(oracle, SEED, rules=100, contexts=20)
    assert found.differences
    assert f"seed {SEED}" in str(found.differences[0])
