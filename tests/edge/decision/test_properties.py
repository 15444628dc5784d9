"""What holds of every policy and every request: shares, blindness and replay (DESIGN 7)."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.decision.beacon import FRESH, Record, pack_record, unpack_record, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.hashing import T
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_request
from edge.decision.rule import And, Conditional, Has, Node, Not, Or
from policy_compiler.catalog import Offer, Rung
from policy_compiler.plan import OfferTooWide
from tests.support.policies import ATTRIBUTES, a_catalog, bundle_of, random_tree
from tests.support.requests import RequestMaker
from tests.support.situations import POLICIES, policy, situation, verdict

SEEDS = st.integers(0, 10**9)
POLICY = st.integers(0, POLICIES - 1)
PERSONAL = [name for name, a in ATTRIBUTES.items() if "personal" in a.labels and not a.derived]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300)
@given(POLICY, SEEDS)
def test_tickets_sum_to_t_over_none_and_candidates_and_floors_are_kept(
    number: int, seed: int
) -> None:
    plan, bundle = policy(number).plan, policy(number).bundle
    for row in situation(seed, bundle)[2]:
        choice = plan.placements[bundle.placement_name(row.placement)].choice
        for track in (row.shown, row.ghost):
            shares = [share for _, share in track.listed]
            assert all(0 <= share <= T for share in shares)
            if track.draw != FRESH:
                assert not shares
                continue
            assert sum(shares) == T
            assert track.listed[0][0] == 0 and 2 <= len(shares) <= 32
            assert len(shares) == min(track.candidates, 31) + 1
            if choice.policy in ("epsilon", "inverse_gap"):
                floor = int((choice.floor * T).to_integral_value())
                assert min(shares) >= min(floor, T // len(shares))
            if choice.policy == "greedy":
                assert sorted(shares)[-2] == 0


# --- what is not sent, and what is not looked at --------------------------------


def _without_has(node: Node) -> bool:
    match node:
        case Has():
            return False
        case And() | Or():
            return all(map(_without_has, node.parts))
        case Not():
            return _without_has(node.part)
        case Conditional():
            return all(map(_without_has, (node.test, node.then, node.otherwise)))
        case _:
            return True


RULES = 12


@cache
def rules_without_has(seed: int) -> Bundle:
    """Offers r00, r01, ... by random rules that never ask `has`."""
    random = Random(seed)
    rung = Rung(id="r", amount=Decimal(1))
    offers = [
        Offer(id=f"r{i:02}", title="", kind="fixed", placements=["list"], rungs=[rung])
        for i in range(RULES)
    ]
    while True:
        trees: list[Node] = []
        while len(trees) < RULES:
            tree = random_tree(random, random.randint(1, 3))
            if _without_has(tree):
                trees.append(tree)
        try:
            return bundle_of(
                a_catalog(offers=offers), {o.id: t for o, t in zip(offers, trees, strict=True)}
            )
        except OfferTooWide:
            continue


def _eligible(bundle: Bundle, fields: dict[str, Any]) -> set[str]:
    """Offers that could be drawn, of those that nothing but their rule limits."""
    plain = ManifestBlock(digest=bytes(32), issued_s=fields["now_s"], expires_s=1 << 33)
    (row,) = unpack_verdict(verdict(bundle, plain, fields))
    return {bundle.arm_name(arm) for arm, _ in row.ghost.listed if arm}


@settings(max_examples=250)
@given(st.integers(0, 15), SEEDS, st.data())
def test_removing_or_spoiling_attributes_never_makes_an_offer_eligible(
    number: int, seed: int, data: st.DataObject
) -> None:
    bundle = rules_without_has(number)
    money = {"a.total": 50, "a.garden": 1}
    said = RequestMaker(bundle, seed).request(
        consent="full", placements=["list"], taken=[], state={}, customer="c"
    )
    full = {name: value for name, value in said.attributes.items() if name in said.values}
    before = _eligible(bundle, said.fields | {"attributes": money | full})
    names = [name for name in full if name not in money]
    gone = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    spoilt = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    left = {name: value for name, value in full.items() if name not in gone}
    left |= {name: {} for name in spoilt}
    assert _eligible(bundle, said.fields | {"attributes": money | left}) <= before
    withheld = said.fields | {"consent": "contextual", "attributes": money | left}
    assert _eligible(bundle, withheld) <= before


@settings(max_examples=120)
@given(
    POLICY, SEEDS, st.dictionaries(st.sampled_from(PERSONAL), JSON), st.text(min_size=1, max_size=5)
)
def test_contextual_consent_is_blind_to_persons(
    number: int, seed: int, personal: dict[str, Any], noise: str
) -> None:
    """Personal attributes of any content, the visitor and the state: the same bytes."""
    bundle = policy(number).bundle
    maker = RequestMaker(bundle, seed)
    manifest = maker.manifest(all_paused=False, issued_s=maker.now_s, expires_s=1 << 33)
    said, other = maker.request(consent="contextual"), maker.request(consent="full")
    bare = {name: value for name, value in said.attributes.items() if name not in PERSONAL}
    expected = verdict(bundle, manifest, said.fields | {"attributes": bare})
    typed = {name: other.attributes[name] for name in PERSONAL if name in other.attributes}
    visitor = noise if noise.isprintable() else "somebody"
    changed = said.fields | {"visitor": visitor, "state": other.fields.get("state")}
    for content in (personal, typed, typed | personal):
        assert verdict(bundle, manifest, changed | {"attributes": bare | content}) == expected


# --- records ------------------------------------------------------------------


@settings(max_examples=60)
@given(POLICY, SEEDS)
def test_a_record_replays_to_the_same_bytes_wherever_its_bundle_is_opened(
    number: int, seed: int
) -> None:
    """In a bundle that has decided much before, and in one that was opened just now."""
    bundle = policy(number).bundle
    manifest, said, _ = situation(seed, bundle)
    block, request = pack_manifest(manifest), encode_request(bundle, said.text).data
    record = unpack_record(
        pack_record(
            Record(
                bundle_digest=bundle.digest, manifest_digest=manifest.digest, manifest_block=block,
                request=request, verdict=decide(bundle, block, request),
            )
        )
    )  # fmt: skip
    opened = open_bundle(policy(number).data)
    assert opened.digest == record.bundle_digest
    assert decide(opened, record.manifest_block, record.request) == record.verdict
