"""Publishing: from a bundle's bytes to the signed manifest that edges follow.

    bundle, written and read back -> release -> manifest with the next sequence

The signing is committed (`signing.py`) before the channel's file is written; after a
crash between the two, `start` writes the file again from the row.

A manifest lives a day and is signed anew at least four times in it.  Rolling back,
pausing and resuming are signings too: a new sequence with other content.  A pause
holds until it is taken back, over publishes and roll-backs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from hashlib import sha256

from msgspec.structs import replace

from control_plane.policies import Policies
from control_plane.settings import Settings
from control_plane.signing import (
    CONTENT_REASONS,
    PROJECTION,
    Change,
    Content,
    Reason,
    Signing,
    Signings,
)
from control_plane.storage.objects import ObjectError, ObjectStore, Tampered
from control_plane.storage.writer import StorageUnavailable
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.claims import Root, read_root
from edge.decision.errors import BundleError
from edge.decision.jws import read_general
from edge.decision.tables import EDGE_PROJECTION, HEAD_PROJECTION
from edge.decision.trust import ROOT_TYPE
from policy_compiler.keys import DevelopmentKeys, SigningError
from policy_compiler.sign import ReleaseRow, development_root, make_release

log = logging.getLogger(__name__)

SLICE = "all"
SIGNINGS_PER_LIFE = 4
LOOK_EVERY_S = 30.0
HUMAN_REASONS = ("publish", "learn", "roll-back", "pause", "resume")


class PublishRefused(ValueError):
    """Nothing was published; `help` says what to do."""

    def __init__(self, problem: str, help: str) -> None:
        super().__init__(problem)
        self.help = help


class Publisher:
    """Publishes to one channel.  Methods block; they are for threads.

    Each one raises `StorageUnavailable` when nothing can be stored, and changes
    nothing then.
    """

    def __init__(
        self,
        settings: Settings,
        keys: DevelopmentKeys,
        signings: Signings,
        store: ObjectStore,
        policies: Policies,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._signings = signings
        self._store = store
        self._policies = policies
        self._file = threading.Lock()
        self._epoch = 1

    # --- starting -----------------------------------------------------------

    def start(self) -> None:
        """Make the first root, mend the channel's file after a crash, sign anew if it is due.

        Raises `PublishRefused` if keys, root and tenant do not belong together.
        """
        self._epoch = self._current_root().epoch
        if self.live() is not None:
            self._write_channel()
            self.resign_if_due()

    def _current_root(self) -> Root:
        first = self._store.get("keys/root.1.jws")
        if first is None:
            first = development_root(self._keys, self._settings.tenant, self._signings.now_s())
            self._put("keys/root.1.jws", first)
        last, version = first, 2
        while (raw := self._store.get(f"keys/root.{version}.jws")) is not None:
            last, version = raw, version + 1
        root = read_root(read_general(last, ROOT_TYPE).payload)
        self._check_root(root)
        return root

    def _check_root(self, root: Root) -> None:
        if root.tenant != self._settings.tenant:
            raise PublishRefused(
                f"the data folder belongs to {root.tenant!r}, not to {self._settings.tenant!r}",
                "Set PROFFER_TENANT or PROFFER_DATA to match.",
            )
        if self._keys.online.kid not in root.of_role("online"):
            raise PublishRefused(
                f"the online key is not in root {root.version}",
                "Restore the keys that this root was made with.",
            )

    # --- signing ------------------------------------------------------------

    def publish(
        self, data: bytes, *, actor: str, reason: Reason = "publish", note: str = ""
    ) -> Signing:
        """Make these bytes the live policy.

        Raises `PublishRefused` for bytes that no edge of this shop would run.
        """
        bundle = self._checked(data)
        digest, size_bytes = bundle.digest.hex(), bundle.size_bytes
        row = ReleaseRow(projection=PROJECTION, slice=SLICE, digest=digest, size_bytes=size_bytes)
        table = make_release([row])
        release = sha256(table).hexdigest()
        self._put(f"bundles/{digest}", data)
        self._put(f"releases/{release}", table)

        def change(live: Signing | None) -> Content:
            new = Content(bundle=digest, release=release, size_bytes=size_bytes)
            return _keeping(live, new)

        return self._sign(change, reason, actor, note)

    def roll_back(self, bundle: str, *, actor: str) -> Signing:
        """Make a bundle live that was live before.  Raises `PublishRefused` for others."""
        before = next((s for s in self.history() if s.bundle == bundle), None)
        if before is None or self._store.get(f"bundles/{bundle}") is None:
            raise PublishRefused(
                f"bundle {bundle[:64]!r} was never published here", "Choose one of the history."
            )
        note = f"to the policy of sequence {before.sequence}"
        return self._sign(lambda live: _keeping(live, before.content), "roll-back", actor, note)

    def pause(self, offer: str, *, actor: str) -> Signing:
        """Show an offer to nobody, until `resume`.  Raises `PublishRefused` for unknown ones."""
        bundle = self.live_bundle()
        if bundle is None or offer not in {bundle.text(row) for row in bundle.tables.offer_name}:
            raise PublishRefused(
                f"there is no offer {offer[:80]!r} in the live policy", "Choose one of its offers."
            )
        return self._sign(lambda live: _pausing(_there(live), offer, True), "pause", actor, offer)

    def resume(self, offer: str, *, actor: str) -> Signing:
        """Take a pause back.  Raises `PublishRefused` if the offer is not paused."""
        live = self.live()
        if live is None or offer not in live.manifest.paused.offers:
            raise PublishRefused(f"offer {offer[:80]!r} is not paused", "Nothing is to be done.")
        return self._sign(lambda live: _pausing(_there(live), offer, False), "resume", actor, offer)

    def resign(self) -> Signing:
        """The live policy under a new sequence, with a full life.  Raises `PublishRefused`."""
        return self._sign(lambda live: _there(live).content, "resign", "clock", "")

    def resign_if_due(self) -> Signing | None:
        live = self.live()
        life_s = self._settings.manifest_life_s
        every_s = min(self._settings.resign_every_s, life_s // SIGNINGS_PER_LIFE)
        due = live is not None and self._signings.now_s() >= live.issued_s + every_s
        return self.resign() if due else None

    async def keep_signed(self) -> None:
        """Sign anew whenever it is due, for ever; what fails is tried again."""
        while True:
            try:
                await asyncio.to_thread(self.resign_if_due)
            except (PublishRefused, StorageUnavailable, SigningError) as error:
                log.error("the manifest was not signed anew: %s", error)
            await asyncio.sleep(min(LOOK_EVERY_S, self._settings.resign_every_s))

    # --- looking ------------------------------------------------------------

    def live(self) -> Signing | None:
        """The newest signing, or None before the first publish."""
        return self._signings.last()

    def live_bundle(self) -> Bundle | None:
        """What the newest signing names; None before the first publish.

        None as well where its file was tampered with: everything but that policy goes on,
        and publishing again mends it.
        """
        live = self.live()
        try:
            return self._policies.get(live.bundle) if live else None
        except Tampered as error:
            log.error("the live policy cannot be read: %s", error)
            return None

    def currency(self) -> str:
        """The shop's currency, or "" before the first publish."""
        bundle = self.live_bundle()
        return bundle.notes.currency if bundle else ""

    def history(self, limit: int = 1000) -> list[Signing]:
        """What was published, rolled back, paused and resumed, newest first."""
        return self._signings.history(limit, only=HUMAN_REASONS)

    def is_rolled_back(self) -> bool:
        """Whether somebody went back and published nothing since: then learning waits."""
        last = self._signings.history(1, only=CONTENT_REASONS)
        return bool(last) and last[0].reason == "roll-back"

    # --- inside -------------------------------------------------------------

    def _checked(self, data: bytes) -> Bundle:
        try:
            bundle = open_bundle(data)
        except BundleError as error:
            raise PublishRefused(f"this is no bundle: {error}", "Compile it again.") from None
        if bundle.tenant != self._settings.tenant:
            raise PublishRefused(
                f"the bundle is for {bundle.tenant!r}, this is {self._settings.tenant!r}",
                "Compile the catalog of this shop, or set PROFFER_TENANT.",
            )
        if bundle.head(HEAD_PROJECTION) != EDGE_PROJECTION:
            raise PublishRefused("the bundle is not for edges", "Compile the edge projection.")
        return bundle

    def _put(self, name: str, data: bytes) -> None:
        try:
            self._store.put(name, data)
            if self._store.get(name) != data:
                raise ObjectError(f"{name} reads back with other bytes")
        except ObjectError as error:
            raise StorageUnavailable(str(error)) from error

    def _sign(self, change: Change, reason: Reason, actor: str, note: str) -> Signing:
        signing = self._signings.add(change, self._epoch, reason, actor, note)
        self._write_channel()
        return signing

    def _write_channel(self) -> None:
        """Put the newest signed manifest where edges fetch it."""
        with self._file:
            if live := self.live():
                self._put(f"channels/{self._settings.channel}/{PROJECTION}.jws", live.signed)


def _keeping(live: Signing | None, new: Content) -> Content:
    """Another bundle under the pauses and multipliers of now."""
    if live is None:
        return new
    return replace(new, paused=live.content.paused, multipliers=live.content.multipliers)


def _pausing(live: Signing, offer: str, paused: bool) -> Content:
    content = live.content
    offers = set(content.paused.offers) - {offer} | ({offer} if paused else set())
    return replace(content, paused=replace(content.paused, offers=tuple(sorted(offers))))


def _there(live: Signing | None) -> Signing:
    if live is None:
        raise PublishRefused("nothing was published yet", "Publish a catalog first.")
    return live
