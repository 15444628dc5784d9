"""Issuing: from what a manifest shall say to the signed file that edges fetch.

    root (the newest; another process may have brought it) -> the channel's file, read
    -> the history, at least as new as the file -> signed and committed -> the file, written

The store is asked before anything is signed, so while it is down nothing changes.  The
commit decides: what was committed goes out, if not now then by `mend`.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from control_plane.channels import ChannelFile, first_root, next_root, signer_of
from control_plane.keyring import Chain, development_keys, follow
from control_plane.settings import Settings
from control_plane.signing import (
    PROJECTION,
    Also,
    Change,
    Content,
    EpochOver,
    Reason,
    Signing,
    Signings,
)
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError, ObjectStore
from edge.decision.claims import Root
from edge.decision.errors import TrustError
from policy_compiler.keys import OnlineKeys
from policy_compiler.sign import development_root

log = logging.getLogger(__name__)

FIRST_ROOT = "keys/root.1.jws"


def root_file(version: int) -> str:
    return f"keys/root.{version}.jws"


class PublishRefused(ValueError):
    """Nothing was published; `help` says what to do."""

    def __init__(self, problem: str, help: str) -> None:
        super().__init__(problem)
        self.help = help


class NotOutYet(StorageUnavailable):
    """Signed and committed, but the store did not take the channel's file yet."""


class Issuer:
    """Signs for one channel.  Thread-safe, and safe against other processes that do the same."""

    def __init__(
        self, settings: Settings, keys: OnlineKeys, signings: Signings, store: ObjectStore
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._signings = signings
        self._store = store
        self._file = threading.Lock()
        self._chain: Chain | None = None

    def sign(
        self, change: Change, reason: Reason, actor: str, note: str, also: Also | None = None
    ) -> Signing:
        """Sign what `change` says under the next sequence, and send it out.

        Raises what `change` and `also` raise, `SigningError`, `PublishRefused` or
        `StorageUnavailable`; then nothing was signed.  Only `NotOutYet` says that it was.
        """
        while True:
            channel, epoch = self._caught_up()  # and the store answers, before anything is signed
            with suppress(EpochOver):
                signing = self._signings.add(change, epoch, reason, actor, note, also)
                break
        self._send(channel, signing)
        return signing

    def _send(self, channel: ChannelFile, signing: Signing) -> None:
        """Write the channel's file; by newer roots, if some came while this was signed."""
        if self._next_root_is_there():
            self.mend()
        else:
            self._write_channel(channel, signing)

    def put(self, name: str, data: bytes) -> None:
        """Store what never changes.  Raises `StorageUnavailable`."""
        try:
            self._store.put(name, data)
        except ObjectError as error:
            raise StorageUnavailable(str(error)) from error

    def mend(self) -> None:
        """Bring the channel's file and the history of signings to the same end.

        Raises `StorageUnavailable` or `PublishRefused`.
        """
        channel, epoch = self._caught_up()
        live = self._signings.last()
        if live is not None and self._is_over(live, epoch):
            live = self._signed_anew(epoch)
        if live is not None:
            self._write_channel(channel, live)

    def _is_over(self, live: Signing, epoch: int) -> bool:
        """Whether a root has come since, by which another key of ours signs."""
        if live.epoch != epoch or self._chain is None:
            return live.epoch < epoch
        return self._chain.is_over(signer_of(live.signed), self._keys.online.kid)

    def _signed_anew(self, epoch: int) -> Signing | None:
        """The live policy by the key of now; by one process, however many find that it is due."""

        def change(live: Signing | None) -> Content:
            if live is None:
                raise PublishRefused(
                    "no manifest of before the new epoch is known to be ours",
                    "Publish the catalog anew.",
                )
            if not self._is_over(live, epoch):
                raise EpochOver
            return live.content

        try:
            return self._signings.add(change, epoch, "rotate", "process:keys", "the keys changed")
        except EpochOver:
            return self._signings.last()

    def _current_root(self) -> Root:
        """The newest root, looked for each time: another process may have brought one."""
        try:
            first = self._store.get(FIRST_ROOT) or self._made_root()
            roots = [first_root(first)]
            while (raw := self._store.get(root_file(roots[-1].version + 1))) is not None:
                roots.append(next_root(roots[-1], raw))
        except ObjectError as error:
            raise StorageUnavailable(str(error)) from error
        except TrustError as error:
            raise PublishRefused(
                f"a root in the store is not to be believed: {error}", "Restore keys/ in the store."
            ) from error
        self._chain = Chain(tuple(roots))
        follow(self._keys, self._chain)
        self._check_root(roots[-1])
        return roots[-1]

    def _next_root_is_there(self) -> bool:
        version = self._chain.newest.version if self._chain else 0
        try:
            return self._store.get(root_file(version + 1)) is not None
        except ObjectError:
            return False  # what is signed goes out by the next look, as the caller is told

    def _made_root(self) -> bytes:
        """A new first root, or that of another process if it was faster."""
        development = development_keys(self._keys)
        if development is None:
            raise PublishRefused(
                "there is no root yet, and none is made where keys come from files",
                "Hold a ceremony: `proffer keys ceremony`, then `proffer keys publish-root`.",
            )
        made = development_root(development, self._settings.tenant, self._signings.now_s())
        try:
            self._store.put(FIRST_ROOT, made)
        except ObjectError:
            there = self._store.get(FIRST_ROOT)
            if there is None:
                raise
            return there
        return made

    def _caught_up(self) -> tuple[ChannelFile, int]:
        """The channel's file, which the history is as new as by now, and the root's epoch."""
        root = self._current_root()
        channel = ChannelFile(self._store, root, self._settings.channel, PROJECTION)
        try:
            found = channel.newest()
        except ObjectError as error:
            raise StorageUnavailable(str(error)) from error
        live = self._signings.last()
        if found is not None and (live is None or live.number < found.number):
            log.error("the store is ahead of the database: its manifest is taken over")
            self._signings.adopt(found)
        return channel, root.epoch

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

    def _write_channel(self, channel: ChannelFile, signing: Signing) -> None:
        """Put the signed manifest where edges fetch it.  Raises `NotOutYet`."""
        try:
            with self._file:
                channel.advance(signing.number, signing.signed)
        except ObjectError as error:
            raise NotOutYet(f"sequence {signing.sequence} is signed, but {error}") from error
