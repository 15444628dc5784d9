"""What a rule means, asked three times: an independent CEL evaluator, the edge's
definition over the rule's tree, and the clauses that the decision reads.

    differences(seed=7, rules=100, contexts=20)

The oracle is cel-python, which shares no line with the compiler.  It reads the
rule's own text, with two things written differently, both by CEL's own words:

* `rules.x` is the text of that rule in brackets.
* `has(e.f)` is `("f" in e)`.  For a map the language defines the first by the
  second; cel-python's `has` takes an error in `e` for "no", where CEL keeps it.

An attribute `level.points` is the entry `points` of a map `level`.  Absent, the map
has no such entry; withheld or invalid, `level` itself is an error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import celpy
from celpy import celtypes
from celpy.evaluation import CELEvalError
from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.eligibility import offers_of
from edge.decision.facts import RequestFacts
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.rule import Node, Truth, truth
from edge.decision.situation import situate
from policy_compiler.compiling import compile_source
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.source import source_of_objects
from tests.support.rule_generator import Context, rules_and_contexts
from tests.support.rule_inputs import ATTRIBUTES, NAMED_RULES, Meant, Moment, State

# --- the oracle ---------------------------------------------------------------

_HAS = re.compile(r"has\((\w+)\.(\w+)\)")
_RULE = re.compile(r"\brules\.(\w+)")


def in_the_oracles_words(rule: str, named: Mapping[str, str] = NAMED_RULES) -> str:
    while _RULE.search(rule):
        rule = _RULE.sub(lambda found: f"({named[found[1]]})", rule)
    return _HAS.sub(r'("\2" in \1)', rule)


class Oracle:
    """cel-python over attributes that may be absent or in error."""

    def __init__(self) -> None:
        limit = sys.getrecursionlimit()
        self.environment = celpy.Environment()
        sys.setrecursionlimit(limit)  # the environment raises it for the whole process

    def program(self, rule: str, named: Mapping[str, str] = NAMED_RULES) -> Program:
        return Program(self.environment, in_the_oracles_words(rule, named))


class Program:
    """One rule, read by the oracle."""

    def __init__(self, environment: Any, text: str) -> None:
        self.now_s = 0
        functions = {"age_s": self._age_s, "intersects": _intersects}
        self.program = environment.program(environment.compile(text), functions=functions)

    def truth(self, meant: Mapping[str, Meant], now_s: int) -> Truth:
        """True, false, or None for an error."""
        self.now_s = now_s
        try:
            result = self.program.evaluate(bindings(meant))
        except CELEvalError:
            return None
        assert isinstance(result, celtypes.BoolType)
        return bool(result)

    def _age_s(self, moment: Any) -> Any:
        if isinstance(moment, CELEvalError):
            return moment
        return celtypes.IntType(self.now_s - int(moment.timestamp()))


def _intersects(_: Any, left: Any, right: Any) -> Any:
    for side in (left, right):
        if isinstance(side, CELEvalError):
            return side
    return celtypes.BoolType(any(each in right for each in left))


def bindings(meant: Mapping[str, Meant]) -> dict[str, Any]:
    """The attributes as the oracle's variables, one map for each."""
    bound: dict[str, Any] = {"sets": celtypes.MapType()}
    for name, value in meant.items():
        first, _, second = name.partition(".")
        if value is State.ERROR:
            bound[first] = CELEvalError(f"{name} must not be used")
        elif value is State.ABSENT:
            bound[first] = celtypes.MapType()
        else:
            bound[first] = celtypes.MapType({celtypes.StringType(second): _value(value)})
    return bound


_TYPES: dict[type, Callable[[Any], Any]] = {
    bool: celtypes.BoolType,
    int: celtypes.IntType,
    float: celtypes.DoubleType,
    str: celtypes.StringType,
    tuple: lambda words: celtypes.ListType([celtypes.StringType(word) for word in words]),
    Moment: lambda moment: celtypes.TimestampType(_text_of(moment)),
}


def _value(value: Meant) -> Any:
    return _TYPES[type(value)](value)


def _text_of(moment: Moment) -> str:
    return f"{datetime.fromtimestamp(moment.at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- the compiled rules -------------------------------------------------------


class Answers(Struct, frozen=True):
    """What one rule means for one request, by the tree and by the clauses."""

    tree: Truth
    eligible: bool


class Policy:
    """Many rules through the real compiler at once: an offer for each, in one bundle."""

    def __init__(
        self,
        rules: Sequence[str],
        attributes: Mapping[str, object] = ATTRIBUTES,
        named: Mapping[str, str] = NAMED_RULES,
    ) -> None:
        self.too_wide: set[int] = set()
        self.bundle = self._compiled(rules, attributes, named)

    def _compiled(
        self, rules: Sequence[str], attributes: Mapping[str, object], named: Mapping[str, str]
    ) -> Bundle:
        """Rules that the compiler refuses as too wide are left out, one by one."""
        while True:
            kept = [i for i in range(len(rules)) if i not in self.too_wide]
            objects = catalog({i: rules[i] for i in kept}, attributes, named)
            try:
                return compile_source(source_of_objects(objects)).bundle
            except CatalogRefused as refused:
                errors = [each for each in refused.diagnostics if each.severity == "error"]
                if {each.code for each in errors} != {"P401"}:
                    raise
                self.too_wide |= {kept[_offer_at(each.path)] for each in errors}

    @cached_property
    def trees(self) -> dict[int, Node]:
        """The rule of each offer, as it travels in the bundle."""
        found = {}
        for row, note in enumerate(self.bundle.notes.offers):
            assert note.eligible is not None
            found[self._rule_of(row)] = note.eligible
        return found

    def _rule_of(self, offer: int) -> int:
        name = self.bundle.text(self.bundle.tables.offer_name[offer])
        return int(name.removeprefix("r"))

    def answers(self, context: Context) -> dict[int, Answers]:
        request = unpack_request(encode_request(self.bundle, request_json(context)).data)
        situation = situate(self.bundle, request)
        holding = self.bundle.clauses.holding(situation)
        offers = offers_of(holding, self.bundle.tables.offer_clause)
        eligible = {self._rule_of(offer) for offer in offers}
        facts = RequestFacts(self.bundle, request, situation)
        return {
            rule: Answers(truth(tree, facts), rule in eligible) for rule, tree in self.trees.items()
        }


def _offer_at(path: str) -> int:
    place = re.match(r"offers\[(\d+)\]", path)
    assert place, path
    return int(place[1])


def catalog(
    rules: Mapping[int, str], attributes: Mapping[str, object], named: Mapping[str, str]
) -> dict[str, object]:
    return {
        "shop": {
            "tenant": "oracle",
            "title": "Oracle",
            "currency": {"code": "EUR"},
            "locales": ["en"],
            "zone": "UTC",
            "economics": {
                "order_value": "worth.total",
                "order_value_otherwise": 0,
                "margin_percent": 0,
            },
        },
        "attributes": {
            **attributes,
            "worth.total": {"type": "decimal", "scale": 2, "money": True, "maximum": 1},
        },
        "rules": dict(named),
        "placements": {"list": {"title": "List", "rank": 1}},
        "offers": [
            {
                "id": f"r{index}",
                "title": "Rule",
                "kind": "gift",
                "placements": ["list"],
                "token": False,
                "rungs": [{"id": "x", "unit_cost": 0}],
                "eligible": rule,
            }
            for index, rule in rules.items()
        ],
    }


def request_json(context: Context) -> bytes:
    return json.dumps(
        {
            "visitor": "v",
            "nonce": "n",
            "consent": "contextual" if context.contextual else "full",
            "now_s": context.now_s,
            "placements": ["list"],
            "attributes": context.sent,
        }
    ).encode()


# --- comparing ----------------------------------------------------------------


class Difference(Struct, frozen=True, kw_only=True):
    seed: int
    rule: str
    context: Context
    oracle: Truth
    answers: Answers

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.rule}\n"
            f"  request   {request_json(self.context).decode()}\n"
            f"  cel-python says {_word(self.oracle)}, the tree {_word(self.answers.tree)},"
            f" the clauses {'eligible' if self.answers.eligible else 'not eligible'}"
        )


def _word(value: Truth) -> str:
    return "error" if value is None else str(value).lower()


class Comparison(Struct):
    """How many pairs had which answer, and those on which the three disagree."""

    pairs: int = 0
    true: int = 0
    false: int = 0
    error: int = 0
    too_wide: int = 0
    differences: list[Difference] = []

    def count(self, said: Truth) -> None:
        self.pairs += 1
        name = _word(said)
        setattr(self, name, getattr(self, name) + 1)


def compared(oracle: Oracle, seed: int, rules: int, contexts: int) -> Comparison:
    """Every rule of the seed in every context of the seed."""
    texts, requests = rules_and_contexts(seed, rules, contexts)
    policy, found = Policy(texts), Comparison()
    found.too_wide = len(policy.too_wide)
    programs = {index: oracle.program(texts[index]) for index in policy.trees}
    for request in requests:
        for index, answers in policy.answers(request).items():
            said = programs[index].truth(request.meant, request.now_s)
            found.count(said)
            if answers != Answers(said, said is True):
                found.differences.append(
                    Difference(
                        seed=seed, rule=texts[index], context=request, oracle=said, answers=answers
                    )
                )
    return found


def batches(seed: int, pairs: int, rules: int = 100, contexts: int = 20) -> Iterator[int]:
    """Seeds of as many batches as make that many pairs."""
    yield from range(seed, seed + -(-pairs // (rules * contexts)))
