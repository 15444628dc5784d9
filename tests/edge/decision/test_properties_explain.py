"""Explanations are true: what they say would help helps, and their numbers add up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from edge.decision.arbitration import Page
from edge.decision.bundle import Bundle
from edge.decision.explain import ArmExplained, SlotExplained, explain
from edge.decision.guardrails import ceiling_of, floor_of
from edge.decision.manifest import ManifestBlock
from edge.decision.reasons import ArmReason
from edge.decision.repair import Change
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.visit import begin
from tests.edge.decision.test_rules_agree import a_policy
from tests.support.requests import NOW_S, RequestMaker
from tests.support.situations import POLICIES, policy, situation

SEEDS = st.integers(0, 10**9)
RULES = ("NOT_ELIGIBLE", "NOT_APPLICABLE", "NOT_SUITABLE")
LONG = ManifestBlock(digest=bytes(32), issued_s=NOW_S, expires_s=1 << 33)
AMOUNT = re.compile(r"-?\d+\.\d{2,6}")


def explained(
    bundle: Bundle, fields: dict[str, Any], manifest: ManifestBlock = LONG
) -> list[SlotExplained]:
    data = encode_request(bundle, json.dumps(fields).encode()).data
    return explain(bundle, manifest, unpack_request(data))


def changed(fields: dict[str, Any], changes: tuple[Change, ...]) -> dict[str, Any]:
    attributes = dict(fields["attributes"])
    for change in changes:
        attributes.pop(change.attribute, None)
        if change.to is not None:
            attributes[change.attribute] = change.to
    return fields | {"attributes": attributes}


def eligible(bundle: Bundle, fields: dict[str, Any]) -> set[str]:
    """Offers whose clauses hold: the decision's own answer, not the explanation's."""
    data = encode_request(bundle, json.dumps(fields).encode()).data
    visit = begin(bundle, LONG, unpack_request(data))
    names = bundle.tables.offer_name
    return {bundle.text(names[offer]) for offer in visit.eligible}


def refused_by_rule(slots: list[SlotExplained]) -> Iterator[tuple[str, ArmExplained]]:
    for slot in slots:
        yield from ((arm.arm.split("/")[0], arm) for arm in slot.arms if arm.reason in RULES)


@settings(max_examples=80)
@given(st.integers(200, 211), SEEDS, st.booleans())
def test_the_suggested_change_makes_the_offer_eligible(
    number: int, seed: int, contextual: bool
) -> None:
    bundle, _ = a_policy(number)
    fields = RequestMaker(bundle, seed).request(
        consent="contextual" if contextual else "full", taken=[], state={}, now_s=NOW_S
    ).fields  # fmt: skip
    before = eligible(bundle, fields)
    for offer, arm in refused_by_rule(explained(bundle, fields)):
        assert offer not in before
        if arm.changes:
            assert arm.flips
            assert offer in eligible(bundle, changed(fields, arm.changes)), arm


def test_most_refusals_by_rule_come_with_such_a_change() -> None:
    told = helped = 0
    for number in range(200, 212):
        bundle, _ = a_policy(number)
        maker = RequestMaker(bundle, number)
        for _ in range(8):
            fields = maker.request(consent="full", taken=[], state={}, now_s=NOW_S).fields
            for _, arm in refused_by_rule(explained(bundle, fields)):
                told += 1
                helped += bool(arm.changes)
    assert told > 300
    assert helped > 0.75 * told


@settings(max_examples=60)
@given(st.integers(200, 211), SEEDS)
def test_no_single_attribute_would_do_where_several_are_named(number: int, seed: int) -> None:
    bundle, _ = a_policy(number)
    maker = RequestMaker(bundle, seed)
    fields = maker.request(consent="full", taken=[], state={}, now_s=NOW_S).fields
    several = {
        offer for offer, arm in refused_by_rule(explained(bundle, fields)) if len(arm.changes) > 1
    }
    for name in bundle.attribute_rows if several else ():
        for _ in range(4):
            other = maker.request(consent="full", taken=[], state={}, now_s=NOW_S).attributes
            to = other.get(name)
            now = eligible(bundle, changed(fields, (Change(name, to),)))
            assert not several & now, (name, to)


# --- numbers ------------------------------------------------------------------


@settings(max_examples=150)
@given(st.integers(0, POLICIES - 1), SEEDS)
def test_the_parts_of_a_score_add_up_to_it(number: int, seed: int) -> None:
    bundle = policy(number).bundle
    manifest, said, _ = situation(seed, bundle)
    for slot in explained(bundle, said.fields, manifest):
        for arm in slot.arms:
            if arm.score_micros is not None:
                assert sum(part.micros for part in arm.parts) == arm.score_micros, arm


@settings(max_examples=150)
@given(st.integers(0, POLICIES - 1), SEEDS)
def test_guardrails_are_told_with_the_decisions_own_numbers(number: int, seed: int) -> None:
    bundle = policy(number).bundle
    tables = bundle.tables
    manifest, said, rows = situation(seed, bundle)
    request = unpack_request(encode_request(bundle, said.text).data)
    visit = begin(bundle, manifest, request)
    page = visit.page()
    for slot, row in zip(explain(bundle, manifest, request), rows, strict=True):
        for arm in slot.arms:
            _check_numbers(bundle, visit, page, arm)
        visit.take(page, row.ghost.arm)
    assert len(tables.placement_key) > 0


def _check_numbers(bundle: Bundle, visit: Any, page: Page, arm: ArmExplained) -> None:
    index, told = bundle.arm_rows[arm.arm], [_micros(each) for each in _amounts(arm)]
    cost = visit.incentive(index)
    if arm.reason == "OVER_CEILING":
        ceiling = ceiling_of(bundle.tables, visit.cart, index)
        assert ceiling is not None and cost > ceiling
        assert told == [cost, ceiling, cost - ceiling]
    if arm.reason == "UNDER_FLOOR":
        floor = max(floor_of(bundle.tables, visit.cart, index), page.floor)
        left = visit.cart.margin - cost - page.micros
        assert left < floor
        assert told == [visit.cart.margin, cost, page.micros, left, floor, floor - left]


def _amounts(arm: ArmExplained) -> list[str]:
    return AMOUNT.findall(" ".join([arm.because, *arm.flips]))


def _micros(text: str) -> int:
    whole, _, digits = text.partition(".")
    return int(whole + digits.ljust(6, "0"))


@settings(max_examples=60)
@given(st.integers(0, POLICIES - 1), SEEDS)
def test_enough_more_margin_removes_a_floor_and_enough_less_of_a_ceiling(
    number: int, seed: int
) -> None:
    """Where the margin is sent, sending so much more of it lets the arm in."""
    bundle = policy(number).bundle
    manifest, said, _ = situation(seed, bundle, taken=[], consent="full")
    manifest = structs.replace(manifest, paused_rungs=(), paused_offers=())
    if not isinstance(said.values.get("a.margin"), int):
        return
    first = explained(bundle, said.fields, manifest)[:1]
    for arm in first[0].arms if first else ():
        if arm.reason != "UNDER_FLOOR":
            continue
        more = -(-_micros(_amounts(arm)[-1]) // 10_000)
        cents = int(said.values["a.margin"]) + more  # type: ignore[arg-type]
        if cents > 20_000:
            continue
        sent = changed(said.fields, (Change("a.margin", f"{cents / 100:.2f}"),))
        again = explained(bundle, sent, manifest)[0].arms
        reasons = {each.arm: each.reason for each in again}
        assert reasons[arm.arm] != ArmReason.UNDER_FLOOR.name


@settings(max_examples=150)
@given(st.integers(0, POLICIES - 1), SEEDS)
def test_every_offer_is_told_about_and_every_refusal_has_a_sentence(number: int, seed: int) -> None:
    bundle = policy(number).bundle
    manifest, said, _ = situation(seed, bundle)
    for slot in explained(bundle, said.fields, manifest):
        if slot.arms:
            assert [arm.arm for arm in slot.arms] == list(bundle.arm_rows)[1:]
        for arm in slot.arms:
            shown = arm.reason == "CANDIDATE" and arm.arm == slot.would_show
            assert shown == (arm.because == "")
            assert not arm.because or arm.because.endswith(".")
            assert all(flip and not flip.endswith(".") for flip in arm.flips)
            if arm.reason not in ("CANDIDATE", "NOT_OFFERED_HERE", "CAP_REACHED"):
                assert arm.flips or arm.because == "The rule cannot be true.", arm
