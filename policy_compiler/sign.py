"""Signing what the edge will believe: manifests and roots.

    root     which keys may sign; by root keys, which production keeps offline
    manifest which bundles are live; by the online key, many times a day
    release  the table of bundles that were compiled together; named by its SHA-256,
             which its publisher records

Nothing is signed that `edge.decision.trust` would refuse to read.  Ed25519 has no
chance in it: equal content and keys give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from joserfc import jws
from joserfc.jwk import GuestProtocol, OKPKey
from msgspec import Struct

from edge.decision.claims import (
    Digest,
    ManifestPayload,
    Name,
    Projection,
    Root,
    read_manifest,
    read_root,
)
from edge.decision.errors import TrustError
from edge.decision.jws import ALGORITHM, SIGNATURES_LIMIT, SIZE_LIMIT_BYTES
from edge.decision.trust import MANIFEST_TYPE, ROOT_TYPE

from .keys import DevelopmentKeys, OnlineKeys, SigningError, SigningKey

LIFETIME_LIMITS_S: dict[Projection, int] = {"edge": 86_400, "browser": 3_600}
"""Longest life of a manifest: what bounds a rollback where an edge forgets its floor."""

DEVELOPMENT_ROOT_LIFETIME_S = 10 * 365 * 86_400
"""Nobody is there to renew the root of a demo whose data is found again years later."""


# --- manifests and roots ------------------------------------------------------


def sign_manifest(keys: OnlineKeys, manifest: ManifestPayload) -> bytes:
    """A compact JWS by the online key.  Raises `SigningError`."""
    _check_lifetime(manifest)
    if manifest.projection == "browser" and manifest.multipliers:
        raise SigningError(
            "A browser's manifest holds budget multipliers.",
            "They are confidential: leave them to the edge's manifest.",
        )
    payload = encode_manifest(manifest)
    header = _header(keys.online, MANIFEST_TYPE)
    signed = jws.serialize_compact(header, payload, keys.online.jwk, algorithms=[ALGORITHM])
    return _check_size(signed.encode())


def encode_manifest(manifest: ManifestPayload) -> bytes:
    """The payload's bytes: fields in the Struct's order, and no others.  Raises `SigningError`."""
    said = {name: getattr(manifest, name) for name in ManifestPayload.__struct_fields__}
    payload = msgspec.json.encode(ManifestPayload(**said), order="deterministic")
    _check_readable(read_manifest, payload)
    return payload


def _check_lifetime(manifest: ManifestPayload) -> None:
    lifetime_s = manifest.expires_s - manifest.issued_s
    limit_s = LIFETIME_LIMITS_S[manifest.projection]
    if lifetime_s > limit_s:
        raise SigningError(
            f"A manifest for the {manifest.projection} would live {lifetime_s} s.",
            f"It may live {limit_s} s; sign it again at least 4 times in that time.",
        )


def sign_root(signers: Sequence[SigningKey], root: Root) -> bytes:
    """A JWS in general JSON form by all `signers`.  Raises `SigningError`.

    To succeed another root it needs the threshold of that root's keys and of its own.
    """
    by_id = {signer.kid: signer for signer in signers}
    if not 1 <= len(by_id) <= SIGNATURES_LIMIT or len(by_id) != len(signers):
        raise SigningError(
            f"{len(signers)} signers with {len(by_id)} keys.",
            f"A root is signed by 1 to {SIGNATURES_LIMIT} different keys.",
        )
    payload = msgspec.json.encode(root, order="deterministic")
    _check_readable(read_root, payload)

    def key_of(member: GuestProtocol) -> OKPKey:
        return by_id[member.headers()["kid"]].jwk

    members: list[Any] = [{"protected": _header(signer, ROOT_TYPE)} for signer in signers]
    signed = jws.serialize_json(members, payload, key_of, algorithms=[ALGORITHM])
    return _check_size(msgspec.json.encode(signed))


def development_root(keys: DevelopmentKeys, tenant: str, now_s: int) -> bytes:
    """The first root of a shop on one machine: one root key, one online key."""
    root = Root(
        tenant=tenant,
        version=1,
        epoch=1,
        expires_s=now_s + DEVELOPMENT_ROOT_LIFETIME_S,
        threshold=1,
        keys={
            keys.root.kid: keys.root.public("root"),
            keys.online.kid: keys.online.public("online"),
        },
    )
    return sign_root([keys.root], root)


def _header(key: SigningKey, typ: str) -> dict[str, str]:
    return {"alg": ALGORITHM, "typ": typ, "kid": key.kid}


def _check_readable(read: Any, payload: bytes) -> None:
    try:
        read(payload)
    except TrustError as error:
        raise SigningError(
            f"No edge would read this: {error.detail}.", "Mend the content; nothing was signed."
        ) from None


def _check_size(signed: bytes) -> bytes:
    if len(signed) > SIZE_LIMIT_BYTES:
        raise SigningError(
            f"The signed file would have {len(signed)} bytes; edges read {SIZE_LIMIT_BYTES}.",
            "Pause fewer things by name, or pause everything.",
        )
    return signed


# --- releases -----------------------------------------------------------------


class ReleaseRow(Struct, frozen=True, kw_only=True, order=True, forbid_unknown_fields=True):
    """A bundle of a release: for which projection and slice, its SHA-256 and its size."""

    projection: Projection
    slice: Name
    digest: Digest
    size_bytes: int


def make_release(rows: Iterable[ReleaseRow]) -> bytes:
    """Canonical JSON: rows and keys sorted, no spaces.  Raises `SigningError`."""
    table = sorted(rows)
    if len({(row.projection, row.slice) for row in table}) != len(table) or not table:
        raise SigningError(
            "A release is empty or names a slice twice.", "Give each slice one bundle."
        )
    data = msgspec.json.encode(table, order="sorted")
    read_release(data)
    return data


def read_release(data: bytes) -> tuple[ReleaseRow, ...]:
    """The rows of a release.  Raises `SigningError`."""
    try:
        return msgspec.json.decode(data, type=tuple[ReleaseRow, ...])
    except ValueError as error:
        raise SigningError(f"No release: {error}.", "Compile the catalog again.") from None
