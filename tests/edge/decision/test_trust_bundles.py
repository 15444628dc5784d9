"""Bundles that a manifest vouches for, and which unit gets which."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.claims import Manifest, Paused, Release
from edge.decision.errors import TrustError
from edge.decision.hashing import T, key_of, ticket
from edge.decision.manifest import unpack_manifest
from edge.decision.trust import accept_bundle, manifest_block, pick_release, trust
from tests.support.bundles import tiny_bundle
from tests.support.signing import NOW_S, a_manifest, a_release, a_root, accept, run

LIVE, CANDIDATE = tiny_bundle(salt="live"), tiny_bundle(salt="candidate")
UNITS = [f"v{n}" for n in range(20_000)]


def believed(*releases: Release, **changes: object) -> Manifest:
    return run(accept(a_manifest(releases=releases or (a_release(LIVE),), **changes)))


def fetched(data: bytes, release: Release | None = None) -> Bundle:
    return accept_bundle(believed(), release or a_release(LIVE), data)


def refused(code: str, data: bytes, release: Release | None = None) -> TrustError:
    with pytest.raises(TrustError) as caught:
        fetched(data, release)
    assert caught.value.code == code
    return caught.value


def test_the_bundle_that_the_manifest_names_is_opened() -> None:
    assert fetched(LIVE).digest == sha256(LIVE).digest()


def test_another_good_bundle_in_its_place_is_refused() -> None:
    refused("DIGEST", CANDIDATE)
    refused("DIGEST", CANDIDATE.ljust(len(LIVE), b"\0")[: len(LIVE)])


def test_a_byte_flipped_anywhere_is_noticed() -> None:
    for at in range(len(LIVE)):
        flipped = bytearray(LIVE)
        flipped[at] ^= 1 << at % 8
        refused("DIGEST", bytes(flipped))


@pytest.mark.parametrize("data", [b"", LIVE[:-1], LIVE + b"\0"], ids=["empty", "short", "long"])
def test_a_bundle_of_another_size_is_refused(data: bytes) -> None:
    assert "the manifest says" in refused("DIGEST", data).detail


def test_a_bundle_that_does_not_open_is_refused_although_it_was_signed() -> None:
    broken = LIVE.replace(b"PRFR", b"PRFX")
    refused("BUNDLE", broken, a_release(broken))


FOREIGN = {
    "another tenant": tiny_bundle("rival"),
    "another projection": tiny_bundle(projection=t.BROWSER_PROJECTION),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_bundle_of_another_kind_than_its_manifest_is_refused(data: bytes) -> None:
    refused("BUNDLE", data, a_release(data))


# --- all together -------------------------------------------------------------


def test_a_policy_is_swapped_in_complete_or_not_at_all() -> None:
    releases = a_release(CANDIDATE, share=T // 4), a_release(LIVE, share=T - T // 4)
    manifest = believed(*releases)
    candidate, live = (
        accept_bundle(manifest, release, data)
        for release, data in zip(releases, (CANDIDATE, LIVE), strict=True)
    )
    with pytest.raises(TrustError, match="missing"):
        trust(a_root(), manifest, [live])
    trusted = trust(a_root(), manifest, [live, candidate])
    assert {trusted.bundle_for(unit).digest for unit in UNITS[:99]} == {
        live.digest, candidate.digest,
    }  # fmt: skip


def test_the_block_names_paused_things_by_key() -> None:
    paused = Paused(all=True, offers=("a", "b", "a"), rungs=("a/p5",), placements=("home",))
    multipliers = {"spring": 1 << 24, "autumn": 65_536}
    manifest = believed(paused=paused, multipliers=multipliers)
    block = unpack_manifest(trust(a_root(), manifest, [fetched(LIVE)]).block)
    assert block == manifest_block(manifest)
    assert block.digest == manifest.digest
    assert (block.issued_s, block.expires_s) == (manifest.issued_s, manifest.expires_s)
    assert block.all_paused and block.issued_s < NOW_S < block.expires_s
    assert block.paused_offers == tuple(sorted({key_of("offer/a"), key_of("offer/b")}))
    assert block.paused_rungs == (key_of("arm/a/p5"),)
    assert block.paused_placements == (key_of("placement/home"),)
    assert block.multiplier(key_of("budget/spring")) == 1 << 24
    assert block.multiplier(key_of("budget/autumn")) == 65_536


def test_a_manifest_without_pauses_gives_a_block_without_keys() -> None:
    block = manifest_block(believed())
    assert not (block.all_paused or block.paused_offers or block.paused_rungs)
    assert not (block.paused_placements or block.multipliers)


# --- canary -------------------------------------------------------------------


def canary(share: int) -> Manifest:
    return believed(a_release(CANDIDATE, share=share), a_release(LIVE, share=T - share))


def units_of(manifest: Manifest) -> set[str]:
    """The units that get the first release."""
    return {u for u in UNITS if pick_release(manifest, u) == manifest.releases[0]}


@pytest.mark.parametrize("per_cent", [1, 5, 25, 50, 99])
def test_a_canary_gets_its_share_of_units(per_cent: int) -> None:
    expected = len(UNITS) * per_cent / 100
    five_sigma = 5 * (expected * (1 - per_cent / 100)) ** 0.5
    assert abs(len(units_of(canary(T * per_cent // 100))) - expected) < five_sigma


def test_a_growing_canary_keeps_its_units() -> None:
    grown = [units_of(canary(T * per_cent // 100)) for per_cent in (0, 1, 10, 50, 100)]
    assert not grown[0] and grown[-1] == set(UNITS)
    assert all(small < large for small, large in pairwise(grown))


def test_another_ramp_draws_other_units() -> None:
    releases = a_release(CANDIDATE, share=T // 2), a_release(LIVE, share=T // 2)
    first, second = (units_of(believed(*releases, ramp=ramp)) for ramp in ("one", "two"))
    assert 0.4 < len(first & second) / len(first) < 0.6


@given(st.text(min_size=1, alphabet=st.characters(min_codepoint=0x20, codec="utf-8")))
def test_membership_is_the_published_word(unit: str) -> None:
    manifest = canary(T // 3)
    member = ticket("canary", manifest.ramp, unit) < T // 3
    assert pick_release(manifest, unit) == manifest.releases[0 if member else 1]
