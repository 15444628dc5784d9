"""The policy this edge runs: fetched, believed or refused, swapped in whole, saved.

    start    saved roots -> saved manifest (the floor) -> its bundles: a policy at once,
             even while the control plane is away
    refresh  next roots, one by one -> manifest -> bundles that are new -> swap -> save

`decision/trust.py` says what to believe.  A refusal changes nothing: the last good
policy runs on until it expires, and then pages show their defaults (`STALE`).  While a
refresh is under way the old policy decides; nobody ever waits for one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256

from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.claims import Manifest, Projection, Release, Root
from edge.decision.errors import TrustError
from edge.decision.host import HostError, NotFound
from edge.decision.jws import SIZE_LIMIT_BYTES
from edge.decision.trust import (
    Floor,
    Trusted,
    accept_bundle,
    accept_manifest,
    accept_root,
    check_floor,
    floor_of,
    pin_root,
    recall_floor,
    trust,
)
from edge.home import Home
from edge.settings import Settings

PROJECTION: Projection = "edge"
JITTER = 0.2
ROOTS_LIMIT = 64
"""Roots applied in one refresh: an endless chain must not keep the edge busy."""

logger = logging.getLogger("edge.policy")


class Refusal(Struct, frozen=True):
    """The last signed file that was not believed."""

    code: str
    detail: str
    at_s: int


class Refreshing(Struct):
    """How refreshing went so far.

    `unreachable` is the trouble with the control plane, `storage` that with the place
    where signed files are kept; "" while there is none.
    """

    checked_s: int = 0
    swaps: int = 0
    refusals: int = 0
    failures: int = 0
    refused: Refusal | None = None
    unreachable: str = ""
    storage: str = ""


class Policies:
    """Holds the policy: `current` is None until there is a believed one."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self.current: Trusted | None = None
        self.story = Refreshing()
        self._settings = settings
        self._home = home
        self._manifest_path = f"channels/{settings.channel}/{PROJECTION}.jws"
        self._root: Root | None = None
        self._floor: Floor | None = None
        self._saved = b""
        self._running: asyncio.Task[None] | None = None

    # --- a life -------------------------------------------------------------

    async def start(self) -> None:
        """`open`, and go on looking for news."""
        await self.open()
        self._running = asyncio.create_task(self._run(), name="policy")

    async def open(self) -> None:
        """Recall what was saved, and look for news.

        Raises `TrustError` if the pinned root is none of this shop's: no other policy
        could ever be believed.
        """
        await self._pin()
        await self._guarded(self._recall)
        await self.refresh()

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> None:
        while True:
            chance = self._home.random_bytes(1)[0] / 255
            await asyncio.sleep(self._settings.refresh_s * (1 - JITTER + 2 * JITTER * chance))
            await self.refresh()

    async def refresh(self) -> None:
        """Look for news.  Never raises: what is refused or out of reach is told by `story`."""
        if await self._guarded(self._fetch_news):
            self.story.checked_s = self._home.now_s()
            self.story.unreachable = ""

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> bool:
        try:
            await step()
        except TrustError as error:
            self._refuse(error)
        except HostError as error:
            self.story.failures += 1
            if not self.story.unreachable:
                logger.warning("the policy cannot be refreshed: %s", error)
            self.story.unreachable = str(error) or type(error).__name__
        except Exception:
            self.story.failures += 1
            logger.exception("refreshing the policy failed")
        else:
            return True
        return False

    def _refuse(self, error: TrustError) -> None:
        before = self.story.refused
        self.story.refusals += 1
        self.story.refused = Refusal(error.code, error.detail, self._home.now_s())
        if before is None or before.code != error.code:
            level = logging.CRITICAL if error.code == "FORK" else logging.ERROR
            logger.log(level, "a policy was refused: %s", error)

    # --- roots --------------------------------------------------------------

    async def _pin(self) -> Root:
        pinned, tenant = self._settings.pinned_root, self._settings.tenant
        self._root = await pin_root(pinned, self._home.verify, tenant)
        return self._root

    async def _recall_roots(self, root: Root) -> Root:
        while raw := await self._load(_root_path(root.version + 1)):
            root = await accept_root(root, raw, self._home.verify)
        return root

    async def _fetch_roots(self, root: Root) -> Root:
        for _ in range(ROOTS_LIMIT):
            path = _root_path(root.version + 1)
            try:
                raw = await self._home.fetch(path, SIZE_LIMIT_BYTES)
            except NotFound:
                break
            root = await accept_root(root, raw, self._home.verify)
            self._root = root
            await self._save(path, raw)
        return root

    # --- manifests and bundles ----------------------------------------------

    async def _recall(self) -> None:
        self._root = await self._recall_roots(self._root or await self._pin())
        raw = await self._load(self._manifest_path)
        if raw is not None:
            settings = self._settings
            self._floor = await recall_floor(
                self._root, raw, self._home.verify, settings.tenant, settings.channel, PROJECTION
            )
            await self._swap(self._root, raw)

    async def _fetch_news(self) -> None:
        before = self._root or await self._pin()
        root = await self._fetch_roots(before)
        raw = await self._home.fetch(self._manifest_path, SIZE_LIMIT_BYTES)
        running, digest = self.current, sha256(raw).digest()
        if running is None or running.manifest.digest != digest or root is not before:
            await self._swap(root, raw)
        if self._saved != digest and await self._save(self._manifest_path, raw):
            self._saved = digest
        self.story.refused = None

    async def _swap(self, root: Root, raw: bytes) -> None:
        settings, home = self._settings, self._home
        manifest = await accept_manifest(
            root, self._floor, raw, home.verify, home.now_s(),
            settings.tenant, settings.channel, PROJECTION,
        )  # fmt: skip
        bundles = [await self._bundle(manifest, release) for release in manifest.releases]
        # Where refreshes may overtake each other, the floor has risen meanwhile.
        check_floor(manifest, self._floor)
        self.current = trust(root, manifest, bundles)
        self._floor = floor_of(manifest)
        self.story.swaps += 1
        logger.info("policy %d/%d is running", manifest.epoch, manifest.sequence)

    async def _bundle(self, manifest: Manifest, release: Release) -> Bundle:
        held = self.current.bundles.get(release.bundle) if self.current else None
        if held is not None:
            return held
        path = f"bundles/{release.bundle}"
        with suppress(TrustError):  # what is on the disk may be damaged: then fetch it
            if saved := await self._load(path):
                return accept_bundle(manifest, release, saved)
        raw = await self._home.fetch(path, release.size_bytes)
        bundle = accept_bundle(manifest, release, raw)
        await self._save(path, raw)
        return bundle

    # --- what survives: welcome, and never needed ---------------------------

    async def _load(self, path: str) -> bytes | None:
        try:
            return await self._home.load(path)
        except HostError as error:
            self._cannot_keep(error)
            return None

    async def _save(self, path: str, raw: bytes) -> bool:
        try:
            await self._home.save(path, raw)
        except HostError as error:
            self._cannot_keep(error)
            return False
        self.story.storage = ""
        return True

    def _cannot_keep(self, error: HostError) -> None:
        if not self.story.storage:
            logger.error("a restart will forget the policy: %s", error)
        self.story.storage = str(error)


def _root_path(version: int) -> str:
    return f"keys/root.{version}.jws"
