"""Which revision is live: from a channel's signings to the contents they were compiled from.

Publishing notes for every bundle the catalog that made it (`releasing.candidates`).  Catalogs
that differ in comments alone make one bundle, so there may be several; of a bundle that was
compiled elsewhere none is known, and then nobody can say which content is live.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, select, true

from control_plane.storage import tables_drafts as t
from control_plane.storage.tables import signings
from control_plane.storage.tables_publishing import candidates

PROJECTION = "edge"


def live_contents(connection: Connection, tenant: str, channel: str) -> list[str]:
    """The revisions that a channel's newest signing may have been compiled from, newest first."""
    bundle = _live_bundle(connection, tenant, channel)
    if bundle is None:
        return []
    kept = t.catalog_revisions.c
    same = (kept.tenant == candidates.c.tenant) & (kept.content_hash == candidates.c.content_hash)
    query = _contents_of(tenant, bundle).join(t.catalog_revisions, same)
    return list(connection.scalars(query))


def stray_contents(connection: Connection, tenant: str, channel: str) -> set[str]:
    """Contents of what is live that are no revisions: they came straight from a folder."""
    bundle = _live_bundle(connection, tenant, channel)
    if bundle is None:
        return set()
    found = set(connection.scalars(_contents_of(tenant, bundle)))
    return found - set(live_contents(connection, tenant, channel))


def _live_bundle(connection: Connection, tenant: str, channel: str) -> str | None:
    rows = signings.c
    newest = (
        select(rows.bundle)
        .where(rows.tenant == tenant, rows.channel == channel, rows.projection == PROJECTION)
        .order_by(rows.epoch.desc(), rows.sequence.desc())
        .limit(1)
    )
    return connection.scalar(newest)


def _contents_of(tenant: str, bundle: str) -> Select[Any]:
    rows = candidates.c
    query = select(rows.content_hash).where(
        rows.tenant == tenant, rows.bundle == bundle, rows.content_hash != ""
    )
    return query.order_by(rows.made_s.desc(), rows.content_hash)


def trunk(connection: Connection, tenant: str, channel: str) -> str:
    """What a new draft departs from: the live content, else the first revision, else ""."""
    live = live_contents(connection, tenant, channel)
    rows = t.catalog_revisions.c
    first = select(rows.content_hash).where(rows.tenant == tenant).order_by(rows.id).limit(1)
    return live[0] if live else connection.scalar(first) or ""


def published(connection: Connection, tenant: str) -> set[str]:
    """The contents that were ever signed, on any channel."""
    return set(connection.scalars(_published(tenant, candidates.c.content_hash).distinct()))


def was_published(
    connection: Connection, tenant: str, channel: str, content_hash: str, since_s: int, base: str
) -> bool:
    """Whether a content was signed on a channel at that time or later, and after what it was
    edited from, `base`: two signings and an edit may be of one second."""
    last_s = signings.c.issued_s
    found = _numbers(connection, tenant, channel, content_hash, last_s >= since_s)
    before = _numbers(connection, tenant, channel, base, last_s <= since_s)
    return bool(found) and (not before or found[-1] > before[-1])


def was_ever_live(connection: Connection, tenant: str, channel: str, content_hash: str) -> bool:
    return bool(_numbers(connection, tenant, channel, content_hash, true()))


def _numbers(
    connection: Connection, tenant: str, channel: str, content_hash: str, when: ColumnElement[bool]
) -> list[tuple[int, int]]:
    """Epoch and sequence of the signings of a content, in order."""
    numbers = (signings.c.epoch, signings.c.sequence)
    query = _published(tenant, *numbers).where(
        candidates.c.content_hash == content_hash, signings.c.channel == channel, when
    )
    return [(row.epoch, row.sequence) for row in connection.execute(query.order_by(*numbers))]


def _published(tenant: str, *columns: Column[Any]) -> Select[Any]:
    made = (signings.c.tenant == candidates.c.tenant) & (signings.c.bundle == candidates.c.bundle)
    return (
        select(*columns)
        .join_from(candidates, signings, made)
        .where(candidates.c.tenant == tenant, candidates.c.content_hash != "")
    )
