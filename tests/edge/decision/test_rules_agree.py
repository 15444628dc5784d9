"""The meaning of a rule (`rule.truth`) against the clauses that decide.

Thousands of pairs of a random rule tree and a random request: the definition, over
facts that are made together with the request and never pass through the core, says
true exactly where the offer's clauses hold.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.eligibility import offers_of
from edge.decision.facts import RequestFacts
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.rule import Node, Value, truth
from edge.decision.situation import situate
from policy_compiler.catalog import Offer, Rung
from policy_compiler.plan import OfferTooWide
from tests.support.policies import ATTRIBUTES, a_catalog, bundle_of, random_tree
from tests.support.requests import RequestMaker, Said, derived_values

POLICIES, RULES, REQUESTS = 25, 12, 20
GARBAGE: tuple[Any, ...] = ("\ud800", {}, 0.5)
RUNG = Rung(id="r", amount=Decimal(1))


class Facts(Struct):
    """What a request says, by the maker's own account."""

    values: dict[str, Value]
    sent: frozenset[str]
    withheld: frozenset[str] = frozenset()

    def value(self, attribute: str) -> Value | None:
        return None if attribute in self.withheld else self.values.get(attribute)

    def absent(self, attribute: str) -> bool:
        """A derived one: if an operand is absent and none is worse."""
        bases = _bases(attribute)
        invalid = any(base in self.sent and base not in self.values for base in bases)
        withheld = not self.withheld.isdisjoint((attribute, *bases))
        return not (invalid or withheld) and not self.sent.issuperset(bases)


def _bases(attribute: str) -> tuple[str, ...]:
    made = ATTRIBUTES[attribute].derived
    if made is None:
        return (attribute,)
    return (made.age_s,) if made.age_s else tuple(made.sum or made.difference or ())


def facts_of(bundle: Bundle, said: Said) -> Facts:
    values = said.values | derived_values(bundle, said.values, said.fields["now_s"])
    sent = frozenset(said.attributes)
    personal = {name for name, attribute in ATTRIBUTES.items() if "personal" in attribute.labels}
    withheld = personal if said.fields["consent"] == "contextual" else set()
    return Facts(values, sent, frozenset(withheld))


def a_policy(seed: int) -> tuple[Bundle, list[Node]]:
    """Offers r0, r1, ... (in this order), one per rule."""
    random = Random(seed)
    while True:
        trees = [random_tree(random, random.randint(0, 3)) for _ in range(RULES)]
        offers = [
            Offer(id=f"r{i:02}", title="", kind="fixed", placements=["list"], rungs=[RUNG])
            for i in range(RULES)
        ]
        try:
            rules = {offer.id: tree for offer, tree in zip(offers, trees, strict=True)}
            return bundle_of(a_catalog(offers=offers), rules), trees
        except OfferTooWide:
            continue


def eligible(bundle: Bundle, text: bytes) -> set[int]:
    situation = situate(bundle, unpack_request(encode_request(bundle, text).data))
    return set(offers_of(bundle.clauses.holding(situation), bundle.tables.offer_clause))


@pytest.mark.parametrize("seed", range(POLICIES))
def test_clauses_hold_exactly_where_the_rule_is_true(seed: int) -> None:
    bundle, trees = a_policy(seed)
    maker = RequestMaker(bundle, seed)
    truths = 0
    for _ in range(REQUESTS):
        said = maker.request(consent="contextual" if maker.random.random() < 0.2 else "full")
        facts, found = facts_of(bundle, said), eligible(bundle, said.text)
        for row, tree in enumerate(trees):
            meant = truth(tree, facts) is True
            assert meant == (row in found), (tree, said.fields)
            truths += meant
    assert 0 < truths < RULES * REQUESTS


def test_that_were_enough_pairs() -> None:
    assert POLICIES * RULES * REQUESTS >= 3000


@pytest.mark.parametrize("seed", range(POLICIES, POLICIES + 8))
def test_the_cores_own_facts_say_the_same_as_the_makers(seed: int) -> None:
    """Explanations read `RequestFacts`."""
    bundle, trees = a_policy(seed)
    maker = RequestMaker(bundle, seed)
    for _ in range(REQUESTS):
        said = maker.request(consent=maker.random.choice(["contextual", "full"]))
        request = unpack_request(encode_request(bundle, said.text).data)
        theirs = RequestFacts(bundle, request, situate(bundle, request))
        for tree in trees:
            assert truth(tree, theirs) is truth(tree, facts_of(bundle, said)), (tree, said.fields)


@pytest.mark.parametrize("seed", range(100, 112))
def test_garbage_or_refused_consent_never_makes_an_offer_eligible(seed: int) -> None:
    """An invalid or withheld attribute leaves a subset of what any value, or none, gives."""
    bundle, _ = a_policy(seed)
    maker = RequestMaker(bundle, seed)
    names = list(bundle.attribute_rows)
    for _ in range(REQUESTS):
        said = maker.request(consent="full")
        before = eligible(bundle, said.text)
        for name in maker.random.sample(names, 4):
            attributes = said.attributes | {name: maker.random.choice(GARBAGE)}
            broken = Said(said.fields | {"attributes": attributes}, said.values)
            assert eligible(bundle, broken.text) <= before, (name, said.fields)
        refused = Said(said.fields | {"consent": "contextual"}, said.values)
        assert eligible(bundle, refused.text) <= before, said.fields
