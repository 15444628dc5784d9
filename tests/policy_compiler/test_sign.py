"""What the publisher signs is what edges believe; what edges refuse is not signed."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from msgspec import structs

from edge.decision.claims import ManifestPayload, Paused
from policy_compiler.keys import SigningError, SigningKey
from policy_compiler.sign import (
    ReleaseRow,
    development_root,
    make_release,
    read_release,
    sign_manifest,
    sign_root,
)
from tests.support.signing import (
    HOUR_S,
    NOW_S,
    a_manifest,
    a_payload,
    a_release,
    a_root,
    accept,
    keys,
    pin,
    run,
)

DIGEST = sha256(b"bundle").hexdigest()


def not_signed(saying: str, make: Any, *arguments: Any) -> None:
    with pytest.raises(SigningError, match=saying) as caught:
        make(*arguments)
    assert caught.value.help


# --- manifests ----------------------------------------------------------------


def test_an_edge_that_pins_the_development_root_believes_the_manifest() -> None:
    root = run(pin(development_root(keys(), "shop", NOW_S)))
    assert run(accept(a_manifest(), root=root)).sequence == 7


def test_equal_content_gives_equal_bytes() -> None:
    one = a_manifest(multipliers={"a": 1, "b": 2})
    other = a_manifest(multipliers={"b": 2, "a": 1})
    assert one == other
    assert development_root(keys(), "shop", NOW_S) == development_root(keys(), "shop", NOW_S)


def test_a_believed_manifest_signs_to_the_same_bytes_again() -> None:
    raw = a_manifest(paused=Paused(offers=("spring",)))
    assert sign_manifest(keys(), run(accept(raw))) == raw


def test_a_manifest_is_a_token_that_other_tools_read() -> None:
    raw = a_manifest()
    public = OKPKey.import_key(keys().online.jwk.as_dict(private=False))
    token = jws.deserialize_compact(raw, public, algorithms=["Ed25519"])
    assert token.headers() == {
        "alg": "Ed25519",
        "typ": "proffer-manifest+jws",
        "kid": keys().online.kid,
    }
    assert json.loads(token.payload) == {
        "tenant": "shop",
        "channel": "production",
        "projection": "edge",
        "epoch": 1,
        "sequence": 7,
        "issued_s": NOW_S - HOUR_S,
        "expires_s": NOW_S + 23 * HOUR_S,
        "releases": [
            {
                "bundle": a_release().bundle,
                "size_bytes": a_release().size_bytes,
                "share": 1 << 20,
            }
        ],
        "ramp": "autumn",
        "paused": {"all": False, "offers": [], "rungs": [], "placements": []},
        "multipliers": {},
    }


@pytest.mark.parametrize(("projection", "limit_s"), [("edge", 86_400), ("browser", 3_600)])
def test_a_manifest_lives_no_longer_than_a_rollback_may(projection: Any, limit_s: int) -> None:
    longest = a_payload(projection=projection, issued_s=NOW_S, expires_s=NOW_S + limit_s)
    assert sign_manifest(keys(), longest)
    longer = structs.replace(longest, expires_s=NOW_S + limit_s + 1)
    not_signed("would live", sign_manifest, keys(), longer)


def test_multipliers_are_kept_from_browsers() -> None:
    browser = a_payload(
        projection="browser", issued_s=NOW_S, expires_s=NOW_S + 9, multipliers={"spring": 1}
    )
    not_signed("multipliers", sign_manifest, keys(), browser)


UNREADABLE: dict[str, ManifestPayload] = {
    "shares that do not sum": a_payload(releases=(a_release(share=9),)),
    "no release": a_payload(releases=()),
    "no ramp": a_payload(ramp=""),
    "a negative sequence": a_payload(sequence=-1),
    "over before it began": a_payload(expires_s=0),
    "a multiplier above 256": a_payload(multipliers={"a": 1 << 25}),
}


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_no_edge_would_read_is_not_signed(payload: ManifestPayload) -> None:
    not_signed("No edge would read", sign_manifest, keys(), payload)


def test_a_manifest_above_64_kib_is_not_signed() -> None:
    paused = Paused(offers=tuple(f"offer-{n:06}" for n in range(4_000)))
    not_signed("edges read 65536", sign_manifest, keys(), a_payload(paused=paused))


# --- roots --------------------------------------------------------------------


def test_the_development_root_lists_one_key_of_each_role() -> None:
    root = run(pin(development_root(keys(), "shop", NOW_S)))
    assert list(root.of_role("root")) == [keys().root.kid]
    assert list(root.of_role("online")) == [keys().online.kid]
    assert (root.version, root.epoch, root.threshold) == (1, 1, 1)
    assert b'"d"' not in development_root(keys(), "shop", NOW_S)


def test_a_root_that_nobody_would_read_is_not_signed() -> None:
    not_signed("threshold", sign_root, [keys().root], a_root(threshold=2))


def test_a_root_is_signed_by_different_keys() -> None:
    not_signed("0 signers", sign_root, [], a_root())
    not_signed("2 signers with 1", sign_root, [keys().root, keys().root], a_root())
    many = [SigningKey.generate() for _ in range(17)]
    not_signed("17 signers", sign_root, many, a_root())


# --- releases -----------------------------------------------------------------


def row(**changes: Any) -> ReleaseRow:
    whole = ReleaseRow(projection="edge", slice="all", digest=DIGEST, size_bytes=9)
    return structs.replace(whole, **changes)


def test_a_release_is_canonical_json() -> None:
    rows = [row(), row(projection="browser", slice="home")]
    assert make_release(rows) == make_release(reversed(rows))
    assert make_release([row()]) == (
        b'[{"digest":"%s","projection":"edge","size_bytes":9,"slice":"all"}]' % DIGEST.encode()
    )
    assert read_release(make_release(rows)) == tuple(sorted(rows))


def test_a_release_names_each_slice_once() -> None:
    not_signed("twice", make_release, [row(), row(size_bytes=10)])
    not_signed("empty", make_release, [])


@pytest.mark.parametrize("data", [b"", b"{}", b'[{"digest":"x"}]', b"[[[", b"\xff"])
def test_what_is_no_release_is_refused(data: bytes) -> None:
    not_signed("No release", read_release, data)


def test_a_release_with_a_digest_that_is_none_is_refused() -> None:
    not_signed("No release", make_release, [row(digest="latest")])
