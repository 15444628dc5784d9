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
from sqlalchemy import Connection, and_, insert, or_, select

from control_plane.audit.log import Entry, append
from control_plane.channels import Found
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer
from edge.decision.claims import ManifestPayload, Paused, Release, read_manifest
from edge.decision.hashing import T
from edge.decision.trust import SKEW_S
from policy_compiler.keys import OnlineKeys
from policy_compiler.sign import ReleaseRow, encode_manifest, make_release, sign_manifest

PROJECTION = "edge"
SLICE = "all"
RAMP = "all"

Reason = Literal[
    "publish",
    "learn",
    "resign",
    "roll-back",
    "pause",
    "resume",
    "adopt",
    "promote",
    "ramp",
    "rotate",
]
CONTENT_REASONS = ("publish", "learn", "roll-back", "adopt", "promote", "ramp")
"""Signings that change which bundles are live."""


class Signing(Struct, frozen=True, kw_only=True):
    """A manifest that was signed: a row of `signings`.

    `bundle` is what everybody gets but those of a canary, which only the manifest names.
    """

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
            canary=_canary_in(manifest),
        )


class Canary(Struct, frozen=True, kw_only=True):
    """A second bundle, for `share` of the units out of T = 2^20; `ramp` keys who they are."""

    bundle: str
    size_bytes: int
    share: int
    ramp: str


class Content(Struct, frozen=True, kw_only=True):
    """What a manifest says besides its number and times."""

    bundle: str
    size_bytes: int
    paused: Paused = Paused()
    multipliers: dict[str, int] = {}
    canary: Canary | None = None

    @property
    def releases(self) -> tuple[Release, ...]:
        """The canary first: its interval of tickets begins at 0 and only grows at its end."""
        base = Release(bundle=self.bundle, size_bytes=self.size_bytes)
        if self.canary is None:
            return (base,)
        new = Release(
            bundle=self.canary.bundle,
            size_bytes=self.canary.size_bytes,
            share=self.canary.share,
        )
        return new, msgspec.structs.replace(base, share=T - new.share)


def _canary_in(manifest: ManifestPayload) -> Canary | None:
    if len(manifest.releases) == 1:
        return None
    new = manifest.releases[0]
    return Canary(bundle=new.bundle, size_bytes=new.size_bytes, share=new.share, ramp=manifest.ramp)


def release_of(bundle: str, size_bytes: int) -> bytes:
    """The release that holds this one bundle; named by its SHA-256."""
    row = ReleaseRow(projection=PROJECTION, slice=SLICE, digest=bundle, size_bytes=size_bytes)
    return make_release([row])


Change = Callable[[Signing | None], Content]
"""From the newest signing (None: there is none) to what the next one says."""

Also = Callable[[Connection, Signing], None]
"""What else is written in the signing's transaction; what it raises undoes the signing."""


class EpochOver(Exception):
    """A root opened the next epoch meanwhile: read the roots again."""


class Signings:
    """The history of one channel.  `add` blocks until its row is durable."""

    def __init__(
        self,
        settings: Settings,
        keys: OnlineKeys,
        database: Database,
        writer: Writer,
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._settings = settings
        self._keys = keys
        self.database = database
        self.writer = writer
        self.now_s = now_s

    def add(
        self,
        change: Change,
        epoch: int,
        reason: Reason,
        actor: str,
        note: str,
        also: Also | None = None,
    ) -> Signing:
        """Sign what `change` says, under the next sequence.

        Raises what `change` and `also` raise, `SigningError`, or `StorageUnavailable`; then
        nothing was signed.  A new epoch begins at 1, and with what we signed ourselves last:
        what was taken over from the store may be a thief's, who spent all numbers.
        Raises `EpochOver` if `epoch` is.
        """

        def job(connection: Connection) -> Signing:
            newest = self._last(connection)
            if newest is not None and newest.epoch > epoch:
                raise EpochOver
            live = newest if newest is None or newest.epoch == epoch else self._own(connection)
            sequence = newest.sequence + 1 if newest and newest.epoch == epoch else 1
            manifest = self._manifest(change(live), epoch, sequence)
            signed = sign_manifest(self._keys, manifest)
            payload = encode_manifest(manifest)
            signing = self._signing(manifest, payload, signed, reason, actor, note)
            connection.execute(insert(t.signings), self._row(signing))
            append(connection, self._entry(live, signing))
            if also is not None:
                also(connection, signing)
            return signing

        return self.writer.run(job)

    def adopt(self, found: Found) -> None:
        """Enter a manifest of ours that the store has and this history lacks.

        So a database that was restored from a backup goes on after the newest that was
        ever handed out.  Raises `StorageUnavailable`.
        """
        manifest = found.manifest
        signing = self._signing(manifest, found.payload, found.signed, "adopt", "store")

        def job(connection: Connection) -> None:
            live = self._last(connection)
            if live is None or live.number < found.number:
                connection.execute(insert(t.signings), self._row(signing))
                append(connection, self._entry(live, signing))

        self.writer.run(job)

    def last(self) -> Signing | None:
        with self.database.reading() as connection:
            return self._last(connection)

    def history(self, limit: int, *, only: tuple[str, ...] = ()) -> list[Signing]:
        """Newest first; `only` names the reasons that are wanted."""
        query = _newest_first(self._ours())
        if only:
            query = query.where(t.signings.c.reason.in_(only))
        with self.database.reading() as connection:
            return [_signing(row) for row in connection.execute(query.limit(limit))]

    def since(self, issued_s: int) -> list[Signing]:
        """Everything signed from then on, oldest first, and the one that was live then."""
        before = _newest_first(self._ours().where(t.signings.c.issued_s < issued_s)).limit(1)
        after = _newest_first(self._ours().where(t.signings.c.issued_s >= issued_s))
        with self.database.reading() as connection:
            rows = [*connection.execute(after), *connection.execute(before)]
        return [_signing(row) for row in reversed(rows)]

    def around(self, oldest: Signing, newest: Signing) -> list[Signing]:
        """From whatever an edge may still have run when `oldest` was signed, up to `newest`."""
        c, first_s = t.signings.c, oldest.issued_s - self._settings.manifest_life_s - SKEW_S
        query = self._ours().where(c.issued_s >= first_s, c.issued_s <= newest.issued_s)
        with self.database.reading() as connection:
            return [_signing(row) for row in connection.execute(_newest_first(query))]

    def page(self, limit: int, before: tuple[int, int] | None) -> list[Signing]:
        """What people and ramps changed, newest first, below that (epoch, sequence)."""
        c, query = t.signings.c, _newest_first(self._ours()).where(t.signings.c.reason != "resign")
        if before is not None:
            query = query.where(
                or_(c.epoch < before[0], and_(c.epoch == before[0], c.sequence < before[1]))
            )
        with self.database.reading() as connection:
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
            releases=content.releases,
            ramp=content.canary.ramp if content.canary else RAMP,
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
        live = manifest.releases[-1]
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

    def _entry(self, before: Signing | None, after: Signing) -> Entry:
        """The signing in the audit log, in the same transaction."""
        return Entry(
            tenant=self._settings.tenant,
            actor=after.actor,
            action=f"channel.{after.reason}",
            subject=f"channel/{self._settings.channel}",
            before=None if before is None else _audited(before),
            after=_audited(after),
            note=after.note,
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

    def _own(self, connection: Connection) -> Signing | None:
        """The newest that was signed here, and not taken over from the store."""
        query = self._ours().where(t.signings.c.reason != "adopt")
        row = connection.execute(_newest_first(query).limit(1)).one_or_none()
        return None if row is None else _signing(row)

    def _ours(self) -> Any:
        columns = [t.signings.c[name] for name in Signing.__struct_fields__]
        return select(*columns).where(
            t.signings.c.tenant == self._settings.tenant,
            t.signings.c.channel == self._settings.channel,
            t.signings.c.projection == PROJECTION,
        )


def _audited(signing: Signing) -> dict[str, object]:
    """What the audit log keeps of a manifest; the file itself is the row's `signed`."""
    return {
        "epoch": signing.epoch,
        "sequence": signing.sequence,
        "manifest": signing.digest,
        "says": signing.content,
    }


def _newest_first(query: Any) -> Any:
    return query.order_by(t.signings.c.epoch.desc(), t.signings.c.sequence.desc())


def _signing(row: Any) -> Signing:
    return Signing(**row._mapping)
