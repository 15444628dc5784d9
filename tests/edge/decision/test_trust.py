"""Which manifest an edge believes.  The attack list is TUF's."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision.claims import ManifestPayload, Paused, Release, Root
from edge.decision.errors import TrustError
from edge.decision.hashing import T
from edge.decision.jws import SIZE_LIMIT_BYTES, to_base64url
from edge.decision.trust import MANIFEST_TYPE, ROOT_TYPE, Floor, accept_manifest, recall_floor
from edge.local_crypto import verify_ed25519
from tests.support.parts import ROOT
from tests.support.signing import (
    HOUR_S,
    NOW_S,
    a_header,
    a_manifest,
    a_payload,
    a_root,
    accept,
    changed,
    floor_after,
    forge_compact,
    json_of,
    keys,
    listed,
    refused,
    run,
    stranger,
)

ONLINE = keys().online
PAYLOAD = json_of(a_payload())
HEADER = json_of(a_header(ONLINE, MANIFEST_TYPE))
OPEN = PAYLOAD[:-1]  # the object without its closing brace


def test_an_honest_manifest_is_believed_as_it_was_signed() -> None:
    raw = a_manifest(multipliers={"autumn": 70_000})
    manifest = run(accept(raw))
    said = ManifestPayload(
        **{name: getattr(manifest, name) for name in ManifestPayload.__struct_fields__}
    )
    assert said == a_payload(multipliers={"autumn": 70_000})
    assert manifest.digest == sha256(raw).digest()


# --- the header ---------------------------------------------------------------

HEADERS: dict[str, dict[str, Any]] = {
    "no algorithm at all": {"alg": "none"},
    "a shared secret": {"alg": "HS256"},
    "the older name, which covers other curves": {"alg": "EdDSA"},
    "the name in small letters": {"alg": "ed25519"},
    "the algorithm as a list": {"alg": ["Ed25519"]},
    "the type of a root": {"typ": ROOT_TYPE},
    "the type of any token": {"typ": "JWT"},
    "an embedded key": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}},
    "a key to be fetched": {"jku": "https://example.com/keys"},
    "a certificate chain": {"x5c": ["AAAA"]},
    "a critical extension": {"crit": ["exp"], "exp": 1},
    "a payload that is not base64": {"b64": False},
    "a compressed payload": {"zip": "DEF"},
    "a key id that is a number": {"kid": 7},
    "a very long key id": {"kid": "k" * 600},
}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_with_more_or_other_than_the_allowed_is_refused(changes: dict[str, Any]) -> None:
    refused("HEADER", accept(forge_compact(ONLINE, **changes)))


RAW_HEADERS = {
    "algorithm given twice": HEADER[:-1] + b',"alg":"Ed25519"}',
    "algorithm given twice, once escaped": HEADER[:-1] + b',"\\u0061lg":"none"}',
    "no type": json_of({"alg": "Ed25519", "kid": ONLINE.kid}),
    "no key id": json_of({"alg": "Ed25519", "typ": MANIFEST_TYPE}),
    "a list": b"[]",
    "deeply nested": b"[" * 300,
    "no JSON": b"alg=Ed25519",
    "empty": b" ",
    "not UTF-8": b'{"alg":"\xff"}',
}


@pytest.mark.parametrize("header", RAW_HEADERS.values(), ids=RAW_HEADERS.keys())
def test_a_header_in_bad_form_is_refused(header: bytes) -> None:
    refused("HEADER", accept(forge_compact(ONLINE, header=header)))


def test_the_public_key_is_no_shared_secret() -> None:
    header = json_of(a_header(ONLINE, MANIFEST_TYPE) | {"alg": "HS256"})
    text = to_base64url(header) + b"." + to_base64url(PAYLOAD)
    mac = hmac.digest(ONLINE.public("online").public, text, "sha256")
    refused("HEADER", accept(text + b"." + to_base64url(mac)))


# --- keys and signatures ------------------------------------------------------


def test_a_key_that_the_root_does_not_list_signs_nothing() -> None:
    refused("UNKNOWN_KEY", accept(forge_compact(stranger())))


def test_a_root_key_signs_no_manifest() -> None:
    refused("UNKNOWN_KEY", accept(forge_compact(keys().root)))


def test_a_removed_key_signs_nothing_any_more() -> None:
    raw = a_manifest()
    root = a_root(version=2, keys=listed(root=[keys().root], online=[stranger()]))
    refused("UNKNOWN_KEY", accept(raw, root=root))


def test_a_strange_key_under_a_known_id_signs_nothing() -> None:
    refused("SIGNATURE", accept(forge_compact(stranger(), kid=ONLINE.kid)))


def test_the_signature_of_one_manifest_does_not_fit_another() -> None:
    mine, other = (a_manifest(sequence=n).rpartition(b".") for n in (7, 8))
    refused("SIGNATURE", accept(mine[0] + b"." + other[2]))


@pytest.mark.parametrize("size_bytes", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(size_bytes: int) -> None:
    text = a_manifest().rpartition(b".")[0]
    refused("SIGNATURE", accept(text + b"." + to_base64url(bytes(size_bytes))))


def test_a_verifier_that_says_no_is_obeyed() -> None:
    async def no(key_x: bytes, message: bytes, signature: bytes) -> bool:
        return False

    refused("SIGNATURE", _accept_with(no))


def test_nothing_is_verified_before_the_cheap_checks_hold() -> None:
    async def never(key_x: bytes, message: bytes, signature: bytes) -> bool:
        raise AssertionError("verified too early")

    refused("HEADER", _accept_with(never, forge_compact(ONLINE, alg="none")))
    refused("UNKNOWN_KEY", _accept_with(never, forge_compact(stranger())))


async def _accept_with(
    verify: Callable[[bytes, bytes, bytes], Awaitable[bool]], raw: bytes | None = None
) -> object:
    raw = a_manifest() if raw is None else raw
    return await accept_manifest(a_root(), None, raw, verify, NOW_S, "shop", "production", "edge")


# --- form ---------------------------------------------------------------------

SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "a line break at the end": lambda raw: raw + b"\n",
    "padded base64": lambda raw: raw + b"==",
    "a space inside": lambda raw: raw[:20] + b" " + raw[20:],
    "a byte that is no ASCII": lambda raw: raw[:20] + b"\xff" + raw[21:],
    "two parts": lambda raw: raw.rpartition(b".")[0],
    "four parts": lambda raw: raw + b".",
    "the other base64 alphabet": lambda raw: raw.rpartition(b".")[0] + b"." + b"+/" * 43,
    "stray bits after the signature": lambda raw: raw[:-1] + bytes([raw[-1] + 1]),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_there_is_one_spelling_of_each_manifest(spell: Callable[[bytes], bytes]) -> None:
    refused("MALFORMED", accept(spell(a_manifest())))


PAYLOADS: dict[str, bytes] = {
    "an unknown field": changed(PAYLOAD, nonsense=1),
    "a missing field": changed(PAYLOAD, sequence=None),
    "a field twice": OPEN + b',"sequence":9}',
    "a field twice, once escaped": OPEN + b',"\\u0073equence":9}',
    "a nested field twice": changed(PAYLOAD, paused=None)[:-1]
    + b',"paused":{"all":false,"all":true}}',
    "a fraction": PAYLOAD.replace(b'"sequence":7', b'"sequence":7.0'),
    "a number as text": changed(PAYLOAD, sequence="7"),
    "a boolean as number": changed(PAYLOAD, sequence=True),
    "a negative number": changed(PAYLOAD, sequence=-1),
    "a number beyond 2^53": changed(PAYLOAD, sequence=1 << 53),
    "a number with an exponent": PAYLOAD.replace(b'"sequence":7', b'"sequence":7e0'),
    "not a number": PAYLOAD.replace(b'"sequence":7', b'"sequence":NaN'),
    "an unknown projection": changed(PAYLOAD, projection="kiosk"),
    "no release": changed(PAYLOAD, releases=[]),
    "shares below the whole": PAYLOAD.replace(b'"share":1048576', b'"share":1048575'),
    "a share above the whole": PAYLOAD.replace(b'"share":1048576', b'"share":1048577'),
    "a release without bytes": changed(
        PAYLOAD, releases=[{"bundle": "0" * 64, "size_bytes": 0, "share": 1 << 20}]
    ),
    "a digest that is a path": changed(
        PAYLOAD, releases=[{"bundle": "../" * 20 + "root", "size_bytes": 9, "share": 1 << 20}]
    ),
    "no ramp": changed(PAYLOAD, ramp=""),
    "a ramp that breaks words apart": changed(PAYLOAD, ramp="a\x1fb"),
    "a paused name with a line break": changed(PAYLOAD, paused={"offers": ["spring\n"]}),
    "half a character": PAYLOAD.replace(b'"autumn"', b'"\\ud800"'),
    "a multiplier above 256": changed(PAYLOAD, multipliers={"b": (1 << 24) + 1}),
    "over before it began": changed(PAYLOAD, expires_s=NOW_S - HOUR_S),
    "no object": b"[]",
    "no JSON": b"sequence: 7",
    "two objects": PAYLOAD + PAYLOAD,
    "a byte order mark": b"\xef\xbb\xbf" + PAYLOAD,
    "not UTF-8": PAYLOAD.replace(b"autumn", b"autum\xff"),
    "deeply nested": b"[" * 40_000,
    "nothing": b"",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_signed_payload_that_makes_no_sense_is_refused(payload: bytes) -> None:
    refused("MALFORMED", accept(forge_compact(ONLINE, payload)))


def test_64_kib_are_read_and_not_a_byte_more() -> None:
    raw = a_manifest()
    at_limit = raw + b"A" * (SIZE_LIMIT_BYTES - len(raw))
    refused("SIGNATURE", accept(at_limit))
    refused("TOO_LARGE", accept(at_limit + b"A"))


def test_a_bit_flipped_anywhere_is_noticed() -> None:
    raw = a_manifest()

    async def flip_them_all() -> None:
        for at in range(len(raw)):
            flipped = bytearray(raw)
            flipped[at] ^= 1 << at % 8
            with pytest.raises(TrustError):
                await accept(bytes(flipped))

    run(flip_them_all())


def test_a_file_cut_off_or_continued_anywhere_is_refused() -> None:
    raw = a_manifest()

    async def cut_everywhere() -> None:
        for length in range(len(raw)):
            with pytest.raises(TrustError):
                await accept(raw[:length])
            with pytest.raises(TrustError):
                await accept(raw + raw[: length + 1])

    run(cut_everywhere())


@given(st.binary(max_size=300), st.integers(0, 2))
def test_any_bytes_give_a_refusal_and_nothing_else(noise: bytes, part: int) -> None:
    parts = a_manifest().split(b".")
    parts[part] = to_base64url(noise)
    for raw in (noise, b".".join(parts)):
        with pytest.raises(TrustError):
            run(accept(raw))


# --- whose and when -----------------------------------------------------------

PLACES: dict[str, tuple[str, dict[str, str]]] = {
    "another tenant": ("TENANT", {"tenant": "rival"}),
    "another channel": ("CHANNEL", {"channel": "staging"}),
    "another projection": ("CHANNEL", {"projection": "browser"}),
}


@pytest.mark.parametrize(("code", "changes"), PLACES.values(), ids=PLACES.keys())
def test_a_manifest_for_another_place_is_refused(code: str, changes: dict[str, str]) -> None:
    refused(code, accept(forge_compact(ONLINE, changed(PAYLOAD, **changes))))


def test_clocks_may_be_60_seconds_apart() -> None:
    raw = a_manifest(issued_s=NOW_S, expires_s=NOW_S + HOUR_S)
    run(accept(raw, now_s=NOW_S - 60))
    refused("NOT_YET_VALID", accept(raw, now_s=NOW_S - 61))
    run(accept(raw, now_s=NOW_S + HOUR_S + 59))
    refused("EXPIRED", accept(raw, now_s=NOW_S + HOUR_S + 60))


def test_under_an_expired_root_no_manifest_is_believed() -> None:
    root = a_root(expires_s=NOW_S)
    raw = a_manifest()
    run(accept(raw, root=root, now_s=NOW_S + 59))
    error = refused("EXPIRED", accept(raw, root=root, now_s=NOW_S + 60))
    assert "root 1" in error.detail


# --- rollback and fork --------------------------------------------------------


def test_an_older_sequence_is_a_rollback() -> None:
    refused("ROLLBACK", accept(a_manifest(sequence=6), floor=floor_after(a_manifest(sequence=7))))


def test_a_newer_sequence_and_the_very_same_bytes_are_fine() -> None:
    floor = floor_after(a_manifest(sequence=7))
    assert run(accept(a_manifest(sequence=7), floor=floor)).digest == floor.digest
    assert run(accept(a_manifest(sequence=8), floor=floor)).sequence == 8


def test_one_number_for_two_manifests_is_a_fork() -> None:
    floor = floor_after(a_manifest(sequence=7))
    refused("FORK", accept(a_manifest(sequence=7, ramp="winter"), floor=floor))


def test_a_new_epoch_counts_from_the_start() -> None:
    floor = floor_after(a_manifest(sequence=1 << 52))
    root = a_root(version=2, epoch=2)
    assert run(accept(a_manifest(epoch=2, sequence=0), root=root, floor=floor)).epoch == 2


@pytest.mark.parametrize("epoch", [1, 3])
def test_only_a_root_opens_and_closes_an_epoch(epoch: int) -> None:
    refused("ROLLBACK", accept(a_manifest(epoch=epoch), root=a_root(version=2, epoch=2)))


def test_a_root_of_an_older_epoch_does_not_bring_its_manifests_back() -> None:
    floor = Floor(epoch=2, sequence=0, digest=bytes(32))
    refused("ROLLBACK", accept(a_manifest(epoch=1, sequence=99), floor=floor))


def test_a_saved_manifest_proves_the_floor_even_when_it_has_expired() -> None:
    raw = a_manifest(issued_s=1, expires_s=2)
    assert run(_recall(raw)) == Floor(1, 7, sha256(raw).digest())


def test_a_saved_manifest_that_was_changed_proves_nothing() -> None:
    refused("UNKNOWN_KEY", _recall(forge_compact(stranger())))
    refused("SIGNATURE", _recall(forge_compact(stranger(), kid=ONLINE.kid)))
    refused("CHANNEL", _recall(a_manifest(channel="staging")))
    refused("TENANT", _recall(a_manifest(tenant="rival")))


async def _recall(raw: bytes) -> Floor:
    return await recall_floor(a_root(), raw, verify_ed25519, "shop", "production", "edge")


# --- the order of the checks --------------------------------------------------


def test_faults_are_found_in_the_documented_order() -> None:
    """A file with every fault, mended one by one, is refused for each in turn."""
    floor = floor_after(a_manifest(sequence=9, ramp="winter"))
    faults = {
        "tenant": "rival", "channel": "staging", "issued_s": NOW_S + HOUR_S, "epoch": 0,
        "sequence": 9,
    }  # fmt: skip
    bad = changed(PAYLOAD, **faults)
    files = {
        "TOO_LARGE": forge_compact(stranger(), b"{" * SIZE_LIMIT_BYTES, alg="none"),
        "HEADER": forge_compact(stranger(), b"{", alg="none"),
        "UNKNOWN_KEY": forge_compact(stranger(), b"{"),
        "SIGNATURE": forge_compact(stranger(), b"{", kid=ONLINE.kid),
        "MALFORMED": forge_compact(ONLINE, b"{"),
        "TENANT": forge_compact(ONLINE, bad),
        "CHANNEL": forge_compact(ONLINE, bad := changed(bad, tenant="shop")),
        "NOT_YET_VALID": forge_compact(ONLINE, bad := changed(bad, channel="production")),
        "ROLLBACK": forge_compact(ONLINE, bad := changed(bad, issued_s=NOW_S - HOUR_S)),
        "FORK": forge_compact(ONLINE, changed(bad, epoch=1)),
    }
    for code, raw in files.items():
        refused(code, accept(raw, floor=floor))


def test_the_reference_names_every_refusal() -> None:
    page = (ROOT / "docs/reference/trust.md").read_text().partition("\n## Offer tokens")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.M)) == set(TrustError.CODES)


def test_the_reference_shows_every_field_in_order() -> None:
    page = (ROOT / "docs/reference/trust.md").read_text()
    manifest, root = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.S))
    assert tuple(manifest) == ManifestPayload.__struct_fields__
    assert tuple(manifest["releases"][0]) == Release.__struct_fields__
    assert tuple(manifest["paused"]) == Paused.__struct_fields__
    assert sum(release["share"] for release in manifest["releases"]) == T
    assert tuple(root) == Root.__struct_fields__
