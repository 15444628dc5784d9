"""Publishing: from a bundle's bytes to the signed manifest that edges follow.

    gates -> bundle, written and read back -> release -> manifest with the next sequence

The signing is committed (`signing.py`) before the channel's file is written
(`channels.py`).  The commit decides: after a crash between the two, or while the store is
down, the file is written from the row by whoever comes first: the next start or signing
of any process, or the look that each of them takes every `LOOK_EVERY_S`.

A manifest lives a day and is signed anew at least four times in it.  Rolling back,
pausing and resuming are signings too: a new sequence with other content.  They ask no gate,
so that nothing stands between a person and a policy that does harm.  A pause holds until it
is taken back, over publishes and roll-backs.

While a ramp is open (`releasing/ramps.py`) a share of the units gets a canary beside the
live policy.  Then nobody publishes over it; going back ends it at once.

The sequence alone says what is newer.  `issued_s` is what the clock said, and may go back:
where a clock was ahead and was set right, a manifest from the future is signed anew at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import Connection

from control_plane.channels import file_of
from control_plane.issuing import Issuer, PublishRefused
from control_plane.policies import Policies
from control_plane.releasing.candidates import UNKNOWN, Origin
from control_plane.releasing.gatehouse import Gatehouse
from control_plane.releasing.gates import GATES, Gate
from control_plane.releasing.ramp_book import end_open
from control_plane.releasing.switches import Switch, flipped, missing, names_in, of_paused
from control_plane.settings import Settings
from control_plane.signing import (
    CONTENT_REASONS,
    PROJECTION,
    Also,
    Change,
    Content,
    Reason,
    Signing,
    Signings,
)
from control_plane.storage.objects import ObjectError, ObjectStore, Tampered
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.pulse import beat
from edge.decision.bundle import Bundle
from edge.decision.errors import BundleError
from edge.decision.trust import SKEW_S
from policy_compiler.keys import OnlineKeys, SigningError

log = logging.getLogger(__name__)

SIGNINGS_PER_LIFE = 4
LOOK_EVERY_S = 30.0
HUMAN_REASONS = (*CONTENT_REASONS, "pause", "resume")


class AlreadyPublished(PublishRefused):
    """Somebody else's first publish came first."""


class RampIsOpen(PublishRefused):
    """A canary is being tried; whoever published now would end that without a word."""

    def __init__(self) -> None:
        super().__init__(
            "a ramp is open on this channel", "Finish or abort the ramp, then publish."
        )


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
        keys: OnlineKeys,
        signings: Signings,
        store: ObjectStore,
        policies: Policies,
        gates: Sequence[Gate] = GATES,
    ) -> None:
        self.channel = settings.channel
        self._settings = settings
        self._signings = signings
        self._store = store
        self._policies = policies
        self._issuer = Issuer(settings, keys, signings, store)
        self.gatehouse = Gatehouse(settings, signings, self._issuer, gates)

    # --- starting -----------------------------------------------------------

    def start(self) -> None:
        """Make the first root, mend the channel's file after a crash, sign anew if it is due.

        Raises `PublishRefused` if keys, root and tenant do not belong together, and
        `StorageUnavailable` where a new shop has no store.  One that was published goes on
        without it: it takes beacons and redeems, and mends the file later.
        """
        try:
            self.mend()
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
        origin: Origin = UNKNOWN,
        also: Also | None = None,
    ) -> Signing:
        """Make these bytes the live policy.

        Raises `GatesClosed` with all that is in the way, `RampIsOpen`, and
        `AlreadyPublished` if there is a live policy where this should be the first.
        """
        if only_first and self.live() is not None:
            raise AlreadyPublished("there is a live policy", "Nothing is to be done.")
        content = self.gatehouse.admit(data, actor=actor, origin=origin, is_first=only_first)

        def change(live: Signing | None) -> Content:
            if only_first and live is not None:
                raise AlreadyPublished("there is a live policy", "Nothing is to be done.")
            if live is not None and live.content.canary is not None:
                raise RampIsOpen
            return keeping(live, content)

        return self.sign(change, reason, actor, note, also)

    def sign(
        self, change: Change, reason: Reason, actor: str, note: str, also: Also | None = None
    ) -> Signing:
        """What `change` says, under the next sequence; `Issuer.sign` says what is raised."""
        return self._issuer.sign(change, reason, actor, note, also)

    def roll_back(self, bundle: str, *, actor: str, also: Also | None = None) -> Signing:
        """Make a bundle live that was live before, and end the ramp that is open.

        Raises `PublishRefused` for other bundles.
        """
        before = next((s for s in self.history() if s.bundle == bundle), None)
        if before is None or self._store.get(f"bundles/{bundle}") is None:
            raise PublishRefused(
                f"bundle {bundle[:64]!r} was never published here", "Choose one of the history."
            )
        note = f"to the policy of sequence {before.sequence}"
        content = replace(before.content, canary=None)

        def ending(connection: Connection, signing: Signing) -> None:
            end_open(
                connection, self._settings.tenant, self.channel, "aborted",
                f"{actor} rolled the channel back", signing.issued_s,
            )  # fmt: skip
            if also is not None:
                also(connection, signing)

        return self.sign(lambda live: keeping(live, content), "roll-back", actor, note, ending)

    # --- kill switches ------------------------------------------------------

    def pause(self, offer: str, *, actor: str) -> Signing:
        """Show an offer to nobody, until `resume`.  Raises `PublishRefused` for unknown ones."""
        return self.switch_off(Switch(offers=(offer,)), actor=actor)

    def resume(self, offer: str, *, actor: str) -> Signing:
        """Take a pause back.  Raises `PublishRefused` if the offer is not paused."""
        return self.switch_on(Switch(offers=(offer,)), actor=actor)

    def switch_off(self, switch: Switch, *, actor: str, also: Also | None = None) -> Signing:
        """Pause all of these, until `switch_on`.  Raises `PublishRefused` for unknown names."""

        self._check_names(switch)

        def change(live: Signing | None) -> Content:
            content = _there(live).content
            return replace(content, paused=flipped(content.paused, switch, off=True))

        return self.sign(change, "pause", actor, _named(switch), also)

    def switch_on(self, switch: Switch, *, actor: str, also: Also | None = None) -> Signing:
        """Take pauses back.  Raises `PublishRefused` for what is not paused."""

        def change(live: Signing | None) -> Content:
            content = _there(live).content
            if running := missing(of_paused(content.paused), switch).told:
                raise PublishRefused(f"{running} is not paused", "Nothing is to be done.")
            return replace(content, paused=flipped(content.paused, switch, off=False))

        return self.sign(change, "resume", actor, _named(switch), also)

    def _check_names(self, switch: Switch) -> None:
        """Raises `PublishRefused` for names that no live policy has.

        Where one cannot be read every name is taken: a switch has to work when things are bad.
        """
        content = _there(self.live()).content
        digests = [content.bundle, *([content.canary.bundle] if content.canary else [])]
        try:
            bundles = [self._policies.get(digest) for digest in digests]
        except (ObjectError, BundleError) as error:
            log.error("names are not checked, a live policy cannot be read: %s", error)
            return
        known = names_in(*(bundle for bundle in bundles if bundle is not None))
        if unknown := missing(known, switch).told:
            raise PublishRefused(
                f"there is no {unknown} in the live policy", "Choose what is in it."
            )

    # --- signing anew -------------------------------------------------------

    def mend(self) -> None:
        """Bring file, history and keys to the same end.

        Raises `StorageUnavailable` or `PublishRefused`.
        """
        self._issuer.mend()

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
        if live is None:
            return False
        # A clock that was ahead made a manifest that edges do not believe yet.
        age_s = self._signings.now_s() - live.issued_s
        return age_s >= every_s or age_s < -SKEW_S

    async def keep_signed(self) -> None:
        """Mend the file, and sign anew whenever it is due, for ever; failures are tried again."""
        while True:
            try:
                await asyncio.to_thread(self.mend)
                await asyncio.to_thread(self.resign_if_due)
                beat()
            except (PublishRefused, StorageUnavailable, SigningError) as error:
                log.error("the manifest was not signed anew: %s", error)
            await asyncio.sleep(min(LOOK_EVERY_S, self._settings.resign_every_s))

    # --- looking ------------------------------------------------------------

    @property
    def signings(self) -> Signings:
        return self._signings

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

    def stored(self, bundle: str) -> bytes:
        """The very bytes of a bundle.  Raises `PublishRefused`, or `StorageUnavailable`."""
        try:
            data = self._store.get(f"bundles/{bundle}")
        except ObjectError as error:
            raise StorageUnavailable(str(error)) from error
        if data is None:
            raise PublishRefused(
                f"there is no bundle {bundle[:64]!r} here", "Choose one that was published."
            )
        return data

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


def keeping(live: Signing | None, new: Content) -> Content:
    """Another bundle under the pauses and multipliers of now."""
    if live is None:
        return new
    return replace(new, paused=live.content.paused, multipliers=live.content.multipliers)


def _named(switch: Switch) -> str:
    """The note of a switch: the bare name where it is one offer."""
    return switch.offers[0] if switch == Switch(offers=switch.offers[:1]) else switch.told


def _there(live: Signing | None) -> Signing:
    if live is None:
        raise PublishRefused("nothing was published yet", "Publish a catalog first.")
    return live
