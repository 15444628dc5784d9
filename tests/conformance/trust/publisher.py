"""A publisher whose keys are known, so that its signatures come out alike each time.

What an honest publisher makes comes from `policy_compiler.sign`; what such a one refuses
to make is forged around it.  The keys are seeds anybody can read here: for tests only.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OKPKey
from msgspec import structs

from edge.decision.claims import ManifestPayload, Release, Root
from edge.decision.hashing import T
from edge.decision.jws import to_base64url
from policy_compiler.keys import DevelopmentKeys, SigningKey
from policy_compiler.sign import sign_manifest, sign_root
from tests.support.bundles import tiny_bundle
from tests.support.signing import HOUR_S, NOW_S, json_of, listed

TENANT, CHANNEL = "shop", "production"
YEAR_S = 365 * 24 * HOUR_S
MANIFEST = f"channels/{CHANNEL}/edge.jws"


def key_named(name: str) -> SigningKey:
    """A key that anybody can make again."""
    seed = sha256(b"proffer trust vectors: " + name.encode()).digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    parts: Any = {"kty": "OKP", "crv": "Ed25519", "d": text_of(seed), "x": text_of(x)}
    return SigningKey(OKPKey.import_key(parts))


def text_of(data: bytes) -> str:
    return to_base64url(data).decode()


ROOT, ROOT_2, ROOT_3 = (key_named(f"root {n}") for n in (1, 2, 3))
ONLINE, ONLINE_2 = (key_named(f"online {n}") for n in (1, 2))
STRANGER = key_named("stranger")
LIVE, OTHER = tiny_bundle(TENANT, salt="live"), tiny_bundle(TENANT, salt="other")


def digest_of(bundle: bytes) -> str:
    return sha256(bundle).hexdigest()


def path_of(bundle: bytes) -> str:
    return f"bundles/{digest_of(bundle)}"


def release(bundle: bytes = LIVE, **changes: Any) -> Release:
    whole = Release(bundle=digest_of(bundle), size_bytes=len(bundle), share=T)
    return structs.replace(whole, **changes)


def payload(**changes: Any) -> ManifestPayload:
    """An hour old, with 23 to live."""
    said = ManifestPayload(
        tenant=TENANT, channel=CHANNEL, projection="edge", epoch=1, sequence=7,
        issued_s=NOW_S - HOUR_S, expires_s=NOW_S + 23 * HOUR_S, releases=(release(),),
        ramp="autumn",
    )  # fmt: skip
    return structs.replace(said, **changes)


def manifest(key: SigningKey = ONLINE, **changes: Any) -> bytes:
    keys = DevelopmentKeys(
        root=ROOT, online=key, edge_secret=bytes(32), cookie_secret=bytes(32), shop_key="k"
    )
    return sign_manifest(keys, payload(**changes))


def root(**changes: Any) -> Root:
    said = Root(
        tenant=TENANT, version=1, epoch=1, expires_s=NOW_S + YEAR_S, threshold=1,
        keys=listed(root=[ROOT], online=[ONLINE]),
    )  # fmt: skip
    return structs.replace(said, **changes)


def signed_root(*signers: SigningKey, **changes: Any) -> bytes:
    return sign_root(signers, root(**changes))


def second_root(*signers: SigningKey, **changes: Any) -> bytes:
    """The root after the first, signed by the old root key and the new one unless told."""
    own: dict[str, Any] = {"keys": listed(root=[ROOT_2], online=[ONLINE])}
    return signed_root(*(signers or (ROOT, ROOT_2)), version=2, **own | changes)


def keys_of(roots: Iterable[SigningKey], online: Iterable[SigningKey]) -> dict[str, Any]:
    return {"keys": listed(root=roots, online=online)}


def raw_payload(**changes: Any) -> bytes:
    return json_of(payload(**changes))
