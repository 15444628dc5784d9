"""What is claimed of a policy, against what its decisions do: claims on random policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random

import msgspec
import pytest

from edge.decision.arbitration import Page
from edge.decision.beacon import Row, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.candidacy import arm_objection
from edge.decision.decide import decide
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.reasons import ArmReason
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.visit import begin
from policy_compiler.carts import guards_of
from policy_compiler.catalog import Offer
from policy_compiler.check_costs import check_costs
from policy_compiler.check_shadow import check_shadows
from policy_compiler.emit import emit
from policy_compiler.plan import Plan, Tiers, plan_of
from tests.support.policies import random_plan, random_tree
from tests.support.requests import NOW_S, RequestMaker, Said

SEEDS = range(24)
REQUESTS = 40
BROKEN = {ArmReason.OVER_CEILING, ArmReason.UNDER_FLOOR}


def simple_plan(seed: int) -> Plan:
    """A random policy without what forbids claims: it chooses greedily among constant scores."""
    random, base = Random(seed), random_plan(seed).catalog
    economics = msgspec.structs.replace(
        base.shop.economics, margin=random.choice((None, base.shop.economics.margin))
    )
    offers = [_simple(random, offer) for offer in base.offers]
    placements = {
        name: msgspec.structs.replace(
            placement,
            model=None,
            choice=msgspec.structs.replace(placement.choice, policy="greedy", allocation=None),
        )
        for name, placement in base.placements.items()
    }
    catalog = msgspec.structs.replace(
        base,
        shop=msgspec.structs.replace(base.shop, economics=economics),
        offers=offers,
        placements=placements,
    )
    rules = [None, None, random_tree(random, 1)]
    return plan_of(catalog, {}, {offer.id: Tiers(random.choice(rules)) for offer in offers})


def _simple(random: Random, offer: Offer) -> Offer:
    return msgspec.structs.replace(
        offer,
        caps=[],
        budget=None,
        stackable=random.random() < 0.3,
        scope=random.choice((None, None, offer.scope)),
        rungs=[
            msgspec.structs.replace(rung, expected_profit=Decimal(random.randint(-1, 9)))
            for rung in offer.rungs
        ],
    )


def requests(bundle: Bundle, seed: int) -> Iterator[tuple[ManifestBlock, Said]]:
    """Requests without earlier choices of other policies, under a manifest that pauses nothing."""
    maker = RequestMaker(bundle, seed)
    manifest = maker.manifest(
        all_paused=False, paused_offers=(), paused_rungs=(), paused_placements=(),
        issued_s=NOW_S - 10**8, expires_s=NOW_S + 10**9,
    )  # fmt: skip
    for _ in range(REQUESTS):
        yield manifest, maker.request(state=None)


def decided(bundle: Bundle, manifest: ManifestBlock, said: Said) -> tuple[Row, ...]:
    data = encode_request(bundle, json.dumps(said.fields).encode()).data
    return unpack_verdict(decide(bundle, pack_manifest(manifest), data))


def index_of(plan: Plan) -> dict[str, int]:
    return {offer.id: row for row, offer in enumerate(plan.catalog.offers)}


def names_in(paths: list[str], plan: Plan) -> set[str]:
    """Offers that findings stand at."""
    rows = [int(path.split("[")[1].split("]")[0]) for path in paths]
    return {plan.catalog.offers[row].id for row in rows}


def claimed(seed: int) -> tuple[Plan, Bundle, set[str], set[str]]:
    """A policy with the offers that are claimed to be shadowed, and to fail always."""
    plan = simple_plan(seed)
    index = index_of(plan)
    shadowed = names_in([found.path for found in check_shadows(plan, index)], plan)
    failing = names_in([found.path for found in check_costs(plan, index).failing], plan)
    return plan, open_bundle(emit(plan)), shadowed, failing


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_claimed_never_to_be_shown_never_is(seed: int) -> None:
    _, bundle, shadowed, failing = claimed(seed)
    for manifest, said in requests(bundle, seed):
        for row in decided(bundle, manifest, said):
            for track in (row.shown, row.ghost):
                if track.arm:
                    assert bundle.arm_name(track.arm).split("/")[0] not in shadowed | failing


@pytest.mark.parametrize("seed", SEEDS)
def test_a_guardrail_that_nothing_can_break_is_never_broken(seed: int) -> None:
    """Of offers with one guardrail, so that the reason tells which one broke."""
    plan = simple_plan(seed)
    bundle = open_bundle(emit(plan))
    safe = set(_safe_arms(plan))
    for manifest, said in requests(bundle, seed):
        data = encode_request(bundle, json.dumps(said.fields).encode()).data
        visit = begin(bundle, manifest, unpack_request(data))
        for row in visit.eligible:
            for arm in bundle.arms(row):
                if bundle.arm_name(arm) in safe:
                    assert arm_objection(visit, Page([]), arm) not in BROKEN


def _safe_arms(plan: Plan) -> Iterator[str]:
    """Arms of which it is claimed that nothing breaks their only guardrail."""
    for found in check_costs(plan, index_of(plan)).idle:
        (name,) = names_in([found.path], plan)
        offer = next(offer for offer in plan.offers if offer.id == name)
        if len(guards_of(offer)) == 1:
            arms = [f"{name}/{rung.id}" for rung in offer.rungs]
            yield from (arm for arm in arms if f"`{arm}`" in found.message)


def test_the_random_policies_do_bring_about_claims() -> None:
    found = [claimed(seed) for seed in SEEDS]
    assert sum(len(shadowed) for _, _, shadowed, _ in found) >= 5
    assert sum(len(set(_safe_arms(plan))) for plan, _, _, _ in found) >= 5
