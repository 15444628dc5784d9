"""How a draft lies to what is live: behind it, level, or live itself."""

from __future__ import annotations

from sqlalchemy import Connection, select

from control_plane.drafting.drafts import Draft
from control_plane.drafting.publications import live_contents, was_published
from control_plane.drafting.status import Place
from control_plane.storage import tables_drafts as t

PARENTS_MAX = 1_000
"""How far back a draft's base is followed."""


def place_of(connection: Connection, tenant: str, channel: str, draft: Draft) -> Place:
    live = live_contents(connection, tenant, channel)
    is_live = draft.head in live
    return Place(
        live=live[0] if live else "",
        is_behind=bool(live) and not is_live and ancestor(connection, tenant, draft, live) == "",
        was_published=is_live
        or was_published(connection, tenant, channel, draft.head, draft.updated_s, draft.base),
    )


def ancestor(connection: Connection, tenant: str, draft: Draft, live: list[str]) -> str:
    """The live content that the draft departs from; "" if there is none.

    That is its base; or one that the draft went through itself, since it was published and
    then edited on; or one that its base was made from, where that was never published.
    """
    if draft.base in live:
        return draft.base
    steps = t.draft_steps.c
    query = select(steps.content_hash).where(
        steps.tenant == tenant, steps.draft == draft.id, steps.content_hash.in_(live)
    )
    mine = connection.scalar(query.order_by(steps.version.desc()).limit(1))
    return mine or _made_from(connection, tenant, draft.base, live)


def _made_from(connection: Connection, tenant: str, content_hash: str, live: list[str]) -> str:
    """The first of the parents, and theirs, that is live."""
    rows = t.catalog_revisions.c
    seen: set[str] = set()
    while content_hash and content_hash not in seen and len(seen) < PARENTS_MAX:
        if content_hash in live:
            return content_hash
        seen.add(content_hash)
        query = select(rows.parent).where(rows.tenant == tenant, rows.content_hash == content_hash)
        content_hash = connection.scalar(query) or ""
    return ""
