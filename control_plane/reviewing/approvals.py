"""Approvals: whether a content may go live.

1. An approval is of one content hash.  Other content, were it one blank more, has none:
   so an edit voids it, and taking the edit back brings it back.
2. It counts while its review is open.  A review that was rejected, withdrawn or followed
   by another one approves nothing.
3. Of each person the newest verdict counts.  Enough must have approved, and nobody may
   have asked for changes or rejected since.
4. Nobody approves what they had a hand in; `review_verdicts` holds that by a constraint.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, select

from control_plane.storage import tables_drafts as t

Verdict = Literal["approve", "reject", "request-changes"]


class Approval(Struct, frozen=True, kw_only=True):
    """An approved content.  `against` is the content that was live when the review was asked
    for ("": unknown): once something else is live, publishing this would undo that.
    `approvers` are persons, `at_s` when the last of them approved."""

    content_hash: str
    review: str
    against: str
    approvers: tuple[str, ...]
    at_s: int


class Standing(Struct, frozen=True, kw_only=True):
    """Where a review stands: the newest verdict of each person."""

    review: str
    content_hash: str
    against: str
    state: str
    needed: int
    verdicts: dict[str, Verdict]
    decided_s: int

    @property
    def approvers(self) -> tuple[str, ...]:
        return tuple(sorted(p for p, verdict in self.verdicts.items() if verdict == "approve"))

    @property
    def is_approved(self) -> bool:
        everyone = len(self.approvers) == len(self.verdicts)
        return self.state == "open" and everyone and len(self.approvers) >= self.needed


def approved(
    connection: Connection, tenant: str, content_hash: str, *, needed: int = 1
) -> Approval | None:
    """The approval of a content, None if it has none (yet, or any more).

    `needed`: at least so many persons, and as many as were asked for with the review.
    """
    for standing in standings(connection, tenant, content_hash):
        if standing.is_approved and len(standing.approvers) >= needed:
            return Approval(
                content_hash=content_hash,
                review=standing.review,
                against=standing.against,
                approvers=standing.approvers,
                at_s=standing.decided_s,
            )
    return None


def standings(connection: Connection, tenant: str, content_hash: str) -> list[Standing]:
    """The reviews of a content, newest first."""
    rows = t.reviews.c
    query = select(t.reviews).where(rows.tenant == tenant, rows.content_hash == content_hash)
    found = connection.execute(query.order_by(rows.number.desc())).all()
    return [_standing(connection, tenant, row) for row in found]


def standing_of(connection: Connection, tenant: str, draft: str) -> Standing | None:
    """The draft's newest review, None if it never had one."""
    rows = t.reviews.c
    query = select(t.reviews).where(rows.tenant == tenant, rows.draft == draft)
    newest = query.order_by(rows.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else _standing(connection, tenant, row)


def _standing(connection: Connection, tenant: str, row: object) -> Standing:
    review = row._mapping  # type: ignore[attr-defined]
    rows = t.review_verdicts.c
    query = select(rows.person, rows.verdict, rows.at_s).where(
        rows.tenant == tenant, rows.review == review["id"]
    )
    verdicts: dict[str, Verdict] = {}
    decided_s = review["asked_s"]
    for found in connection.execute(query.order_by(rows.id)):
        verdicts[found.person] = found.verdict
        decided_s = found.at_s
    return Standing(
        review=review["id"],
        content_hash=review["content_hash"],
        against=review["against"],
        state=review["state"],
        needed=review["needed"],
        verdicts=verdicts,
        decided_s=decided_s,
    )
