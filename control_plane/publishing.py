"""Publishing: from a bundle's bytes to the signed manifest that edges follow.

    bundle, written and read back -> release -> manifest with the next sequence

The signing is committed (`signing.py`) before the channel's file is written
(`channels.py`).  The commit decides: after a crash between the two, or while the store is
down, the file is written from the row by whoever comes first: the next start or signing
of any process, or the look that each of them takes every `LOOK_EVERY_S`.

A manifest lives a day and is signed anew at least four times in it.  Rolling back,
pausing and resuming are signings too: a new sequence with other content.  A pause
holds until it is taken back, over publishes and roll-backs.
"""

from __future__ import annotations

import asyncio
import logging
from hashlib import sha256

from msgspec.structs import replace

from control_plane.channels import file_of
from control_plane.issuing import Issuer, PublishRefused
from control_plane.policies import Policies
from control_plane.settings import Settings
from control_plane.signing import (
    CONTENT_REASONS,
    PROJECTION,
    Content,
    Reason,
    Signing,
    Signings,
    release_of,
)
from control_plane.storage.objects import ObjectStore, Tampered
from control_plane.storage.writer import StorageUnavailable
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from edge.decision.tables import EDGE_PROJECTION, HEAD_PROJECTION
from policy_compiler.keys import DevelopmentKeys, SigningError

log = logging.getLogger(__name__)

SIGNINGS_PER_LIFE = 4
LOOK_EVERY_S = 30.0
HUMAN_REASONS = ("publish", "learn", "roll-back", "pause", "resume", "adopt")


class AlreadyPublished(PublishRefused):
    """Somebody else's first publish came first."""


class NotDue(Exception):
    """Somebody else has just signed anew."""


class Publisher:
    """Publishes to one channel.  Methods block; they are for threads.

    Each one raises `StorageUnavailable` when nothing can be stored, and changes
    nothing then; only `NotOutYet` says that the change is made and edges get it later.
    Several processes may publish to one channel, over one database and one store.
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
        self._signings = signings
        self._store = store
        self._policies = policies
        self._issuer = Issuer(settings, keys, signings, store)

    # --- starting -----------------------------------------------------------

    def start(self) -> None:
        """Make the first root, mend the channel's file after a crash, sign anew if it is due.

        Raises `PublishRefused` if keys, root and tenant do not belong together, and
        `StorageUnavailable` where a new shop has no store.  One that was published goes on
        without it: it takes beacons and redeems, and mends the file later.
        """
        try:
            self._issuer.mend()
            self.resign_if_due()
        except StorageUnavailable as error:
            if self.live() is None:
                raise
            log.error("started without the store: %s", error)

    # --- signing ------------------------------------------------------------

    def publish(
        self,
        data: bytes,
        *,
        actor: str,
        reason: Reason = "publish",
        note: str = "",
        only_first: bool = False,
    ) -> Signing:
        """Make these bytes the live policy.

        Raises `PublishRefused` for bytes that no edge of this shop would run, and
        `AlreadyPublished` if there is a live policy where this should be the first.
        """
        bundle = self._checked(data)
        digest, size_bytes = bundle.digest.hex(), bundle.size_bytes
        table = release_of(digest, size_bytes)
        self._issuer.put(f"bundles/{digest}", data)
        self._issuer.put(f"releases/{sha256(table).hexdigest()}", table)

        def change(live: Signing | None) -> Content:
            if only_first and live is not None:
                raise AlreadyPublished("there is a live policy", "Nothing is to be done.")
            return _keeping(live, Content(bundle=digest, size_bytes=size_bytes))

        return self._issuer.sign(change, reason, actor, note)

    def roll_back(self, bundle: str, *, actor: str) -> Signing:
        """Make a bundle live that was live before.  Raises `PublishRefused` for others."""
        before = next((s for s in self.history() if s.bundle == bundle), None)
        if before is None or self._store.get(f"bundles/{bundle}") is None:
            raise PublishRefused(
                f"bundle {bundle[:64]!r} was never published here", "Choose one of the history."
            )
        note = f"to the policy of sequence {before.sequence}"
        content = before.content
        return self._issuer.sign(lambda live: _keeping(live, content), "roll-back", actor, note)

    def pause(self, offer: str, *, actor: str) -> Signing:
        """Show an offer to nobody, until `resume`.  Raises `PublishRefused` for unknown ones."""
        bundle = self.live_bundle()
        if bundle is None or offer not in {bundle.text(row) for row in bundle.tables.offer_name}:
            raise PublishRefused(
                f"there is no offer {offer[:80]!r} in the live policy", "Choose one of its offers."
            )
        return self._pause(offer, True, actor)

    def resume(self, offer: str, *, actor: str) -> Signing:
        """Take a pause back.  Raises `PublishRefused` if the offer is not paused."""
        live = self.live()
        if live is None or offer not in live.manifest.paused.offers:
            raise PublishRefused(f"offer {offer[:80]!r} is not paused", "Nothing is to be done.")
        return self._pause(offer, False, actor)

    def _pause(self, offer: str, paused: bool, actor: str) -> Signing:
        reason: Reason = "pause" if paused else "resume"
        return self._issuer.sign(
            lambda live: _pausing(_there(live), offer, paused), reason, actor, offer
        )

    def resign(self) -> Signing:
        """The live policy under a new sequence, with a full life.  Raises `PublishRefused`."""
        return self._issuer.sign(lambda live: _there(live).content, "resign", "clock", "")

    def resign_if_due(self) -> Signing | None:
        """The same, once, however many processes find at a time that it is due."""

        def change(live: Signing | None) -> Content:
            if not self._is_due(live):
                raise NotDue
            return _there(live).content

        if not self._is_due(self.live()):
            return None
        try:
            return self._issuer.sign(change, "resign", "clock", "")
        except NotDue:
            return None

    def _is_due(self, live: Signing | None) -> bool:
        life_s = self._settings.manifest_life_s
        every_s = min(self._settings.resign_every_s, life_s // SIGNINGS_PER_LIFE)
        return live is not None and self._signings.now_s() >= live.issued_s + every_s

    async def keep_signed(self) -> None:
        """Mend the file, and sign anew whenever it is due, for ever; failures are tried again."""
        while True:
            try:
                await asyncio.to_thread(self._issuer.mend)
                await asyncio.to_thread(self.resign_if_due)
            except (PublishRefused, StorageUnavailable, SigningError) as error:
                log.error("the manifest was not signed anew: %s", error)
            await asyncio.sleep(min(LOOK_EVERY_S, self._settings.resign_every_s))

    # --- looking ------------------------------------------------------------

    @property
    def channel_file(self) -> str:
        """The name of the object that edges of this channel follow."""
        return file_of(self._settings.channel, PROJECTION)

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
