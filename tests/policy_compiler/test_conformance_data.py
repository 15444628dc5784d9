"""The cases of CEL's own conformance suite that the rule language covers.

Each is a rule (`cel_conformance/adapting.py` says how) that goes through the whole
compiler; its tree and its clauses must say what the suite says.  A case that the
compiler refuses must be refused with the code noted here, and
docs/reference/cel-conformance.md must tell the same numbers.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
from msgspec import Struct

from policy_compiler.diagnostics import CatalogRefused, errors_of
from tests.policy_compiler.cel_conformance.adapting import Case, Variant, files, variants
from tests.support.oracle import Answers, Policy
from tests.support.parts import ROOT
from tests.support.rule_generator import Context
from tests.support.rule_inputs import NOW_S

DOCUMENT = ROOT / "docs" / "reference" / "cel-conformance.md"
FILES = files()
CASES = [(name, case) for name, file in FILES.items() for case in file.cases]


class Expected(Struct, frozen=True):
    """Cases that agree, that are refused (by code), and that were not carried over."""

    agree: int
    refused: dict[str, int]
    left_out: int


EXPECTED = {
    "basic": Expected(agree=24, refused={"P208": 1}, left_out=18),
    "comparisons": Expected(46, {"P203": 5, "P205": 42, "P207": 2, "P213": 2}, 310),
    "fields": Expected(7, {}, 34),
    "lists": Expected(3, {"P213": 1}, 26),
    "logic": Expected(18, {"P203": 7}, 5),
    "macros": Expected(2, {}, 40),
    "parse": Expected(3, {"P210": 1}, 8),
    "string": Expected(22, {}, 29),
    "timestamps": Expected(9, {"P214": 1}, 64),
}


def answer(variant: Variant) -> Answers | str:
    """What the compiled rule says, or the code with which it is refused."""
    try:
        policy = Policy([variant.rule], variant.attributes, {})
    except CatalogRefused as refused:
        (code,) = {each.code for each in errors_of(refused.diagnostics)}
        return code
    context = Context(variant.sent, {}, contextual=False, now_s=NOW_S)
    return policy.answers(context)[0]


def outcome(case: Case) -> str:
    """`agrees`, or the code with which every variant of the case is refused."""
    found = set()
    for variant in variants(case):
        said = answer(variant)
        if not isinstance(said, str):
            right = Answers(variant.expected, variant.expected is True)
            assert said == right, f"{case.name}: {variant.rule}"
        found.add(said if isinstance(said, str) else "agrees")
    (one,) = found
    return one


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {name: Counter() for name in FILES}
    for name, case in CASES:
        found[name][outcome(case)] += 1
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_case_agrees_or_is_refused_as_noted(
    name: str, outcomes: dict[str, Counter[str]]
) -> None:
    found = dict(outcomes[name])
    agree = found.pop("agrees")
    left_out = sum(map(len, FILES[name].left_out.values()))
    assert Expected(agree, found, left_out) == EXPECTED[name]


def test_the_suite_is_named_once_and_every_file_says_where_it_is_from() -> None:
    for name, file in FILES.items():
        assert file.source == f"google/cel-spec, tests/simple/testdata/{name}.textproto"
        assert re.fullmatch("[0-9a-f]{40}", file.commit) and file.license == "Apache-2.0"
        names = [case.name for case in file.cases]
        names += [each for left_out in file.left_out.values() for each in left_out]
        assert len(names) == len(set(names))


def test_a_case_that_says_otherwise_is_noticed() -> None:
    (case,) = (c for name, c in CASES if (name, c.name) == ("comparisons", "eq_literal/eq_int"))
    with pytest.raises(AssertionError, match=r"eq_int: x\.a == 1"):
        outcome(Case(case.name, case.expr, False))


def test_the_document_tells_the_same_numbers() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|$", document, re.M)
    told = {name: (int(agree), int(refused), int(out)) for name, agree, refused, out in rows}
    counted = {
        name: (each.agree, sum(each.refused.values()), each.left_out)
        for name, each in EXPECTED.items()
    }
    assert told == counted


def test_the_document_names_every_reason_and_every_code() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    reasons = Counter[str]()
    for file in FILES.values():
        reasons.update({why: len(cases) for why, cases in file.left_out.items()})
    codes = Counter[str]()
    for each in EXPECTED.values():
        codes.update(each.refused)
    for why, count in reasons.items():
        assert f"| {why} | {count} |" in document
    for code, count in codes.items():
        assert re.search(rf"^\| \[{code}\]\([^)]*\) \| .* \| {count} \|$", document, re.M)
