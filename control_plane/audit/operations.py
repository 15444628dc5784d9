"""The audit log over HTTP: who did what, newest first."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta, Struct

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.audit.chain import Row
from control_plane.audit.reading import Wanted, newest_first, value_of
from control_plane.services import Services

Text = Annotated[str, Meta(max_length=512, pattern=r"\A[^\x00]*\Z")]
Time = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53, description="Unix seconds")]


class AuditQuery(Pages, frozen=True, kw_only=True):
    """Which entries; those that agree with everything that is given."""

    subject: Annotated[Text, Meta(description="Exactly this subject: `channel/production`.")] = ""
    actor: Annotated[Text, Meta(description="Exactly this actor: `user:<id>`.")] = ""
    action: Annotated[Text, Meta(description="Exactly this action: `channel.publish`.")] = ""
    since_s: Time | None = None
    """Not before this time."""
    until_s: Time | None = None
    """Before this time."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """A row of the log; `before` and `after` are what the subject was and became."""

    number: int
    at_s: int
    actor: str
    action: str
    subject: str
    before: Any
    after: Any
    note: str
    previous: str
    hash: str


async def list_audit(call: Call) -> Answer:
    query: AuditQuery = call.query
    key = key_of(query.after, int)
    rows = await asyncio.to_thread(_find, call.services, query, None if key is None else key[0])
    page = page_of(rows, query.limit, lambda row: (row.number,))
    return Answer(Page(items=[entry_of(row) for row in page.items], next=page.next))


def _find(services: Services, query: AuditQuery, before: int | None) -> list[Row]:
    wanted = Wanted(
        subject=query.subject,
        actor=query.actor,
        action=query.action,
        since_s=query.since_s,
        until_s=query.until_s,
    )
    with services.database.reading() as connection:
        tenant = services.settings.tenant
        return newest_first(connection, tenant, wanted, query.limit + 1, before)


def entry_of(row: Row) -> AuditEntry:
    """For people and programs: `before` and `after` as values."""
    return AuditEntry(
        number=row.number,
        at_s=row.at_s,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        before=value_of(row.before),
        after=value_of(row.after),
        note=row.note,
        previous=row.previous,
        hash=row.hash,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/v1/audit",
        name="list_audit",
        summary="Who did what, newest first.",
        tag="audit",
        permission="audit",
        handler=list_audit,
        query=AuditQuery,
        answers={200: Page[AuditEntry]},
    ),
)
