"""Explanations: in the rule's words, with the guardrail's numbers, and never another story
than the decision's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import beacon
from edge.decision.beacon import unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.explain import ArmExplained, Part, explain
from edge.decision.hashing import key_of
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.objections import instant
from edge.decision.repair import Change
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from tests.conformance.building import committed
from tests.support.policies import random_bundle
from tests.support.requests import NOW_S, RequestMaker

FRESH = ManifestBlock(digest=bytes(32), issued_s=NOW_S - 9, expires_s=NOW_S + 9)
NO_CHOICE = {"NO_CONSENT", "NO_CUSTOMER", "STALE", "PAUSED"}


def explained(
    policy: str, slot: str, manifest: ManifestBlock = FRESH, **fields: Any
) -> dict[str, ArmExplained]:
    """What is said about each arm of the slot, such as `list/0`."""
    bundle = committed(policy)
    placement, _, index = slot.partition("/")
    request = {
        "visitor": "gus", "nonce": "n", "consent": "full", "now_s": NOW_S,
        "placements": [placement], "state": {},
    } | fields  # fmt: skip
    data = encode_request(bundle, json.dumps(request).encode()).data
    for each in explain(bundle, manifest, unpack_request(data)):
        if (each.placement, each.slot) == (placement, int(index)):
            return {arm.arm: arm for arm in each.arms}
    raise AssertionError(f"there is no slot {slot}")


def rule(offer: str, attributes: dict[str, Any], **fields: Any) -> ArmExplained:
    return explained("rules", "list/0", attributes=attributes, **fields)[f"{offer}/one"]


def test_the_first_failing_condition_is_told_in_the_rules_own_words() -> None:
    found = rule("few", {"customer.orders": 7})
    assert found.reason == "NOT_ELIGIBLE"
    assert found.because == "customer.orders <= 5 must hold: customer.orders is 7."
    assert found.flips == ("customer.orders <= 5 must hold",)


def test_what_is_absent_invalid_or_withheld_is_told_as_such() -> None:
    assert rule("few", {}).because == "customer.orders > 1 must hold: customer.orders is absent."
    assert rule("few", {"customer.orders": -1}).because.endswith("customer.orders is invalid.")
    withheld = rule("few", {"customer.orders": 3}, consent="contextual")
    assert withheld.because.endswith("customer.orders is withheld.")


@pytest.mark.parametrize(
    ("offer", "attributes", "flips"),
    [
        ("has", {}, ("customer.orders must be sent",)),
        ("has-not", {"customer.orders": 1}, ("customer.orders must not be sent",)),
        ("abroad", {"geo.country": "DE"}, ('geo.country != "DE" must hold',)),
        ("known", {"customer.is_new": True}, ("customer.is_new must not hold",)),
        ("not-few", {"customer.orders": 3}, ("customer.orders > 1 must not hold",)),
        (
            "resolution",
            {"geo.country": "FR", "cart.total": 80},
            ("customer.is_new must hold",),
        ),
        (
            "vip-not-staff",
            {"visit.tags": ["staff"]},
            ('"vip" in visit.tags must hold', '"staff" in visit.tags must not hold'),
        ),
        ("sale", {"visit.page": "/"}, ('visit.page.startsWith("/sale") must hold',)),
        (
            "ternary",
            {"customer.is_new": True, "cart.total": 1},
            ("cart.total >= 50.00 must hold",),
        ),
    ],
)
def test_the_smallest_change_is_named(
    offer: str, attributes: dict[str, Any], flips: tuple[str, ...]
) -> None:
    assert rule(offer, attributes).flips == flips


def test_values_are_written_as_an_author_would() -> None:
    cheap = {"customer.is_new": True, "cart.total": "1.5"}
    assert rule("ternary", cheap).because.endswith("cart.total is 1.50.")
    assert rule("sale", {"visit.page": "/x"}).because.endswith('visit.page is "/x".')
    assert rule("vip", {"visit.tags": ["b", "a"]}).because.endswith('visit.tags is {"a", "b"}.')
    assert rule("known", {"customer.is_new": True}).because.endswith("customer.is_new is true.")


def test_guardrails_are_told_with_their_numbers() -> None:
    over = explained("money", "list/0", attributes={"cart.total": "33.45"})["tenth/p10"]
    assert (over.reason, over.because) == (
        "OVER_CEILING", "It costs 3.35; at most 3.34 is allowed."
    )  # fmt: skip
    assert over.incentive_micros == 3_350_000
    sent = {"cart.total": 100, "cart.margin": "9.99"}
    under = explained("money", "list/0", attributes=sent)["gift/mug"]
    assert under.reason == "UNDER_FLOOR"
    assert under.because == (
        "The cart's margin of 9.99 less 6.00 for this and 0.00 for what is taken leaves 3.99; "
        "at least 4.00 must be left."
    )


def test_what_was_taken_before_counts_in_the_numbers() -> None:
    sent = {"cart.total": 100, "cart.margin": 10}
    second = explained("page", "gifts/1", attributes=sent)["gift-b/one"]
    assert second.because == (
        "The cart's margin of 10.00 less 4.00 for this and 4.00 for what is taken leaves 2.00; "
        "at least 3.00 must be left."
    )


@pytest.mark.parametrize(
    ("policy", "slot", "arm", "reason", "fields"),
    [
        ("page", "alpha/0", "gift-a/one", "NOT_OFFERED_HERE", {}),
        ("times", "list/0", "march/one", "OUTSIDE_WINDOW", {"now_s": NOW_S + 7 * 86400}),
        ("times", "list/0", "evening/one", "OUTSIDE_WINDOW", {}),
        ("times", "list/0", "young-policy/one", "POLICY_TOO_OLD", {"now_s": NOW_S + 700}),
        ("caps", "list/0", "ever/one", "CAP_REACHED", {"ever": 1}),
        ("caps", "list/0", "strict/one", "CAP_UNKNOWN", {"state": None}),
        ("consent", "list/0", "capped/one", "NEEDS_IDENTITY", {"consent": "contextual"}),
        ("page", "zenith/1", "gold/one", "OFFER_TAKEN", {}),
        ("page", "zenith/1", "silver/one", "GROUP_TAKEN", {}),
        ("page", "alpha/0", "lonely/one", "NOT_STACKABLE", {"placements": ["alpha", "zenith"]}),
        ("page", "gifts/0", "gift-a/one", "TAKEN_UNKNOWN", {"taken": "gone/one"}),
        ("money", "list/0", "by-weight/std", "COST_UNKNOWN", {}),
        ("choices", "careful/0", "bad/much", "BELOW_NONE", {}),
        ("crowd", "all/0", "low/s05", "NOT_AMONG_BEST", {}),
    ],
)
def test_every_objection_has_its_reason_and_its_sentence(
    policy: str, slot: str, arm: str, reason: str, fields: dict[str, Any]
) -> None:
    fields = dict(fields)
    if fields.pop("ever", 0):
        key = committed("caps").tables.cap_key[1]
        fields["state"] = {"caps": [{"key": key, "window": 0, "count": 1}]}
    if arm_name := fields.pop("taken", None):
        fields["taken"] = [{"placement": "gone", "slot": 0, "arm": arm_name}]
    late = ManifestBlock(digest=bytes(32), issued_s=NOW_S - 9, expires_s=NOW_S + 10**9)
    found = explained(policy, slot, late, **fields)[arm]
    assert found.reason == reason
    assert found.because.endswith(".")


@given(st.integers(0, (1 << 32) - 1))
def test_instants_are_written_as_the_calendar_has_them(seconds: int) -> None:
    assert instant(seconds) == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("policy", "slot", "arm", "because", "flips", "fields"),
    [
        ("reasons", "list/0", "soon/one",
         "Now is outside the offer's window: it is made from 2026-03-04T12:01:00Z, "
         "now is 2026-03-04T12:00:00Z.",
         ("now must be 2026-03-04T12:01:00Z or later",), {}),
        ("reasons", "list/0", "over/one",
         "Now is outside the offer's window: it is made until 2026-03-04T12:00:00Z, "
         "now is 2026-03-04T12:00:00Z.",
         ("now must be before 2026-03-04T12:00:00Z",), {}),
        ("times", "list/0", "paused/one", "The offer is paused in its catalog.",
         ("it must be resumed",), {}),
        ("times", "list/0", "young-policy/one",
         "The policy is 709 s old, older than the 600 s that the offer allows.",
         ("the policy must be signed 109 s later",), {"now_s": NOW_S + 700}),
        ("reasons", "list/0", "seldom/one",
         "This unit has seen it 3 times; its cap allows 2 in 86400 s.",
         ("now must be 2026-03-05T00:00:00Z or later",), {"caps": ("seldom", 20516, 3)}),
        ("page", "zenith/1", "silver/one",
         "gold/one, of the same exclusivity group, is on this page already.",
         ("gold/one must not be on the page",), {}),
        ("reasons", "list/0", "postage/std",
         "Its cost or the cart's margin cannot be computed: cart.weight_g is absent.",
         ("cart.weight_g must be known",), {}),
        ("money", "list/0", "garden-tenth/p10",
         "Its cost or the cart's margin cannot be computed: cart.garden is absent.",
         ("cart.garden must be known",), {"attributes": {"cart.total": 9}}),
        ("reasons", "list/0", "alone/one", "", (), {}),
        ("reasons", "list/0", "plain/one", "alone/one scores as much, and comes first.",
         ("its score must be above 1.00",), {}),
        ("choices", "greedy/0", "small/one", "large/one scores 2.00 more.",
         ("its score must be above 3.00",), {}),
        ("choices", "greedy/0", "bad/much", "large/one scores 3.51 more.",
         ("its score must be above 3.00",), {}),
        ("rules", "list/0", "abroad/one", "Showing nothing scores as much, and comes first.",
         ("its score must be above 0.00",), {"attributes": {"geo.country": "FR"}}),
        ("choices", "epsilon/0", "small/one",
         "The draw fell on large/one; of 1048576 tickets this had 87381.", (), {}),
        ("choices", "allocation/0", "large/one", "The allocation gives it no weight.",
         ("the allocation must give it weight",), {"attributes": {"visit.kind": "press"}}),
        ("reasons", "list/0", "dear/one", "It costs 1.00; at most 0.99 is allowed.",
         ("it must cost 0.01 less",), {}),
        ("choices", "careful/0", "bad/much",
         "It scores -0.51, worse than showing nothing by more than 0.50 that may be lost here.",
         ("its score must be 0.01 more",), {}),
    ],
)  # fmt: skip
def test_objections_are_told_with_numbers_and_what_would_help(
    policy: str, slot: str, arm: str, because: str, flips: tuple[str, ...], fields: dict[str, Any]
) -> None:
    fields = dict(fields)
    if counted := fields.pop("caps", None):
        offer, window, count = counted
        entry = {"key": key_of(f"cap/{offer}/0"), "window": window, "count": count}
        fields["state"] = {"caps": [entry]}
    late = ManifestBlock(digest=bytes(32), issued_s=NOW_S - 9, expires_s=NOW_S + 10**9)
    found = explained(policy, slot, late, **fields)[arm]
    assert (found.because, found.flips) == (because, flips)


def test_changes_are_values_that_a_request_can_send() -> None:
    assert rule("few", {"customer.orders": 7}).changes == (Change("customer.orders", 5),)
    assert rule("has-not", {"customer.orders": 1}).changes == (Change("customer.orders", None),)
    assert rule("vip-not-staff", {"visit.tags": ["staff", "b"]}).changes == (
        Change("visit.tags", ["b", "vip"]),
    )
    assert rule("few", {"customer.orders": 3}, consent="contextual").changes == ()


def test_the_terms_of_a_response_are_told_by_what_each_adds() -> None:
    """Plain: from p = 17625 to 32768, 2.00 of incentive and 0.50 of handling at stake."""
    sent = {"customer.is_new": False, "cart.total": 80, "cart.margin": 30}
    arm = explained("scores", "response/0", attributes=sent)["plain/one"]
    assert arm.score_micros == 5_680_000
    assert arm.parts[:3] == (
        Part("constant", -64),
        Part("incentive", 0, -680_000),
        Part("arm", 64, 6_360_000),
    )


def test_a_score_is_told_with_each_of_its_terms() -> None:
    sent = {"customer.is_new": False, "visit.device": "phone", "cart.total": 80}
    arms = explained("scores", "sum/0", attributes=sent)
    assert arms["plain/one"].score_micros == 1_600_000
    assert arms["plain/one"].parts == (
        Part("constant", 700),
        Part("arm", 150, 1_500_000),
        Part("base: cart.total", 200),
        Part("sensitivity: customer.is_new", 100),
        Part("arm: visit.device x cart.total", 10, 100_000),
    )


@pytest.mark.parametrize("seed", range(300, 320))
def test_explanations_agree_with_the_decision_on_every_candidate(seed: int) -> None:
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    for _ in range(10):
        said, manifest = maker.request(), maker.manifest()
        data = encode_request(bundle, said.text).data
        verdict = unpack_verdict(decide(bundle, pack_manifest(manifest), data))
        told = explain(bundle, manifest, unpack_request(data))
        for row, slot in zip(verdict, told, strict=True):
            assert slot.shown == bundle.arm_name(row.shown.arm)
            assert slot.would_show == bundle.arm_name(row.ghost.arm)
            if slot.reason in NO_CHOICE:
                assert slot.arms == (), "where no arm was asked, none is told about"
            else:
                _agree(bundle, row, slot.arms)


def _agree(bundle: Bundle, row: beacon.Row, arms: tuple[ArmExplained, ...]) -> None:
    able = {arm.arm for arm in arms if arm.reason in ("CANDIDATE", "NOT_AMONG_BEST")}
    assert len(able) == row.ghost.candidates
    if row.ghost.draw == beacon.FRESH:
        listed = {bundle.arm_name(arm): share for arm, share in row.ghost.listed if arm}
        assert listed == {a.arm: a.tickets for a in arms if a.reason == "CANDIDATE"}
    for arm in arms:
        assert arm.reason == "CANDIDATE" or arm.because, arm
