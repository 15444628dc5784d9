"""The decision as a whole: what it may depend on, and what it must not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from edge.decision import beacon
from edge.decision import tables as t
from edge.decision.beacon import Verdict, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.candidacy import arm_objection
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.reasons import Reason
from edge.decision.request import UNKNOWN_ARM, unpack_request
from edge.decision.request_json import encode_request
from edge.decision.visit import begin
from tests.support.policies import ATTRIBUTES, random_bundle
from tests.support.requests import NOW_S, RequestMaker, Said

SEEDS = range(200, 216)
REQUESTS = 12
PERSONAL = [name for name, a in ATTRIBUTES.items() if "personal" in a.labels and not a.derived]


def running(maker: RequestMaker) -> ManifestBlock:
    """A manifest that pauses nothing and is current."""
    return maker.manifest(
        all_paused=False, paused_offers=(), paused_rungs=(), paused_placements=(),
        issued_s=NOW_S - 10**8, expires_s=NOW_S + 10**9,
    )  # fmt: skip


def verdict(bundle: Bundle, manifest: ManifestBlock, fields: dict[str, Any]) -> bytes:
    text = json.dumps(fields).encode()
    return decide(bundle, pack_manifest(manifest), encode_request(bundle, text).data)


def rows(bundle: Bundle, manifest: ManifestBlock, said: Said) -> Verdict:
    return unpack_verdict(verdict(bundle, manifest, said.fields))


@pytest.mark.parametrize("seed", SEEDS)
def test_contextual_consent_never_reads_a_personal_attribute(seed: int) -> None:
    """Whatever is sent in them, or nothing, or garbage: the same verdict to the byte."""
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    manifest = running(maker)
    names = [name for name in PERSONAL if name in bundle.attribute_rows]
    for _ in range(REQUESTS):
        said, other = maker.request(consent="contextual"), maker.request(consent="contextual")
        bare = {k: v for k, v in said.attributes.items() if k not in names}
        changed = bare | {n: other.attributes[n] for n in names if n in other.attributes}
        garbage = bare | {name: {} for name in names}
        expected = verdict(bundle, manifest, said.fields)
        for attributes in (bare, changed, garbage):
            fields = said.fields | {"attributes": attributes}
            assert verdict(bundle, manifest, fields) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_contextual_consent_reads_neither_visitor_nor_state(seed: int) -> None:
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    manifest = running(maker)
    for _ in range(REQUESTS):
        said = maker.request(consent="contextual")
        other = said.fields | {"visitor": "somebody-else", "state": None}
        assert verdict(bundle, manifest, other) == verdict(bundle, manifest, said.fields)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_what_is_sent_and_what_is_unknown_change_nothing(seed: int) -> None:
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    manifest = running(maker)
    for _ in range(REQUESTS):
        said = maker.request()
        fields = dict(reversed(said.fields.items()))
        fields["placements"] = [*reversed(said.fields["placements"]), "gone"]
        fields["attributes"] = dict(reversed(said.attributes.items())) | {"gone.too": 1}
        assert verdict(bundle, manifest, fields) == verdict(bundle, manifest, said.fields)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_adds_up(seed: int) -> None:
    bundle = random_bundle(seed)
    tables, maker = bundle.tables, RequestMaker(bundle, seed)
    for _ in range(REQUESTS):
        for row in rows(bundle, running(maker), maker.request()):
            for track in (row.shown, row.ghost):
                listed = dict(track.listed)
                assert (track.draw == beacon.FRESH) == bool(listed)
                assert sum(listed.values()) in (0, 1 << 20)
                assert track.tickets == listed.get(track.arm, 0)
                assert not listed or track.tickets > 0
                assert len(listed) <= 32 and list(listed) == sorted(listed)
                assert track.candidates >= len(listed) - 1
                if track.arm:
                    offer = tables.rung_offer[track.arm - 1]
                    places = tables.place_placement[slice(*tables.offer_place[offer : offer + 2])]
                    assert row.placement in places
            if row.flags & (beacon.HOLDOUT | beacon.GLOBAL_HOLDOUT):
                assert row.shown.arm == 0
                assert row.shown.reason in (Reason.HOLDOUT, Reason.GLOBAL_HOLDOUT)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_page_holds_an_offer_twice_or_two_of_a_group(seed: int) -> None:
    bundle = random_bundle(seed)
    tables, maker = bundle.tables, RequestMaker(bundle, seed)
    for _ in range(REQUESTS):
        verdict = rows(bundle, running(maker), maker.request(taken=[]))
        for arms in ([r.shown.arm for r in verdict], [r.ghost.arm for r in verdict]):
            offers = [tables.rung_offer[arm - 1] for arm in arms if arm]
            groups = [tables.offer_group[offer] for offer in offers if tables.offer_group[offer]]
            assert len(set(offers)) == len(offers)
            assert len(set(groups)) == len(groups)
            alone = [o for o in offers if not tables.offer_flags[o] & t.STACKABLE]
            assert not alone or len(offers) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kept_choice_is_drawn_once_and_then_shown_without_a_draw(seed: int) -> None:
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    manifest = running(maker)
    for _ in range(REQUESTS):
        said = maker.request(consent="full", state={}, taken=[], placements=["p"])
        first = rows(bundle, manifest, said)
        kept = [
            {
                "placement_key": bundle.tables.placement_key[row.placement], "slot": row.slot,
                "redraw": row.redraw, "epoch": row.epoch, "drawn_by": "ab" * 16,
                "arm_key": bundle.tables.rung_key[row.ghost.arm - 1] if row.ghost.arm else 0,
            }
            for row in first if row.ghost.draw == beacon.FRESH
        ]  # fmt: skip
        again = Said(said.fields | {"state": {"kept": kept}}, said.values)
        for before, after in zip(first, rows(bundle, manifest, again), strict=True):
            assert after.ghost.arm == before.ghost.arm
            if before.ghost.draw == beacon.FRESH:
                assert (after.ghost.draw, after.ghost.listed) == (beacon.KEPT, ())
                assert (after.redraw, after.drawn_by) == (before.redraw, b"\xab" * 16)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_unknown_cart_never_loosens_a_guardrail(seed: int) -> None:
    """Garbage for money never makes an arm possible that real amounts would not."""
    bundle = random_bundle(seed)
    maker = RequestMaker(bundle, seed)
    manifest = running(maker)
    for _ in range(REQUESTS):
        said = maker.request(consent="full", state={}, taken=[])
        broken = said.attributes | {"a.total": "?", "a.margin": "?", "a.garden": "?"}
        allowed = _allowed(bundle, manifest, said.fields)
        assert _allowed(bundle, manifest, said.fields | {"attributes": broken}) <= allowed


def _allowed(bundle: Bundle, manifest: ManifestBlock, fields: dict[str, Any]) -> set[int]:
    encoded = encode_request(bundle, json.dumps(fields).encode())
    visit = begin(bundle, manifest, unpack_request(encoded.data))
    return {
        arm for offer in visit.eligible for arm in bundle.arms(offer)
        if not arm_objection(visit, visit.page(), arm)
    }  # fmt: skip


def test_consent_none_and_an_expired_manifest_give_defaults_only() -> None:
    bundle = random_bundle(7)
    maker = RequestMaker(bundle, 7)
    fresh = running(maker)
    expired = structs.replace(fresh, expires_s=NOW_S)
    paused = structs.replace(fresh, all_paused=True)
    for manifest, consent, reason in (
        (fresh, "none", Reason.NO_CONSENT),
        (expired, "full", Reason.STALE),
        (paused, "full", Reason.PAUSED),
    ):
        verdict = rows(bundle, manifest, maker.request(now_s=NOW_S, consent=consent))
        assert {row.shown.reason for row in verdict} == {reason}
        assert not any(row.shown.arm or row.ghost.arm for row in verdict)
        assert all(row.flags & beacon.EQUAL for row in verdict)


def test_after_an_unknown_arm_nothing_is_shown() -> None:
    bundle = random_bundle(7)
    maker = RequestMaker(bundle, 7)
    gone = {"placement": "p", "slot": 0, "arm": "gone/one"}
    for _ in range(REQUESTS):
        said = maker.request(taken=[gone], state=None, consent="contextual")
        request = unpack_request(encode_request(bundle, said.text).data)
        assert request.taken[0].arm == UNKNOWN_ARM
        assert not any(row.shown.arm for row in rows(bundle, running(maker), said))


def test_a_malformed_manifest_is_a_request_error() -> None:
    bundle = random_bundle(7)
    data = encode_request(bundle, RequestMaker(bundle, 7).request().text).data
    with pytest.raises(RequestError):
        decide(bundle, b"nonsense", data)
