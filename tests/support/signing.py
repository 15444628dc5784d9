"""A publisher for tests: real keys, real signatures, and the tricks of a forger.

The honest files come from `policy_compiler.sign`; what an honest signer refuses to
make is made by `forge_compact` and `forge_general`, which sign anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable
from functools import cache
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs

from edge.decision.claims import Key, Manifest, ManifestPayload, Release, Root
from edge.decision.errors import TrustError
from edge.decision.jws import to_base64url
from edge.decision.trust import (
    MANIFEST_TYPE,
    ROOT_TYPE,
    Floor,
    accept_manifest,
    accept_root,
    floor_of,
    pin_root,
)
from edge.local_crypto import verify_ed25519
from policy_compiler.keys import DevelopmentKeys, SigningKey
from policy_compiler.sign import sign_manifest
from tests.support.bundles import tiny_bundle

Result = TypeVar("Result")

NOW_S = 1_790_000_000
HOUR_S = 3_600


@cache
def keys() -> DevelopmentKeys:
    return DevelopmentKeys.generate()


@cache
def stranger() -> SigningKey:
    """A key that no root lists."""
    return SigningKey.generate()


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(coroutine)


def refused(code: str, coroutine: Coroutine[Any, Any, object]) -> TrustError:
    """The refusal, which must be this one."""
    with pytest.raises(TrustError) as caught:
        run(coroutine)
    assert caught.value.code == code, caught.value
    return caught.value


# --- what an honest publisher makes -------------------------------------------


def a_release(bundle: bytes | None = None, **changes: Any) -> Release:
    bundle = tiny_bundle() if bundle is None else bundle
    whole = Release(bundle=sha256(bundle).hexdigest(), size_bytes=len(bundle))
    return structs.replace(whole, **changes)


def a_payload(**changes: Any) -> ManifestPayload:
    """A manifest for the edge, an hour old, with a day to live."""
    payload = ManifestPayload(
        tenant="shop",
        channel="production",
        projection="edge",
        epoch=1,
        sequence=7,
        issued_s=NOW_S - HOUR_S,
        expires_s=NOW_S + 23 * HOUR_S,
        releases=(a_release(),),
        ramp="autumn",
    )
    return structs.replace(payload, **changes)


def a_manifest(**changes: Any) -> bytes:
    return sign_manifest(keys(), a_payload(**changes))


def a_root(**changes: Any) -> Root:
    """What the first root says."""
    root = Root(
        tenant="shop",
        version=1,
        epoch=1,
        expires_s=NOW_S + 365 * 24 * HOUR_S,
        keys=listed(root=[keys().root], online=[keys().online]),
    )
    return structs.replace(root, **changes)


def listed(root: Iterable[SigningKey], online: Iterable[SigningKey]) -> dict[str, Key]:
    """Keys as a root lists them."""
    roles = {"root": root, "online": online}
    return {key.kid: key.public(role) for role, of_role in roles.items() for key in of_role}


# --- what an edge does with it ------------------------------------------------


async def accept(
    raw: bytes,
    *,
    root: Root | None = None,
    floor: Floor | None = None,
    now_s: int = NOW_S,
) -> Manifest:
    """What the edge of shop, channel production, makes of a manifest."""
    return await accept_manifest(
        root or a_root(), floor, raw, verify_ed25519, now_s, "shop", "production", "edge"
    )


def floor_after(raw: bytes) -> Floor:
    return floor_of(run(accept(raw)))


async def pin(raw: bytes) -> Root:
    return await pin_root(raw, verify_ed25519, "shop")


async def succeed(current: Root, raw: bytes) -> Root:
    return await accept_root(current, raw, verify_ed25519)


# --- what a forger makes ------------------------------------------------------


def forge_compact(
    key: SigningKey, payload: bytes | None = None, header: bytes | None = None, **changes: Any
) -> bytes:
    """A compact JWS, truly signed by `key`, around any header and payload."""
    payload = json_of(a_payload()) if payload is None else payload
    header = header or json_of(a_header(key, MANIFEST_TYPE) | changes)
    text = to_base64url(header) + b"." + to_base64url(payload)
    return text + b"." + to_base64url(_sign(key, text))


def forge_general(signers: Iterable[SigningKey], payload: bytes, **changes: Any) -> bytes:
    """A JWS in general JSON form, truly signed, around any headers and payload."""
    members = [forge_member(key, payload, **changes) for key in signers]
    return json_of({"payload": to_base64url(payload).decode(), "signatures": members})


def forge_member(key: SigningKey, payload: bytes, **changes: Any) -> dict[str, str]:
    protected = to_base64url(json_of(a_header(key, ROOT_TYPE) | changes))
    signature = _sign(key, protected + b"." + to_base64url(payload))
    return {"protected": protected.decode(), "signature": to_base64url(signature).decode()}


def a_header(key: SigningKey, typ: str) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": typ, "kid": key.kid}


def json_of(value: object) -> bytes:
    return msgspec.json.encode(value)


def changed(payload: bytes, **changes: Any) -> bytes:
    """The JSON object with other or more fields; None removes one."""
    fields = json.loads(payload) | changes
    return json_of({name: value for name, value in fields.items() if value is not None})


def _sign(key: SigningKey, message: bytes) -> bytes:
    private = key.jwk.private_key
    assert isinstance(private, Ed25519PrivateKey)
    return private.sign(message)
