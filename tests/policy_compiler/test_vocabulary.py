"""Cells: where an attribute's range is cut, and which values fall where."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import tables as t
from edge.decision.tables import SAFE
from policy_compiler.catalog import Attribute
from policy_compiler.tree import And, AnyOf, Compare, Conditional, Has, In, Not, Or, StartsWith
from policy_compiler.vocabulary import Cells, Vocabulary, successor

TEXT = st.text(max_size=4).filter(lambda s: not any("\ud800" <= c <= "\udfff" for c in s))
ATTRIBUTES = {
    "n": Attribute(type="int"),
    "d": Attribute(type="decimal", scale=2),
    "b": Attribute(type="bool"),
    "s": Attribute(type="string"),
    "e": Attribute(type="string", values=["b", "a"]),
    "t": Attribute(type="set"),
}


def cells(name: str, *nodes: object) -> Cells:
    vocabulary = Vocabulary(ATTRIBUTES)
    for node in nodes:
        vocabulary.mention_rule(node)  # type: ignore[arg-type]
    return vocabulary.cells_of(name)


@pytest.mark.parametrize(
    ("op", "breaks"),
    [("<", (5,)), (">=", (5,)), (">", (6,)), ("<=", (6,)), ("==", (5, 6)), ("!=", (5, 6))],
)
def test_a_comparison_cuts_where_its_truth_changes(op: str, breaks: tuple[int, ...]) -> None:
    assert cells("n", Compare(attribute="n", op=op, value=5)).breaks == breaks  # type: ignore[arg-type]


def test_mentions_are_found_in_every_part_of_a_rule() -> None:
    rule = Conditional(
        test=Not(part=Compare(attribute="n", op="<", value=1)),
        then=Or(parts=(In(attribute="n", values=(3,)), Has(attribute="n"))),
        otherwise=And(parts=(Compare(attribute="n", op=">", value=8),)),
    )
    assert cells("n", rule).breaks == (1, 3, 4, 9)


@given(st.sets(st.integers(-50, 50), max_size=6), st.integers(-60, 60), st.integers(-60, 60))
def test_cells_at_least_a_break_are_those_of_numbers_at_least_it(
    breaks: set[int], number: int, bound: int
) -> None:
    found = Cells(t.INT, breaks=tuple(sorted(breaks | {bound})))
    cell = bisect_right(found.breaks, number)
    assert bool(found.at_least(bound) >> cell & 1) == (number >= bound)
    assert found.lows()[cell] <= number


@pytest.mark.parametrize("bound", [SAFE, SAFE + 1, 1 << 62])
def test_no_number_reaches_what_no_bundle_holds(bound: int) -> None:
    found = cells("n", Compare(attribute="n", op=">=", value=bound))
    assert found.breaks == ()
    assert found.at_least(bound) == 0
    assert found.at_least(-bound) == found.all


def test_words_are_in_the_order_of_their_bytes() -> None:
    rule = In(attribute="s", values=("😀", "～", "z", "Z"))
    assert cells("s", rule).words == ("Z", "z", "～", "😀")


def test_an_enumeration_is_its_own_vocabulary() -> None:
    found = cells("e", Compare(attribute="e", op="==", value="a"))
    assert (found.words, found.count, found.ordered) == (("a", "b"), 3, False)
    assert found.prefixed("a") == found.word("a")


@given(st.sets(TEXT, max_size=5), st.sets(TEXT.filter(bool), min_size=1, max_size=3), TEXT)
def test_a_prefix_is_a_run_of_cells(words: set[str], prefixes: set[str], value: str) -> None:
    nodes = [StartsWith(attribute="s", prefix=prefix) for prefix in prefixes]
    found = cells("s", *nodes, In(attribute="s", values=tuple(words)))
    data = value.encode()
    encoded = [word.encode() for word in found.words]
    at = bisect_left(encoded, data)
    exact = at < len(encoded) and encoded[at] == data
    cell = 2 * at + 1 if exact else 2 * at
    assert found.ordered and found.count == 2 * len(found.words) + 1
    for prefix in prefixes:
        assert bool(found.prefixed(prefix) >> cell & 1) == value.startswith(prefix)
    if exact:
        assert found.word(value) == 1 << cell


def test_every_string_starts_with_nothing() -> None:
    found = cells("s", StartsWith(attribute="s", prefix=""))
    assert found.prefixed("") == found.all


@pytest.mark.parametrize(
    ("prefix", "after"),
    [
        ("a", "b"),
        ("/sale", "/salf"),
        ("\ud7ff", "\ue000"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", None),
        ("", None),
    ],
)
def test_the_successor_is_the_least_string_above_a_prefix(prefix: str, after: str | None) -> None:
    assert successor(prefix) == after


@given(TEXT.filter(bool), TEXT)
def test_nothing_lies_between_a_prefix_and_its_successor(prefix: str, value: str) -> None:
    after = successor(prefix)
    inside = prefix.encode() <= value.encode() and (
        after is None or value.encode() < after.encode()
    )
    assert inside == value.startswith(prefix)


def test_sets_count_words_and_booleans_are_two() -> None:
    assert cells("t", AnyOf(attribute="t", values=("x", "y"))).count == 2
    assert cells("b", Compare(attribute="b", op="==", value=True)).all == 3
