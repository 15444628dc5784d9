"""The chain of roots: each signed by the threshold of the one before and by its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.decision.claims import Root
from edge.decision.errors import TrustError
from edge.decision.jws import SIGNATURES_LIMIT, SIZE_LIMIT_BYTES, to_base64url
from edge.decision.trust import MANIFEST_TYPE
from policy_compiler.keys import SigningKey
from policy_compiler.sign import sign_root
from tests.support.signing import (
    NOW_S,
    a_manifest,
    a_root,
    accept,
    changed,
    forge_general,
    forge_member,
    json_of,
    keys,
    listed,
    pin,
    refused,
    run,
    stranger,
    succeed,
)

OLD = keys().root
ONLINE = keys().online
NEW, THIRD, FOURTH = (SigningKey.generate() for _ in range(3))
PAYLOAD = json_of(a_root())


def a_second(*root_keys: SigningKey, **changes: Any) -> Root:
    """What the second root says; these are its root keys."""
    listed_keys = listed(root=root_keys or [NEW], online=[ONLINE])
    return a_root(version=2, keys=listed_keys, **changes)


def test_the_pinned_root_vouches_for_itself() -> None:
    assert run(pin(sign_root([OLD], a_root()))) == a_root()


def test_a_pinned_root_of_another_tenant_is_refused() -> None:
    refused("TENANT", pin(sign_root([OLD], a_root(tenant="rival"))))


def test_a_pinned_root_that_its_keys_did_not_sign_is_refused() -> None:
    refused("THRESHOLD", pin(forge_general([stranger()], PAYLOAD)))


def test_old_and_new_keys_together_hand_over() -> None:
    second = run(succeed(a_root(), sign_root([OLD, NEW], a_second())))
    third = a_root(version=3, keys=listed(root=[THIRD], online=[stranger()]))
    assert run(succeed(second, sign_root([NEW, THIRD], third))) == third


def test_the_handed_over_online_key_signs_manifests() -> None:
    second = a_root(version=2, keys=listed(root=[OLD], online=[stranger()]))
    accepted = run(succeed(a_root(), sign_root([OLD], second)))
    refused("UNKNOWN_KEY", accept(a_manifest(), root=accepted))


SIGNERS: dict[str, list[SigningKey]] = {
    "the old key alone": [OLD],
    "the new key alone": [NEW],
    "a stranger": [stranger()],
    "the online key and the new key": [ONLINE, NEW],
    "the old key and a stranger": [OLD, stranger()],
}


@pytest.mark.parametrize("signers", SIGNERS.values(), ids=SIGNERS.keys())
def test_a_successor_without_both_thresholds_is_refused(signers: list[SigningKey]) -> None:
    refused("THRESHOLD", succeed(a_root(), sign_root(signers, a_second())))


def test_a_threshold_of_two_takes_two() -> None:
    pair = a_root(threshold=2, keys=listed(root=[OLD, NEW], online=[ONLINE]))
    second = a_root(version=2, threshold=2, keys=listed(root=[NEW, THIRD], online=[ONLINE]))
    refused("THRESHOLD", succeed(pair, sign_root([NEW, THIRD], second)))
    refused("THRESHOLD", succeed(pair, sign_root([OLD, NEW], second)))
    assert run(succeed(pair, sign_root([OLD, NEW, THIRD], second))) == second


def test_signing_twice_does_not_count_twice() -> None:
    pair = a_root(threshold=2, keys=listed(root=[OLD, NEW], online=[ONLINE]))
    refused("THRESHOLD", pin(forge_general([OLD, OLD], json_of(pair))))


def test_one_key_under_two_ids_does_not_count_twice() -> None:
    same = listed(root=[OLD], online=[ONLINE]) | {"another": OLD.public("root")}
    refused("MALFORMED", pin(forge_general([OLD], json_of(a_root(threshold=2, keys=same)))))


def test_a_bad_signature_beside_enough_good_ones_does_no_harm() -> None:
    members = [
        forge_member(OLD, b"{}") | {"protected": _protected(OLD)},
        forge_member(OLD, PAYLOAD),
    ]
    assert run(pin(_general(members))) == a_root()


def test_a_signature_for_another_root_does_not_count() -> None:
    other = forge_member(OLD, json_of(a_root(epoch=9)))
    refused("THRESHOLD", pin(_general([other])))


def test_a_manifests_signature_is_no_roots() -> None:
    refused("HEADER", pin(forge_general([OLD], PAYLOAD, typ=MANIFEST_TYPE)))


def test_an_expired_root_still_introduces_the_next_one() -> None:
    """Otherwise an edge that slept through two could never come back."""
    second = a_second(expires_s=NOW_S - 9)
    third = a_root(version=3, keys=listed(root=[NEW], online=[ONLINE]))
    accepted = run(succeed(a_root(), sign_root([OLD, NEW], second)))
    refused("EXPIRED", accept(a_manifest(), root=accepted, now_s=NOW_S + 60))
    after = run(succeed(accepted, sign_root([NEW], third)))
    run(accept(a_manifest(), root=after))


SUCCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "the same version": ("ROLLBACK", {"version": 4}),
    "an older version": ("ROLLBACK", {"version": 3}),
    "a version left out": ("ROLLBACK", {"version": 6}),
    "an older epoch": ("ROLLBACK", {"version": 5, "epoch": 1}),
    "another tenant": ("TENANT", {"version": 5, "tenant": "rival"}),
}


@pytest.mark.parametrize(("code", "changes"), SUCCESSORS.values(), ids=SUCCESSORS.keys())
def test_a_root_that_does_not_follow_is_refused(code: str, changes: dict[str, Any]) -> None:
    current = a_root(version=4, epoch=2)
    successor = a_root(**{"epoch": 2} | changes)
    refused(code, succeed(current, sign_root([OLD], successor)))


SENSELESS: dict[str, bytes] = {
    "no threshold": changed(PAYLOAD, threshold=0),
    "a threshold that its keys cannot reach": changed(PAYLOAD, threshold=2),
    "no keys": changed(PAYLOAD, keys={}),
    "an unknown role": PAYLOAD.replace(b'"root"', b'"king"'),
    "a key of another kind": PAYLOAD.replace(b'"Ed25519"', b'"X25519"'),
    "a private key": PAYLOAD.replace(b'"kty"', b'"d":"AAAA","kty"', 1),
    "a key that is too short": changed(
        PAYLOAD, keys={OLD.kid: {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "role": "root"}}
    ),
    "a key that is not base64url": PAYLOAD.replace(b'"x":"', b'"x":"=', 1),
    "an unknown field": changed(PAYLOAD, note="hello"),
    "a field twice": PAYLOAD[:-1] + b',"version":2}',
    "no JSON": b"version: 1",
}


@pytest.mark.parametrize("payload", SENSELESS.values(), ids=SENSELESS.keys())
def test_a_signed_root_that_makes_no_sense_is_refused(payload: bytes) -> None:
    refused("MALFORMED", pin(forge_general([OLD], payload)))
    refused("MALFORMED", succeed(a_root(), forge_general([OLD], payload)))


FORMS: dict[str, bytes] = {
    "empty": b"",
    "compact form": a_manifest(),
    "no signatures": json_of({"payload": "e30", "signatures": []}),
    "too many signatures": forge_general([OLD] * (SIGNATURES_LIMIT + 1), PAYLOAD),
    "an unprotected header": json_of(
        {
            "payload": to_base64url(PAYLOAD).decode(),
            "signatures": [forge_member(OLD, PAYLOAD) | {"header": {"alg": "none"}}],
        }
    ),
    "a payload given twice": b'{"payload":"e30",' + forge_general([OLD], PAYLOAD)[1:],
    "a padded payload": forge_general([OLD], PAYLOAD).replace(b'","sig', b'=","sig', 1),
    "flattened form": json_of({"payload": "e30"} | forge_member(OLD, PAYLOAD)),
    "deeply nested": b"[" * 60_000,
    "not UTF-8": b'{"payload":"\xff"}',
}


@pytest.mark.parametrize("raw", FORMS.values(), ids=FORMS.keys())
def test_a_root_in_bad_form_is_refused(raw: bytes) -> None:
    refused("MALFORMED", pin(raw))


@pytest.mark.parametrize(
    "changes",
    [{"alg": "none"}, {"alg": "EdDSA"}, {"jwk": {"kty": "OKP"}}, {"crit": ["b64"]}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_header_with_more_or_other_than_the_allowed_is_refused(changes: dict[str, Any]) -> None:
    refused("HEADER", pin(forge_general([OLD], PAYLOAD, **changes)))


def test_64_kib_are_read_and_not_a_byte_more() -> None:
    refused("MALFORMED", pin(b"x" * SIZE_LIMIT_BYTES))
    refused("TOO_LARGE", pin(b"x" * (SIZE_LIMIT_BYTES + 1)))


def test_a_bit_flipped_anywhere_is_noticed() -> None:
    raw = sign_root([OLD], a_root())

    async def flip_them_all() -> None:
        for at in range(len(raw)):
            flipped = bytearray(raw)
            flipped[at] ^= 1 << at % 8
            with pytest.raises(TrustError):
                await pin(bytes(flipped))

    run(flip_them_all())


def test_a_root_is_json_that_other_tools_read() -> None:
    root = json.loads(sign_root([OLD, NEW], a_second()))
    assert set(root) == {"payload", "signatures"}
    assert [set(member) for member in root["signatures"]] == [{"protected", "signature"}] * 2


def _general(members: list[dict[str, str]]) -> bytes:
    return json_of({"payload": to_base64url(PAYLOAD).decode(), "signatures": members})


def _protected(key: SigningKey) -> str:
    return forge_member(key, PAYLOAD)["protected"]
