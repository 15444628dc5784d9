"""Signings: the numbered history of a channel's manifests.

A signing is one transaction: the next sequence is taken, the manifest signed, and its
row with the exact bytes committed.  So a sequence is never signed twice with
different bytes, whoever asks at the same time, in whatever process: a transaction that
writes is its tenant's only writer from its start (`storage/database.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from control_plane.channels import Found
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer
from edge.decision.claims import ManifestPayload, Paused, Release, read_manifest
from policy_compiler.keys import DevelopmentKeys
from policy_compiler.sign import ReleaseRow, encode_manifest, make_release, sign_manifest

PROJECTION = "edge"
SLICE = "all"
RAMP = "all"

Reason = Literal["publish", "learn", "resign", "roll-back", "pause", "resume", "adopt"]
CONTENT_REASONS = ("publish", "learn", "roll-back", "adopt")
"""Signings that change which bundle is live."""


class Signing(Struct, frozen=True, kw_only=True):
    """A manifest that was signed: a row of `signings`."""

    epoch: int
    sequence: int
    issued_s: int
    expires_s: int
    reason: Reason
    actor: str
    note: str
    bundle: str
    release: str
    size_bytes: int
    payload: bytes
    signed: bytes
    digest: str

    @property
    def number(self) -> tuple[int, int]:
        return self.epoch, self.sequence

    @property
    def manifest(self) -> ManifestPayload:
        return read_manifest(self.payload)

    @property
    def content(self) -> Content:
        manifest = self.manifest
        return Content(
            bundle=self.bundle,
            size_bytes=self.size_bytes,
            paused=manifest.paused,
            multipliers=dict(manifest.multipliers),
        )


class Content(Struct, frozen=True, kw_only=True):
    """What a manifest says besides its number and times."""

    bundle: str
    size_bytes: int
    paused: Paused = Paused()
    multipliers: dict[str, int] = {}


def release_of(bundle: str, size_bytes: int) -> bytes:
    """The release that holds this one bundle; named by its SHA-256."""
    row = ReleaseRow(projection=PROJECTION, slice=SLICE, digest=bundle, size_bytes=size_bytes)
    return make_release([row])


Change = Callable[[Signing | None], Content]
"""From the newest signing (None: there is none) to what the next one says."""


class Signings:
    """The history of one channel.  `add` blocks until its row is durable."""

    def __init__(
        self,
        settings: Settings,
        keys: DevelopmentKeys,
        database: Database,
        writer: Writer,
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._database = database
        self._writer = writer
        self.now_s = now_s

    def add(self, change: Change, epoch: int, reason: Reason, actor: str, note: str) -> Signing:
        """Sign what `change` says, under the next sequence.

        Raises what `change` raises, `SigningError`, or `StorageUnavailable`; then
        nothing was signed.
        """

        def job(connection: Connection) -> Signing:
            live = self._last(connection)
            manifest = self._manifest(change(live), epoch, live.sequence + 1 if live else 1)
            signed = sign_manifest(self._keys, manifest)
            payload = encode_manifest(manifest)
            signing = self._signing(manifest, payload, signed, reason, actor, note)
            connection.execute(insert(t.signings), self._row(signing))
            return signing

        return self._writer.run(job)

    def adopt(self, found: Found) -> None:
        """Enter a manifest of ours that the store has and this history lacks.

        So a database that was restored from a backup goes on after the newest that was
        ever handed out.  Raises `StorageUnavailable`.
        """
        manifest = found.manifest
        row = self._row(self._signing(manifest, found.payload, found.signed, "adopt", "store"))

        def job(connection: Connection) -> None:
            live = self._last(connection)
            if live is None or live.number < found.number:
                connection.execute(insert(t.signings), row)

        self._writer.run(job)

    def last(self) -> Signing | None:
        with self._database.reading() as connection:
            return self._last(connection)

    def history(self, limit: int, *, only: tuple[str, ...] = ()) -> list[Signing]:
        """Newest first; `only` names the reasons that are wanted."""
        query = _newest_first(self._ours())
        if only:
            query = query.where(t.signings.c.reason.in_(only))
        with self._database.reading() as connection:
            return [_signing(row) for row in connection.execute(query.limit(limit))]

    def _manifest(self, content: Content, epoch: int, sequence: int) -> ManifestPayload:
        now_s = self.now_s()
        return ManifestPayload(
            tenant=self._settings.tenant,
            channel=self._settings.channel,
            projection=PROJECTION,
            epoch=epoch,
            sequence=sequence,
            issued_s=now_s,
            expires_s=now_s + self._settings.manifest_life_s,
            releases=(Release(bundle=content.bundle, size_bytes=content.size_bytes),),
            ramp=RAMP,
            paused=content.paused,
            multipliers=content.multipliers,
        )

    def _signing(
        self,
        manifest: ManifestPayload,
        payload: bytes,
        signed: bytes,
        reason: Reason,
        actor: str,
        note: str = "",
    ) -> Signing:
        live = manifest.releases[0]
        return Signing(
            epoch=manifest.epoch,
            sequence=manifest.sequence,
            issued_s=manifest.issued_s,
            expires_s=manifest.expires_s,
            reason=reason,
            actor=actor,
            note=note,
            bundle=live.bundle,
            release=sha256(release_of(live.bundle, live.size_bytes)).hexdigest(),
            size_bytes=live.size_bytes,
            payload=payload,
            signed=signed,
            digest=sha256(signed).hexdigest(),
        )

    def _row(self, signing: Signing) -> dict[str, Any]:
        where = {
            "tenant": self._settings.tenant,
            "channel": self._settings.channel,
            "projection": PROJECTION,
        }
        return where | msgspec.structs.asdict(signing)

    def _last(self, connection: Connection) -> Signing | None:
        row = connection.execute(_newest_first(self._ours()).limit(1)).one_or_none()
        return None if row is None else _signing(row)

    def _ours(self) -> Any:
        columns = [t.signings.c[name] for name in Signing.__struct_fields__]
        return select(*columns).where(
            t.signings.c.tenant == self._settings.tenant,
            t.signings.c.channel == self._settings.channel,
            t.signings.c.projection == PROJECTION,
        )


def _newest_first(query: Any) -> Any:
    return query.order_by(t.signings.c.epoch.desc(), t.signings.c.sequence.desc())


def _signing(row: Any) -> Signing:
    return Signing(**row._mapping)
