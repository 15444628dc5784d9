"""The gatehouse of a channel: brings a policy before the gates, and lets it into the store.

What came through is what a manifest may name: the bundle and its release are written and
read back, and it is noted which catalog made them (`candidates.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from control_plane.drafting.publications import was_ever_live
from control_plane.issuing import Issuer
from control_plane.releasing.candidates import UNKNOWN, Candidates, Known, Origin
from control_plane.releasing.gates import (
    GATES,
    Candidate,
    Finding,
    Gate,
    GatesClosed,
    findings_of,
    opened,
)
from control_plane.reviewing.approvals import Approval, approved
from control_plane.settings import Settings
from control_plane.signing import Content, Signings, release_of


class Gatehouse:
    """Of one channel.  Methods block.

    `is_first` is for the policy that a new shop begins with: its operator put the catalog
    there, before there was anybody who could approve it.
    """

    def __init__(
        self,
        settings: Settings,
        signings: Signings,
        issuer: Issuer,
        gates: Sequence[Gate] = GATES,
    ) -> None:
        self.candidates = Candidates(settings.tenant, signings.database, signings.writer)
        self._settings = settings
        self._signings = signings
        self._issuer = issuer
        self._gates = gates

    def findings(self, data: bytes, origin: Origin = UNKNOWN) -> list[Finding]:
        """All that keeps these bytes from being published; nothing is changed."""
        return findings_of(self._candidate(data, origin, is_first=False), self._gates)

    def admit(
        self, data: bytes, *, actor: str, origin: Origin = UNKNOWN, is_first: bool = False
    ) -> Content:
        """Through the gates and into the store.  Raises `GatesClosed` or `StorageUnavailable`."""
        candidate = self._candidate(data, origin, is_first)
        findings = findings_of(candidate, self._gates)
        if findings or candidate.bundle is None:
            raise GatesClosed(findings)
        digest, size_bytes = candidate.bundle.digest.hex(), candidate.bundle.size_bytes
        table = release_of(digest, size_bytes)
        self._issuer.put(f"bundles/{digest}", data)
        self._issuer.put(f"releases/{sha256(table).hexdigest()}", table)
        if origin.content_hash or not candidate.hashes - {""}:
            self._note(digest, size_bytes, origin, actor)
        return Content(bundle=digest, size_bytes=size_bytes)

    def _note(self, digest: str, size_bytes: int, origin: Origin, actor: str) -> None:
        self.candidates.note(
            Known(
                bundle=digest,
                content_hash=origin.content_hash,
                size_bytes=size_bytes,
                zone=origin.zone,
                actor=actor,
                made_s=self._signings.now_s(),
            )
        )

    def _candidate(self, data: bytes, origin: Origin, is_first: bool) -> Candidate:
        bundle, trouble = opened(data)
        live = self._signings.last()
        known = self.candidates.hashes(bundle.digest.hex()) if bundle else frozenset[str]()
        return Candidate(
            data=data,
            tenant=self._settings.tenant,
            bundle=bundle,
            trouble=trouble,
            now_s=self._signings.now_s(),
            needs_approval=self._settings.needs_approval and not (is_first and live is None),
            hashes=known | {origin.content_hash},
            live_hashes=self.candidates.hashes(live.bundle) if live else frozenset(),
            approval=self._approval,
            was_live=self._was_live,
        )

    def _approval(self, content_hash: str) -> Approval | None:
        tenant, needed = self._settings.tenant, self._settings.approvals_needed
        with self._signings.database.reading() as connection:
            return approved(connection, tenant, content_hash, needed=needed)

    def _was_live(self, content_hash: str) -> bool:
        tenant, channel = self._settings.tenant, self._settings.channel
        with self._signings.database.reading() as connection:
            return was_ever_live(connection, tenant, channel, content_hash)
