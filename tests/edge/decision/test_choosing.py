"""Tickets: exact, never negative, never more or less than T; and what chance makes of them."""

from __future__ import annotations

import json
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import tables as t
from edge.decision.beacon import unpack_verdict
from edge.decision.choosing import (
    CANDIDATE_LIMIT,
    Candidates,
    Scored,
    best_candidates,
    draw,
    tickets,
)
from edge.decision.decide import decide
from edge.decision.hashing import T, in_share, is_part, key_of, ticket, word
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import encode_request
from edge.decision.situation import Situation
from edge.decision.tables import Tables
from tests.conformance import independent
from tests.conformance.building import committed
from tests.conformance.cases import ManifestGiven, Shares
from tests.support.requests import NOW_S, RequestMaker

SCORES = st.lists(st.integers(-(1 << 24), 1 << 24), min_size=1, max_size=31)
CHI_SQUARE_1_IN_1000 = {1: 10.83, 2: 13.82}
"""By degrees of freedom.  Units are fixed, so these tests never fail by chance."""
UNITS = 4000
NAMES = {t.GREEDY: "greedy", t.EPSILON: "epsilon", t.INVERSE_GAP: "inverse_gap"}


def placement(policy: int, param: int, floor: int) -> Tables:
    return Tables(placement_policy=[policy], placement_param=[param], placement_floor=[floor])


def arms(scores: list[int]) -> list[Scored]:
    return [Scored(arm, score) for arm, score in enumerate(scores, 1)]


@given(st.sampled_from(sorted(NAMES)), SCORES, st.integers(0, 1 << 20), st.integers(0, T))
def test_tickets_follow_the_formula_sum_to_t_and_keep_the_floor(
    policy: int, scores: list[int], param: int, floor: int
) -> None:
    nowhere = Situation([], [], [])
    found = tickets(placement(policy, param, floor), nowhere, 0, arms(scores))
    named = {str(arm): score for arm, score in enumerate([0, *scores])}
    shares = Shares(policy=NAMES[policy], scores=named, epsilon=param, gamma=param, floor=floor)  # type: ignore[arg-type]
    assert dict(zip(named, found, strict=True)) == independent.tickets(shares)
    assert sum(found) == T and min(found) >= 0
    if policy != t.GREEDY:
        assert min(found) >= min(floor, T // len(found))
    best = max(named.values())
    assert max(found) == max(f for f, s in zip(found, [0, *scores], strict=True) if s == best)


def allocation(weights: list[int]) -> Tables:
    return Tables(
        placement_policy=[t.ALLOCATION], placement_allocation=[0], allocation_attribute=[-1],
        allocation_bin=[0, 1], allocbin_row=[0], allocation_arm=[0, len(weights)],
        allocarm_arm=list(range(len(weights))), allocation_share=[0, len(weights)],
        share_weight=weights,
    )  # fmt: skip


@given(st.lists(st.integers(0, 1 << 20), min_size=2, max_size=32))
def test_an_allocation_shares_by_weight(weights: list[int]) -> None:
    found = tickets(allocation(weights), Situation([], [], []), 0, arms([0] * (len(weights) - 1)))
    named = {"none" if arm == 0 else str(arm): w for arm, w in enumerate(weights)}
    shares = Shares(policy="allocation", weights=named)
    assert found == list(independent.tickets(shares).values())
    assert sum(found) == T and min(found) >= 0


def test_arms_that_an_allocation_does_not_name_have_no_weight() -> None:
    candidates = [Scored(1, 0), Scored(9, 0)]
    found = tickets(allocation([1, 3]), Situation([], [], []), 0, candidates)
    assert found == [T // 4, T * 3 // 4, 0]


@given(SCORES)
def test_the_31_best_are_kept_in_arm_order(scores: list[int]) -> None:
    many = arms(scores * 3)
    best = best_candidates(Candidates([c.arm for c in many], [c.score for c in many]))
    assert len(best) == min(CANDIDATE_LIMIT, len(many))
    assert best == sorted(best)
    ranked = sorted(many, key=lambda c: (-c.score, c.arm))
    assert set(best) == set(ranked[:CANDIDATE_LIMIT])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.integers(0, T - 1))
def test_each_arm_has_exactly_its_run_of_tickets(weights: list[int], number: int) -> None:
    shares = [*weights, T - sum(weights)]
    index = draw(shares, number)
    assert sum(shares[:index]) <= number < sum(shares[: index + 1])


# --- words and chance ---------------------------------------------------------


def test_a_word_is_the_head_of_a_sha256() -> None:
    """printf 'choose\\037hero/0\\037s\\037ada' | sha256sum"""
    assert word("choose", "hero/0", "s", "ada") == 0xA8684E70
    assert ticket("choose", "hero/0", "s", "ada") == 0xA8684
    assert in_share(0xA8685, "choose", "hero/0", "s", "ada")
    assert not in_share(0xA8684, "choose", "hero/0", "s", "ada")
    assert key_of("offer/welcome") == independent.key("offer/welcome")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("ada", True),
        ("a b", True),
        ("é😀", True),
        ("", False),
        ("a\x1fb", False),
        ("\ud800", False),
    ],
)
def test_a_part_of_a_word_has_no_control_bytes(text: str, good: bool) -> None:
    assert is_part(text) is good


def decisions(policy: str, slot: str, **fields: object) -> Counter[str]:
    """How many of UNITS visitors would be shown which arm, by it and their holdout flags."""
    bundle, shown = committed(policy), Counter[str]()
    given_manifest = ManifestGiven()
    block = RequestMaker(bundle, 0).manifest(
        issued_s=given_manifest.issued_s, expires_s=given_manifest.expires_s, all_paused=False,
        paused_offers=(), paused_rungs=(), paused_placements=(), multipliers=(),
    )  # fmt: skip
    for unit in range(UNITS):
        request = {"visitor": f"unit-{unit}", "nonce": "n", "consent": "full", "now_s": NOW_S,
                   "placements": [slot], "state": {}} | fields  # fmt: skip
        row, *_ = unpack_verdict(decide(bundle, pack_manifest(block), _encoded(policy, request)))
        shown[f"{bundle.arm_name(row.ghost.arm)} {row.flags & 3}"] += 1
    return shown


def _encoded(policy: str, request: dict) -> bytes:
    return encode_request(committed(policy), json.dumps(request).encode()).data


def chi_square(seen: list[int], expected: list[float]) -> float:
    return sum((s - e) ** 2 / e for s, e in zip(seen, expected, strict=True))


@pytest.mark.parametrize(
    ("slot", "shares"),
    [
        ("epsilon", {"none": 87381, "large/one": 873814, "small/one": 87381}),
        ("gap", {"none": 233016, "large/one": 553416, "small/one": 262144}),
    ],
)
def test_fresh_draws_come_as_often_as_their_propensity_says(
    slot: str, shares: dict[str, int]
) -> None:
    shown = decisions("choices", slot)
    seen = [shown[f"{arm} 0"] for arm in shares]
    assert sum(seen) == UNITS
    expected = [UNITS * share / T for share in shares.values()]
    assert chi_square(seen, expected) < CHI_SQUARE_1_IN_1000[2]


def test_holdouts_hold_their_share_and_do_not_depend_on_each_other() -> None:
    """Global 0.25 and zenith's 0.5, by other words: all four combinations as multiplied."""
    shown = decisions("page", "zenith")
    by_flags = Counter[int]()
    for name, count in shown.items():
        by_flags[int(name.split()[1])] += count
    for flag, share in ((1, 0.25), (2, 0.5)):
        held = sum(count for flags, count in by_flags.items() if flags & flag)
        assert abs(held - UNITS * share) < 3.29 * sqrt(UNITS * share * (1 - share))
    expected = [UNITS * share for share in (0.375, 0.125, 0.375, 0.125)]
    assert chi_square([by_flags[f] for f in range(4)], expected) < 16.27
