"""What the signed files say: the payloads of roots and manifests, as JSON.

    root      {"tenant", "version", "epoch", "expires_s", "threshold",
               "keys": {id: {"kty": "OKP", "crv": "Ed25519", "x", "role"}}}
    manifest  {"tenant", "channel", "projection", "epoch", "sequence",
               "issued_s", "expires_s",
               "releases": [{"bundle", "size_bytes", "share"}], "ramp",
               "paused": {"all", "offers", "rungs", "placements"},
               "multipliers": {budget: q16}}

Reading says whether a payload makes sense, never whether to believe it: that is
`trust.py`.  Times are Unix seconds; whole numbers stay below 2^53; names are
non-empty and hold no control characters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .bundle import SIZE_LIMIT as BUNDLE_LIMIT_BYTES
from .errors import TrustError
from .hashing import T
from .jws import from_base64url, read_json

Projection = Literal["edge", "browser"]
Name = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\ud800-\udfff]+\Z", max_length=256)]
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An Ed25519 public key as a JSON Web Key, and the one thing it may sign."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: str
    role: Literal["online", "root"]

    @property
    def public(self) -> bytes:
        return from_base64url(self.x.encode())


class Root(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys (by key id) may sign what; `threshold` counts signatures of roots."""

    tenant: Name
    version: Count
    epoch: Count
    expires_s: Count
    threshold: Annotated[int, Meta(ge=1, le=16)] = 1
    keys: dict[Name, Key]

    def of_role(self, role: str) -> dict[str, Key]:
        return {kid: key for kid, key in self.keys.items() if key.role == role}


class Release(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A live bundle and its share of units, out of T = 2^20."""

    bundle: Digest
    size_bytes: Annotated[int, Meta(ge=1, le=BUNDLE_LIMIT_BYTES)]
    share: Annotated[int, Meta(ge=0, le=T)] = T


class Paused(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kill switch, by name: offers, rungs ("offer/rung"), placements, or everything."""

    all: bool = False
    offers: tuple[Name, ...] = ()
    rungs: tuple[Name, ...] = ()
    placements: tuple[Name, ...] = ()


class ManifestPayload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says.  Shares sum to T; multipliers are unsigned Q16 by budget."""

    tenant: Name
    channel: Name
    projection: Projection
    epoch: Count
    sequence: Count
    issued_s: Count
    expires_s: Count
    releases: Annotated[tuple[Release, ...], Meta(min_length=1, max_length=16)]
    ramp: Name
    paused: Paused = Paused()
    multipliers: dict[Name, Annotated[int, Meta(ge=0, le=1 << 24)]] = {}


class Manifest(ManifestPayload, frozen=True, kw_only=True):
    """A believed manifest; `digest` is the SHA-256 of the signed file."""

    digest: bytes


def read_root(payload: bytes) -> Root:
    """What a root says, whoever signed it.  Raises `TrustError` MALFORMED."""
    try:
        root = read_json(payload, Root)
        publics = {key.public for key in root.keys.values()}
    except ValueError as error:
        raise TrustError("MALFORMED", f"root: {error}") from None
    if any(len(public) != 32 for public in publics):
        raise TrustError("MALFORMED", "root: an Ed25519 key has 32 bytes")
    if len(publics) != len(root.keys):
        # else one key under two ids would reach a threshold of two alone
        raise TrustError("MALFORMED", "root: a key has two ids")
    if root.threshold > len(root.of_role("root")):
        raise TrustError("MALFORMED", f"root: fewer root keys than its threshold {root.threshold}")
    return root


def read_manifest(payload: bytes) -> ManifestPayload:
    """What a manifest says, whoever signed it.  Raises `TrustError` MALFORMED."""
    try:
        manifest = read_json(payload, ManifestPayload)
    except ValueError as error:
        raise TrustError("MALFORMED", f"manifest: {error}") from None
    if sum(release.share for release in manifest.releases) != T:
        raise TrustError("MALFORMED", f"manifest: shares of releases must sum to {T}")
    if manifest.issued_s >= manifest.expires_s:
        raise TrustError("MALFORMED", "manifest: it expires before it was issued")
    return manifest
