"""Which policy to believe: bytes in, trust or a `TrustError` out.

Three files, each vouched for by the one before:

    root      keys/root.N.jws                     says which keys may sign; the first
                                                  is pinned in the edge's configuration
    manifest  channels/<channel>/<projection>.jws signed by an online key of the root;
                                                  says which bundles are live, for a day
    bundle    bundles/<sha256>                    named by its digest in the manifest

Rules.

 * Roots are applied one by one, each signed by a threshold of the keys of the
   root before it *and* of its own.  An expired root may still introduce the next
   one (else an edge that slept through two could never come back), but no
   manifest is believed under it.
 * A manifest belongs to the root's epoch.  Only a new root opens a new epoch, so
   a thief of an online key cannot spend the sequence numbers of the future.
 * The *floor* is the highest (epoch, sequence) that this edge has run.  Lower is a
   rollback.  Equal must be the same bytes: two manifests with one number mean that
   somebody forked the channel, so refuse and alarm.
 * The order of the checks is part of the interface.  Nothing of a payload is read
   before its signature holds (of a root: the signatures of the root before it).
   One check is one function with one code.
 * A refusal changes nothing: the caller keeps the last good policy until it
   expires, and shows defaults (reason `STALE`) after that.

Nothing here fetches, stores, or reads a clock.  The home lends `Verify`; it is
asynchronous because WebCrypto is.

    root = await pin_root(pinned, verify, tenant)
    root = await accept_root(root, fetched, verify)        # until there is no next one
    manifest = await accept_manifest(root, floor, fetched, verify, now_s, tenant, ...)
    bundle = accept_bundle(manifest, release, fetched)     # for each release
    trusted = trust(root, manifest, bundles)               # swap, then save the manifest
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from hashlib import sha256
from typing import get_args

from msgspec import Struct, structs

from .bundle import Bundle, open_bundle
from .choosing import draw
from .claims import Key, Manifest, Projection, Release, Root, read_manifest, read_root
from .errors import BundleError, TrustError
from .hashing import key_of, ticket
from .jws import Signature, Signed, read_compact, read_general
from .manifest import ManifestBlock, pack_manifest
from .tables import HEAD_PROJECTION

MANIFEST_TYPE = "proffer-manifest+jws"
ROOT_TYPE = "proffer-root+jws"
SKEW_S = 60
"""How far the clocks of publisher and edge may be apart."""

Verify = Callable[[bytes, bytes, bytes], Awaitable[bool]]
"""(32-byte public key, message, signature) -> is this Ed25519 signature valid?  Never raises."""


class Floor(Struct, frozen=True):
    """The newest manifest that this edge has run."""

    epoch: int
    sequence: int
    digest: bytes


class Trusted(Struct, frozen=True, kw_only=True, dict=True):
    """A policy to run, complete: `bundles` by digest hold every release."""

    root: Root
    manifest: Manifest
    bundles: dict[str, Bundle]

    @cached_property
    def block(self) -> bytes:
        """The manifest as `decide` reads it."""
        return pack_manifest(manifest_block(self.manifest))

    def bundle_for(self, unit: str) -> Bundle:
        return self.bundles[pick_release(self.manifest, unit).bundle]


# --- roots --------------------------------------------------------------------


async def pin_root(raw: bytes, verify: Verify, tenant: str) -> Root:
    """The first root, from the edge's own configuration.  Raises `TrustError`."""
    signed = read_general(raw, ROOT_TYPE)
    root = read_root(signed.payload)
    _check_tenant(root.tenant, tenant)
    await _check_threshold(root, signed, verify)
    return root


async def accept_root(current: Root, raw: bytes, verify: Verify) -> Root:
    """The root after `current`.  Raises `TrustError`.  Its expiry counts when it is used."""
    signed = read_general(raw, ROOT_TYPE)
    await _check_threshold(current, signed, verify)
    root = read_root(signed.payload)
    _check_tenant(root.tenant, current.tenant)
    _check_successor(root, current)
    await _check_threshold(root, signed, verify)
    return root


def _check_successor(root: Root, current: Root) -> None:
    if root.version != current.version + 1:
        raise TrustError("ROLLBACK", f"root {root.version} does not follow root {current.version}")
    if root.epoch < current.epoch:
        raise TrustError("ROLLBACK", f"root epoch {root.epoch} after {current.epoch}")


async def _check_threshold(root: Root, signed: Signed, verify: Verify) -> None:
    keys = root.of_role("root")
    known = [s for s in signed.signatures if s.kid in keys]
    valid = {s.kid for s in known if await _is_valid(keys[s.kid], s, verify)}
    if len(valid) < root.threshold:
        raise TrustError(
            "THRESHOLD",
            f"{len(valid)} of {root.threshold} signatures that root {root.version} asks",
        )


async def _is_valid(key: Key, signature: Signature, verify: Verify) -> bool:
    whole = len(signature.signature) == 64
    return whole and await verify(key.public, signature.message, signature.signature)


# --- manifests ----------------------------------------------------------------


async def accept_manifest(
    root: Root,
    floor: Floor | None,
    raw: bytes,
    verify: Verify,
    now_s: int,
    tenant: str,
    channel: str,
    projection: Projection,
) -> Manifest:
    """The manifest in `raw`, if all checks hold, in this order.  Raises `TrustError`.

    `floor` is None where nothing survived: then the manifest's lifetime is all that
    bounds a rollback.
    """
    manifest = await _read_signed(root, raw, verify)
    _check_tenant(manifest.tenant, tenant)
    _check_channel(manifest, channel, projection)
    _check_times(manifest, root, now_s)
    _check_epoch(manifest, root)
    check_floor(manifest, floor)
    return manifest


async def recall_floor(
    root: Root, raw: bytes, verify: Verify, tenant: str, channel: str, projection: Projection
) -> Floor:
    """The floor that a saved manifest proves, expired or not.  Raises `TrustError`.

    Storage may be hostile: what is saved is the signed file, and it is verified again.
    """
    manifest = await _read_signed(root, raw, verify)
    _check_tenant(manifest.tenant, tenant)
    _check_channel(manifest, channel, projection)
    return floor_of(manifest)


def floor_of(manifest: Manifest) -> Floor:
    return Floor(manifest.epoch, manifest.sequence, manifest.digest)


async def _read_signed(root: Root, raw: bytes, verify: Verify) -> Manifest:
    signed = read_compact(raw, MANIFEST_TYPE)
    (signature,) = signed.signatures
    key = _online_key(root, signature.kid)
    await _check_signature(key, signature, verify)
    payload = read_manifest(signed.payload)
    return Manifest(**structs.asdict(payload), digest=sha256(raw).digest())


def _online_key(root: Root, kid: str) -> Key:
    key = root.of_role("online").get(kid)
    if key is None:
        raise TrustError("UNKNOWN_KEY", f"{kid!r} is no online key of root {root.version}")
    return key


async def _check_signature(key: Key, signature: Signature, verify: Verify) -> None:
    if not await _is_valid(key, signature, verify):
        raise TrustError("SIGNATURE", f"not signed by key {signature.kid!r}, or changed since")


def _check_tenant(found: str, expected: str) -> None:
    if found != expected:
        raise TrustError("TENANT", f"is for {found!r}, this edge serves {expected!r}")


def _check_channel(manifest: Manifest, channel: str, projection: str) -> None:
    found, expected = f"{manifest.channel}/{manifest.projection}", f"{channel}/{projection}"
    if found != expected:
        raise TrustError("CHANNEL", f"is for {found!r}, this edge follows {expected!r}")


def _check_times(manifest: Manifest, root: Root, now_s: int) -> None:
    if manifest.issued_s > now_s + SKEW_S:
        raise TrustError("NOT_YET_VALID", f"issued {manifest.issued_s - now_s} s in the future")
    if now_s >= manifest.expires_s + SKEW_S:
        raise TrustError("EXPIRED", f"expired {now_s - manifest.expires_s} s ago")
    if now_s >= root.expires_s + SKEW_S:
        raise TrustError("EXPIRED", f"root {root.version} expired {now_s - root.expires_s} s ago")


def _check_epoch(manifest: Manifest, root: Root) -> None:
    if manifest.epoch != root.epoch:
        raise TrustError("ROLLBACK", f"of epoch {manifest.epoch}; the root's is {root.epoch}")


def check_floor(manifest: Manifest, floor: Floor | None) -> None:
    """Raises `TrustError` ROLLBACK or FORK.  Ask again where a floor may have risen."""
    if floor is None:
        return
    offered, seen = (manifest.epoch, manifest.sequence), (floor.epoch, floor.sequence)
    if offered < seen:
        raise TrustError("ROLLBACK", f"(epoch, sequence) {offered} is below {seen}, seen before")
    if offered == seen and manifest.digest != floor.digest:
        raise TrustError("FORK", f"(epoch, sequence) {offered} was signed twice: raise an alarm")


# --- bundles ------------------------------------------------------------------


def accept_bundle(manifest: Manifest, release: Release, raw: bytes) -> Bundle:
    """The bundle of a release, whole and of this manifest's kind.  Raises `TrustError`."""
    if len(raw) != release.size_bytes:
        raise TrustError("DIGEST", f"{len(raw)} bytes, the manifest says {release.size_bytes}")
    if sha256(raw).hexdigest() != release.bundle:
        raise TrustError("DIGEST", f"these bytes are not bundle {release.bundle}")
    try:
        bundle = open_bundle(raw)
    except BundleError as error:
        raise TrustError("BUNDLE", str(error)) from error
    _check_kind(bundle, manifest)
    return bundle


def _check_kind(bundle: Bundle, manifest: Manifest) -> None:
    projection = get_args(Projection)[bundle.head(HEAD_PROJECTION)]
    found, expected = (bundle.tenant, projection), (manifest.tenant, manifest.projection)
    if found != expected:
        raise TrustError("BUNDLE", f"is for {found}, the manifest for {expected}")


def trust(root: Root, manifest: Manifest, bundles: Iterable[Bundle]) -> Trusted:
    """All parts together, ready to swap in.  Raises `TrustError` DIGEST if a bundle is missing."""
    by_digest = {bundle.digest.hex(): bundle for bundle in bundles}
    for release in manifest.releases:
        if release.bundle not in by_digest:
            raise TrustError("DIGEST", f"bundle {release.bundle} is missing")
    return Trusted(root=root, manifest=manifest, bundles=by_digest)


def pick_release(manifest: Manifest, unit: str) -> Release:
    """Which release this unit gets.

    Releases own consecutive intervals of tickets, in the manifest's order: the newest
    stands first, so a unit that has it keeps it while its share grows.
    """
    shares = [release.share for release in manifest.releases]
    return manifest.releases[draw(shares, ticket("canary", manifest.ramp, unit))]


def manifest_block(manifest: Manifest) -> ManifestBlock:
    """The numbers that `decide` reads, with things named by key."""
    paused = manifest.paused
    return ManifestBlock(
        digest=manifest.digest,
        issued_s=manifest.issued_s,
        expires_s=manifest.expires_s,
        all_paused=paused.all,
        paused_offers=_keys("offer", paused.offers),
        paused_rungs=_keys("arm", paused.rungs),
        paused_placements=_keys("placement", paused.placements),
        multipliers=_multipliers(manifest),
    )


def _keys(kind: str, names: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted({key_of(f"{kind}/{name}") for name in names}))


def _multipliers(manifest: Manifest) -> tuple[tuple[int, int], ...]:
    by_key = sorted((key_of(f"budget/{name}"), q16) for name, q16 in manifest.multipliers.items())
    return tuple(dict(by_key).items())
