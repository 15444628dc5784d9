"""Rules of any shape: they never crash, and mean what CEL says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from edge.decision.rule import Truth, truth
from tests.policy_compiler.rule_samples import check, tree
from tests.support.parts import ROOT

LEAVES = [
    "customer.is_new",
    "customer.is_new == false",
    "has(geo.country)",
    "has(customer.is_new)",
    "cart.items >= 3",
    "2 > cart.items",
    "cart.items in [1, 3]",
    "cart.items - cart.lines > 0",
    "cart.total >= 0.29",
    "0.30 != cart.total",
    "geo.country != 'US'",
    "geo.country in ['US', 'UK']",
    "geo.country.startsWith('U')",
    "customer.tier.contains('old')",
    "customer.tier.endsWith('en')",
    "'vip' in customer.segments",
    "customer.segments.exists(s, s == 'a' || s in ['b'])",
    "true",
    "false",
]
RULES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map("!({})".format),
        st.tuples(inner, inner).map("({0[0]} && {0[1]})".format),
        st.tuples(inner, inner).map("({0[0]} || {0[1]})".format),
        st.tuples(inner, inner, inner).map("({0[0]} ? {0[1]} : {0[2]})".format),
    ),
    max_leaves=8,
)


# Invariant: whatever the text, there is a tree or a diagnostic, never both or none.

HEAP = """
customer.is_new cart.total cart.items geo.country customer.segments customer.tier rules.loyal cart
. x ( ) [ ] { } , ? : ! - + * && || == != < >= in has( age_s( exists( s true null 5 5.00 1e9 'US'
"gold" 'un r"\\d\" b'x' // ` @ \\ \0 é 😀 0x 5u timestamp( .startsWith( rules.rules has
"""
WORDS = st.sampled_from([*HEAP.split(), "\n"])


def sound(rule: str) -> None:
    checked = check(rule, {"loyal": "customer.is_new"})
    assert (checked.offers["o"].eligible is None) == bool(checked.diagnostics)


@given(st.lists(WORDS, max_size=14))
def test_heaps_of_words_give_a_tree_or_diagnostics(heap: list[str]) -> None:
    sound(" ".join(heap))
    sound("".join(heap))


@given(st.text(max_size=30))
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    if not re.search("[\ud800-\udfff]", text):
        sound(text)


@given(RULES, st.integers(0, 80), st.integers(0, 3), WORDS)
def test_broken_rules_give_a_tree_or_diagnostics(
    rule: str, at: int, length: int, scrap: str
) -> None:
    sound(rule[:at] + rule[at + length :])
    sound(rule[:at] + scrap + rule[at + length :])


# --- the meaning --------------------------------------------------------------
# The same text, read without types and evaluated by the CEL library over plain maps
# (where a missing key is an error, as an absent attribute is), must be what our tree
# says under the edge's definition.

VALUES: dict[str, list[object]] = {
    "customer.is_new": [False, True],
    "cart.items": [0, 1, 2, 3, 4],
    "cart.lines": [0, 2, 4],
    "cart.total": [28, 29, 30],
    "geo.country": ["US", "UK", "DE", "U", ""],
    "customer.tier": ["gold", "golden", "silver"],
    "customer.segments": [frozenset(each) for each in ("", "a", "b", "ax", ["vip"], ["vip", "b"])],
}
PRESENT = st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in VALUES.items()})
UNTYPED = cel.NewEnv(
    variables={
        name: cel.Type.Map(cel.Type.STRING, cel.Type.DYN) for name in ("cart", "customer", "geo")
    }
)


class Known:
    """What was sent, as the edge's definition asks for it."""

    def __init__(self, sent: Mapping[str, object]) -> None:
        self.sent = sent

    def value(self, attribute: str) -> object:
        if " - " in attribute:
            left, right = (self.sent.get(each) for each in attribute.split(" - "))
            return None if left is None or right is None else left - right  # type: ignore[operator]
        value = self.sent.get(attribute)
        return int(value) if isinstance(value, bool) else value

    def absent(self, attribute: str) -> bool:
        return self.value(attribute) is None


def by_the_library(rule: str, sent: Mapping[str, object]) -> Truth:
    data: dict[str, dict[str, object]] = {"cart": {}, "customer": {}, "geo": {}}
    for name, value in sent.items():
        prefix, _, word = name.partition(".")
        if name == "cart.total":
            value = int(value) / 100  # type: ignore[call-overload]
        data[prefix][word] = sorted(value) if isinstance(value, frozenset) else value
    result = UNTYPED.compile(rule).eval(data=data)
    return result.value() if result.type() == cel.Type.BOOL else None


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_condition_means_what_the_library_says_for_every_value(leaf: str) -> None:
    names = [name for name in VALUES if name in leaf]
    node = tree(leaf)
    for values in product(*([None, *VALUES[name]] for name in names)):
        sent = {n: value for n, value in zip(names, values, strict=True) if value is not None}
        assert truth(node, Known(sent)) is by_the_library(leaf, sent), sent  # type: ignore[arg-type]


@given(RULES, PRESENT)
def test_a_tree_means_what_the_library_says_its_text_means(
    rule: str, sent: dict[str, object]
) -> None:
    assert truth(tree(rule), Known(sent)) is by_the_library(rule, sent)  # type: ignore[arg-type]


# --- the document -------------------------------------------------------------


def test_every_form_in_the_document_is_accepted() -> None:
    document = (ROOT / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
    table = document.split("## What a rule may hold")[1].split("Constants are written")[0]
    forms = re.findall(r"\| `([^`]*)` \|$", table, re.M)
    blocks = re.findall(r"```cel\n(.*?)```", document, re.S)
    blocks += re.findall(r"^`(.*\|\| .*)`\.$", document, re.M)
    assert len(forms) > 15 and len(blocks) == 2
    for form in [*forms, *blocks]:
        assert tree(form.replace("\\|", "|"), {"loyal": "customer.is_new"})
