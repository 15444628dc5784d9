"""Which policy a Python Worker runs, while its stores lie, drip, hang or are away."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest

from policy_compiler.keys import SigningKey
from policy_compiler.sign import sign_manifest
from tests.support.edges import TENANT, a_manifest, keys, pocket_bundle, until
from tests.support.policy_stories import other_bundle
from tests.support.workers import MANIFEST, Fleet, signed

WITH_STORES = ["address", "bucket", "space"]


@pytest.mark.parametrize("member", WITH_STORES)
def test_a_new_policy_is_taken_while_pages_are_served(current: Fleet, member: str) -> None:
    before = current.runs(member)
    sequence = current.next_sequence()
    current.publish(sequence, other_bundle())
    until(lambda: current.runs(member) == sequence)
    assert sequence > before
    assert current.visitor(member).decide("hero")["policy"]["bundle"] == (
        sha256(other_bundle()).hexdigest()
    )


@pytest.mark.parametrize("member", WITH_STORES)
def test_a_tampered_bundle_is_refused_and_the_old_policy_runs_on(
    current: Fleet, member: str
) -> None:
    before = current.runs(member)
    bundle = other_bundle() + bytes(8)
    path = f"bundles/{sha256(bundle).hexdigest()}"
    current.put_everywhere(MANIFEST, signed(current.next_sequence(), bundle))
    current.put_everywhere(path, bundle[:-1] + b"\x01")
    until(lambda: current.refusal(member) == "DIGEST")
    assert current.runs(member) == before
    (decided,) = current.visitor(member).decide("hero")["decisions"]
    assert decided["offer"] == "ten"


@pytest.mark.parametrize("member", WITH_STORES)
def test_what_was_not_signed_by_the_root_is_refused(current: Fleet, member: str) -> None:
    before = current.runs(member)
    stranger = SigningKey.generate()
    forged = sign_manifest(
        type(keys())(**{**_asdict(), "online": stranger}),
        a_manifest(current.next_sequence(), (pocket_bundle(),)),
    )
    current.put_everywhere(MANIFEST, forged)
    until(lambda: current.refusal(member) == "UNKNOWN_KEY")
    assert current.runs(member) == before


def _asdict() -> dict:
    return {name: getattr(keys(), name) for name in keys().__struct_fields__}


@pytest.mark.parametrize("member", WITH_STORES)
def test_an_older_policy_and_a_fork_are_refused(current: Fleet, member: str) -> None:
    before = current.runs(member)
    current.put_everywhere(MANIFEST, signed(before - 1))
    until(lambda: current.refusal(member) == "ROLLBACK")
    current.put_everywhere(MANIFEST, signed(before, ramp="winter"))
    until(lambda: current.refusal(member) == "FORK")
    assert current.runs(member) == before


@pytest.mark.parametrize("member", ["bucket", "space"])
def test_a_missing_manifest_changes_nothing(current: Fleet, member: str) -> None:
    before = current.runs(member)
    binding = {"bucket": "POLICY_BUCKET", "space": "POLICY_KV"}[member]
    current.delete(member, binding, MANIFEST)
    until(lambda: f"there is no {MANIFEST}" in current.health(member)["refreshing"]["unreachable"])
    assert current.runs(member) == before


@pytest.mark.parametrize("member", WITH_STORES)
def test_a_file_without_end_is_read_no_further_than_allowed(current: Fleet, member: str) -> None:
    before = current.runs(member)
    current.put_everywhere(MANIFEST, b"A" * 3_000_000)
    until(lambda: "more than 65536 bytes" in current.health(member)["refreshing"]["unreachable"])
    assert current.runs(member) == before


def test_a_store_that_hangs_holds_nobody_up(current: Fleet) -> None:
    sequence = current.runs("address")
    current.control.slow_s = 3
    for _ in range(3):
        start_s = time.monotonic()
        assert current.visitor("address").decide("hero")["policy"]["sequence"] == sequence
        assert time.monotonic() - start_s < 2.5
    current.control.slow_s = 0


def test_the_stores_are_asked_about_once_per_refresh_and_not_once_per_request(
    current: Fleet,
) -> None:
    visitor = current.visitor("address")
    visitor.decide("hero")
    asked = len(current.control.asked)
    start_s = time.monotonic()
    for _ in range(40):
        visitor.decide("hero")
    looks = [p for p in current.control.asked[asked:] if p.endswith(".jws") and "root" not in p]
    assert len(looks) <= 2 + (time.monotonic() - start_s) / 0.1


def test_another_shops_policy_is_nobodys_here(current: Fleet) -> None:
    current.put_everywhere(MANIFEST, signed(current.next_sequence(), tenant=TENANT + "s"))
    until(lambda: current.refusal("bucket") == "TENANT")
