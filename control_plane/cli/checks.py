"""Checking what was published, as an edge does, with the name of every check.

    root       keys/root.1.jws, then each next one signed by the one before
    manifest   channels/<channel>/<projection>.jws
    bundle     bundles/<sha256>, each that the manifest names

`edge.decision.trust` decides; here its checks are listed by their codes, in its order:
those that passed, the one that failed, those that were never reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import httpx
from msgspec import Struct, field

from control_plane.cli.terminal import Refused, Unusable
from edge.decision.bundle import Bundle
from edge.decision.claims import Manifest, Projection, Root, read_root
from edge.decision.errors import TrustError
from edge.decision.jws import read_general
from edge.decision.trust import (
    ROOT_TYPE,
    Trusted,
    accept_bundle,
    accept_manifest,
    accept_root,
    pin_root,
    trust,
)
from edge.local_crypto import verify_ed25519

Outcome = Literal["passed", "failed", "not reached"]
Believed = TypeVar("Believed")

# (code of trust.py, what it asks), in the order in which trust.py asks
FORM = (("TOO_LARGE", "size"), ("MALFORMED", "form"), ("HEADER", "header"))
ROOT_CHECKS = (*FORM, ("TENANT", "tenant"), ("THRESHOLD", "signatures"))
NEXT_ROOT_CHECKS = (
    *FORM,
    ("THRESHOLD", "signatures of the root before and its own"),
    ("TENANT", "tenant"),
    ("ROLLBACK", "number and epoch"),
)
MANIFEST_CHECKS = (
    *FORM,
    ("UNKNOWN_KEY", "key is in the root"),
    ("SIGNATURE", "signature"),
    ("TENANT", "tenant"),
    ("CHANNEL", "channel and projection"),
    ("NOT_YET_VALID", "issue time"),
    ("EXPIRED", "expiry of manifest and root"),
    ("ROLLBACK", "epoch"),
)
BUNDLE_CHECKS = (("DIGEST", "size and SHA-256"), ("BUNDLE", "format, content, tenant, projection"))
TIMEOUT_S = 10.0


class Check(Struct, frozen=True, kw_only=True):
    """One named check on one file.  `name`: the code of trust.py; `asks`: what it looks at."""

    file: str
    name: str
    asks: str
    outcome: Outcome
    detail: str = ""


class Verified(Struct, kw_only=True):
    """Everything that was checked; `trusted` is None if anything failed."""

    checks: list[Check] = field(default_factory=list)
    root: Root | None = None
    manifest: Manifest | None = None
    trusted: Trusted | None = None


class Store(Protocol):
    """Where published files are read from."""

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none.  Raises `Unusable`."""
        ...


class FolderStore(Struct, frozen=True):
    """Published files in a folder."""

    folder: Path

    def get(self, path: str) -> bytes | None:
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable(
                f"{self.folder / path} cannot be read: {error.strerror}.", "Check the path."
            ) from None


class WebStore(Struct, frozen=True):
    """Published files of a control plane, by its address."""

    url: str

    def get(self, path: str) -> bytes | None:
        where = f"{self.url.rstrip('/')}/v1/{path}"
        try:
            answer = httpx.get(where, timeout=TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unusable(
                f"{where} cannot be fetched: {error}.", "Check the address, and that it runs."
            ) from None
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Unusable(f"{where} answers {answer.status_code}.", "Check the address.")
        return answer.content


def store_of(folder: Path) -> FolderStore | None:
    """The published files in a data folder or an object store; None if it is neither."""
    for candidate in (folder / "objects", folder):
        if (candidate / "keys" / "root.1.jws").is_file():
            return FolderStore(candidate)
    return None


def verify_store(
    store: Store,
    *,
    now_s: int,
    channel: str = "production",
    projection: Projection = "edge",
    tenant: str = "",
    pinned: bytes | None = None,
) -> Verified:
    """Check the way from the root to the bundles.

    `pinned` is the first root as the edge's configuration holds it; without it the
    store's own is taken, and with no `tenant`, its tenant.  Raises `Unusable`.
    """
    walk = _Walk(store, now_s, channel, projection, tenant)
    asyncio.run(walk.all(pinned))
    return walk.verified


class _Stop(Exception):
    """A check failed; nothing behind it is reached."""


class _Walk:
    def __init__(
        self, store: Store, now_s: int, channel: str, projection: Projection, tenant: str
    ) -> None:
        self.projection: Projection = projection
        self.store, self.now_s, self.tenant = store, now_s, tenant
        self.channel = channel
        self.verified = Verified()

    async def all(self, pinned: bytes | None) -> None:
        try:
            root = self.verified.root = await self._roots(pinned)
            manifest = self.verified.manifest = await self._manifest(root)
            bundles = [await self._bundle(manifest, i) for i in range(len(manifest.releases))]
            self.verified.trusted = trust(root, manifest, bundles)
        except _Stop:
            return

    async def _roots(self, pinned: bytes | None) -> Root:
        name = "keys/root.1.jws"
        raw = pinned if pinned is not None else self._fetch(name, ROOT_CHECKS)
        tenant = self.tenant or _tenant_of(raw)
        root = await self._step(name, ROOT_CHECKS, pin_root(raw, verify_ed25519, tenant))
        while raw := self.store.get(f"keys/root.{root.version + 1}.jws"):
            name = f"keys/root.{root.version + 1}.jws"
            step = accept_root(root, raw, verify_ed25519)
            root = await self._step(name, NEXT_ROOT_CHECKS, step)
        return root

    async def _manifest(self, root: Root) -> Manifest:
        name = f"channels/{self.channel}/{self.projection}.jws"
        raw = self._fetch(name, MANIFEST_CHECKS)
        step = accept_manifest(
            root, None, raw, verify_ed25519, self.now_s, root.tenant, self.channel, self.projection
        )
        return await self._step(name, MANIFEST_CHECKS, step)

    async def _bundle(self, manifest: Manifest, index: int) -> Bundle:
        release = manifest.releases[index]
        name = f"bundles/{release.bundle}"
        raw = self._fetch(name, BUNDLE_CHECKS)

        async def accept() -> Bundle:
            return accept_bundle(manifest, release, raw)

        return await self._step(name, BUNDLE_CHECKS, accept())

    def _fetch(self, name: str, checks: tuple[tuple[str, str], ...]) -> bytes:
        raw = self.store.get(name)
        if raw is None:
            self._tell(name, (("PRESENT", "is there"), *checks), "PRESENT", "the file is missing")
            raise _Stop
        return raw

    async def _step(
        self, name: str, checks: tuple[tuple[str, str], ...], step: Awaitable[Believed]
    ) -> Believed:
        try:
            believed = await step
        except TrustError as error:
            self._tell(name, checks, error.code, error.detail)
            raise _Stop from None
        self._tell(name, checks, "", "")
        return believed

    def _tell(
        self, name: str, checks: tuple[tuple[str, str], ...], failed: str, detail: str
    ) -> None:
        outcome: Outcome = "passed"
        if failed and failed not in [code for code, _ in checks]:
            checks = ((failed, failed.lower()), *checks)
        for code, asks in checks:
            if code == failed:
                outcome = "failed"
            said = detail if code == failed else ""
            check = Check(file=name, name=code, asks=asks, outcome=outcome, detail=said)
            self.verified.checks.append(check)
            if outcome == "failed":
                outcome = "not reached"


def _tenant_of(raw: bytes) -> str:
    """Whom an unpinned root is for; only its signature makes it worth anything."""
    try:
        return read_root(read_general(raw, ROOT_TYPE).payload).tenant
    except TrustError:
        return ""


def first_failure(verified: Verified) -> Check | None:
    return next((check for check in verified.checks if check.outcome == "failed"), None)


def require(verified: Verified, where: str) -> Trusted:
    """What was verified.  Raises `Refused` naming the check that failed."""
    failed = first_failure(verified)
    if verified.trusted is None or failed is not None:
        what = f"{failed.file}: {failed.name}: {failed.detail}" if failed else "nothing to trust"
        raise Refused(f"{where} is not to be believed: {what}.", "Look at `proffer verify`.")
    return verified.trusted
