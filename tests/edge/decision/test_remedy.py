"""What would let an arm in: whatever is proposed does, or what still speaks against it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from edge.decision.bundle import Bundle, open_bundle, write_bundle
from edge.decision.errors import BundleError
from edge.decision.explain import ArmExplained, explain
from edge.decision.manifest import ManifestBlock
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from tests.conformance.building import committed
from tests.edge.decision.test_properties_explain import changed, explained
from tests.support.requests import NOW_S
from tests.support.situations import POLICIES, policy, situation

FRESH = ManifestBlock(digest=bytes(32), issued_s=NOW_S - 9, expires_s=NOW_S + 10**9)
IN = ("CANDIDATE", "NOT_AMONG_BEST")


def sent_otherwise(fields: dict[str, Any], arm: ArmExplained) -> dict[str, Any]:
    """The request with all that is proposed."""
    fields = changed(fields, arm.changes)
    if "consent must be full" in arm.flips:
        fields |= {"consent": "full"}
    if "the state must be sent whole" in arm.flips:
        fields |= {"state": {**(fields.get("state") or {}), "overflow": False}}
    return fields


def is_whole(arm: ArmExplained) -> bool:
    only_words = {"consent must be full", "the state must be sent whole"}
    proposed = bool(arm.changes) or not only_words.isdisjoint(arm.flips)
    return proposed and not arm.still and arm.reason not in IN


@settings(max_examples=80, deadline=None)
@given(st.integers(0, POLICIES - 1), st.integers(0, 10**9))
def test_a_change_with_nothing_left_against_it_makes_the_arm_a_candidate(
    number: int, seed: int
) -> None:
    bundle = policy(number).bundle
    manifest, said, _ = situation(seed, bundle)
    for position, slot in enumerate(explained(bundle, said.fields, manifest)[:2]):
        whole = [arm for arm in slot.arms if is_whole(arm)]
        for arm in whole[:6]:
            after = explained(bundle, sent_otherwise(said.fields, arm), manifest)[position]
            (now,) = [each for each in after.arms if each.arm == arm.arm]
            assert now.reason in IN, (arm, now)


def asked(policy: str, slot: str, arm: str, **fields: Any) -> ArmExplained:
    bundle = committed(policy)
    request = {"visitor": "gus", "nonce": "n", "consent": "full", "now_s": NOW_S,
               "placements": [slot], "state": {}} | fields  # fmt: skip
    data = encode_request(bundle, json.dumps(request).encode()).data
    (slot_told, *_) = explain(bundle, FRESH, unpack_request(data))
    return next(each for each in slot_told.arms if each.arm == arm)


def test_what_stands_behind_the_first_objection_is_told_too() -> None:
    """The rule is repaired, and then the cost of a larger cart breaks the ceiling."""
    bundle = _with_rule(committed("money"), "tenth", "cart.total", 33_45)
    request = {"visitor": "gus", "nonce": "n", "consent": "full", "now_s": NOW_S,
               "placements": ["list"], "attributes": {"cart.total": 20}}  # fmt: skip
    data = encode_request(bundle, json.dumps(request).encode()).data
    (slot, *_) = explain(bundle, FRESH, unpack_request(data))
    found = next(each for each in slot.arms if each.arm == "tenth/p10")
    assert found.reason == "NOT_ELIGIBLE"
    assert found.still == "It costs 3.35; at most 3.34 is allowed."


def _with_rule(bundle: Bundle, offer: str, attribute: str, least: int) -> Bundle:
    """The rule in words alone: deciding would still read the clauses."""
    from edge.decision.notes import pack_notes
    from edge.decision.rule import Compare

    names = [bundle.text(row) for row in bundle.tables.offer_name]
    rule = Compare(attribute=attribute, op=">=", value=least, text=f"{attribute} >= {least}")
    notes = list(bundle.notes.offers)
    notes[names.index(offer)] = structs.replace(notes[names.index(offer)], eligible=rule)
    packed = pack_notes(structs.replace(bundle.notes, offers=tuple(notes)))
    return open_bundle(write_bundle(structs.replace(bundle.tables, notes=packed)))


def test_consent_alone_is_not_called_enough_where_the_rule_is_not_true() -> None:
    found = asked("consent", "list", "capped/one", consent="contextual")
    assert found.reason == "NEEDS_IDENTITY"
    assert "consent must be full" in found.flips
    assert found.still == ""


def test_more_margin_is_proposed_as_a_value() -> None:
    sent = {"cart.total": 100, "cart.margin": "9.99"}
    found = asked("money", "list", "gift/mug", attributes=sent)
    assert found.flips == ("the margin must be 0.01 more",)
    assert [(each.attribute, each.to) for each in found.changes] == [("cart.margin", "10.00")]


def test_rules_of_attributes_that_are_not_there_are_refused_before_anything_is_said() -> None:
    bundle = committed("rules")
    notes = bytes(bundle.tables.notes).replace(b"customer.orders", b"customer.ordurs")
    damaged = open_bundle(write_bundle(structs.replace(bundle.tables, notes=notes)))
    request = {"visitor": "g", "nonce": "n", "consent": "full", "now_s": NOW_S,
               "placements": ["list"]}  # fmt: skip
    data = encode_request(damaged, json.dumps(request).encode()).data
    with pytest.raises(BundleError, match=r"customer[.]ordurs"):
        explain(damaged, FRESH, unpack_request(data))
