"""Reviews: asking whether a draft's content may go live, and what people say to it.

A review is of one content.  Everything that changes it is one job of the writer, the tenant's
only one: so a verdict and an edit never cross.  Either the verdict comes first, and the edit
leaves it behind with the old content; or the edit comes first, and the verdict is refused,
since it names content that is no longer the draft's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal

from msgspec import Struct, structs
from sqlalchemy import Connection, func, insert, select, update

from control_plane.accounts.actor import Actor
from control_plane.audit.log import Entry, append
from control_plane.drafting.drafts import Draft, Drafts, check_match, check_open
from control_plane.drafting.people import authors_of, joined, person_of, refuse_processes
from control_plane.drafting.publications import live_contents
from control_plane.errors import Refused
from control_plane.reviewing.approvals import Standing, Verdict, standings
from control_plane.storage import tables_drafts as t
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer

ReviewState = Literal["open", "rejected", "withdrawn", "superseded"]


class Review(Struct, frozen=True, kw_only=True):
    """A row of `reviews`.  `number` counts them; `closed_s` is 0 while it is open."""

    id: str
    number: int
    draft: str
    content_hash: str
    against: str
    state: ReviewState
    needed: int
    asked_by: str
    asked_person: str
    asked_s: int
    note: str
    closed_by: str
    closed_s: int


class Given(Struct, frozen=True, kw_only=True):
    """A verdict that somebody gave: `person` is who counts, `actor` through what they acted."""

    verdict: Verdict
    person: str
    actor: str
    authors: list[str]
    at_s: int
    comment: str


class Comment(Struct, frozen=True, kw_only=True):
    """`about`: a subject of the difference, such as `offer welcome`, or ""."""

    number: int
    actor: str
    at_s: int
    about: str
    text: str


class Reviews:
    """The reviews of one shop.  Methods block; they raise `Refused` or `StorageUnavailable`."""

    def __init__(
        self,
        drafts: Drafts,
        database: Database,
        writer: Writer,
        *,
        channel: str,
        needed: int,
        now_s: Callable[[], int],
    ) -> None:
        self._drafts = drafts
        self._tenant = drafts.tenant
        self._database = database
        self._writer = writer
        self._channel = channel
        self.needed = needed
        self._now_s = now_s

    # --- looking ------------------------------------------------------------

    def get(self, review: str) -> Review:
        with self._database.reading() as connection:
            return self._found(connection, review)

    def _found(self, connection: Connection, review: str) -> Review:
        rows = t.reviews
        query = select(rows).where(rows.c.tenant == self._tenant, rows.c.id == review)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise Refused("unknown-review", f"there is no review {review[:64]!a}")
        return _review(row)

    def newest(
        self, limit: int, before: int | None = None, state: ReviewState | None = None
    ) -> list[Review]:
        """Newest first; `before`: only smaller numbers."""
        rows = t.reviews.c
        query = select(t.reviews).where(rows.tenant == self._tenant)
        if before is not None:
            query = query.where(rows.number < before)
        if state is not None:
            query = query.where(rows.state == state)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(rows.number.desc()).limit(limit))
            return [_review(row) for row in found]

    def verdicts(self, review: str) -> list[Given]:
        """In the order in which they were given."""
        rows = t.review_verdicts.c
        query = select(t.review_verdicts).where(rows.tenant == self._tenant, rows.review == review)
        with self._database.reading() as connection:
            return [_given(row) for row in connection.execute(query.order_by(rows.id))]

    def standing(self, review: Review) -> Standing:
        with self._database.reading() as connection:
            found = standings(connection, self._tenant, review.content_hash)
        return next(each for each in found if each.review == review.id)

    def comments(self, review: str, limit: int, after: int = 0) -> list[Comment]:
        """Oldest first; `after`: only larger numbers."""
        rows = t.review_comments.c
        query = select(t.review_comments).where(
            rows.tenant == self._tenant, rows.review == review, rows.id > after
        )
        with self._database.reading() as connection:
            self._found(connection, review)
            found = connection.execute(query.order_by(rows.id).limit(limit))
            return [_comment(row) for row in found]

    # --- asking -------------------------------------------------------------

    def ask(self, actor: Actor, draft: str, etag: str, note: str) -> Review:
        """Ask for approval of what the draft holds; an open review of older content is over.

        Whoever calls has seen that the content compiles (`drafting.desk`).  Asking twice
        for the same content gives the same review.
        """

        def job(connection: Connection) -> Review:
            found = self._drafts.found(connection, draft)
            check_match(found, etag)
            check_open(found)
            known = self._open_of(connection, draft)
            if known is not None and known.content_hash == found.head:
                return known
            if known is not None:
                self._close(connection, actor, known, "superseded")
            return self._insert(connection, actor, found, note)

        return self._writer.run(job)

    def _open_of(self, connection: Connection, draft: str) -> Review | None:
        rows = t.reviews.c
        query = select(t.reviews).where(
            rows.tenant == self._tenant, rows.draft == draft, rows.state == "open"
        )
        row = connection.execute(query).one_or_none()
        return None if row is None else _review(row)

    def _insert(self, connection: Connection, actor: Actor, draft: Draft, note: str) -> Review:
        highest = select(func.max(t.reviews.c.number)).where(t.reviews.c.tenant == self._tenant)
        review = Review(
            id=secrets.token_hex(6),
            number=(connection.scalar(highest) or 0) + 1,
            draft=draft.id,
            content_hash=draft.head,
            against=next(iter(live_contents(connection, self._tenant, self._channel)), ""),
            state="open",
            needed=self.needed,
            asked_by=actor.id,
            asked_person=person_of(connection, self._tenant, actor.id),
            asked_s=self._now_s(),
            note=note,
            closed_by="",
            closed_s=0,
        )
        row = structs.asdict(review) | {"tenant": self._tenant}
        connection.execute(insert(t.reviews), row)
        self._audit(connection, actor, "review.ask", review, after=review.content_hash, note=note)
        return review

    def withdraw(self, actor: Actor, review: str) -> Review:
        """Take the question back.  Doing so twice is harmless."""

        def job(connection: Connection) -> Review:
            found = self._found(connection, review)
            if found.state == "withdrawn":
                return found
            _check_open(found)
            return self._close(connection, actor, found, "withdrawn")

        return self._writer.run(job)

    def _close(
        self, connection: Connection, actor: Actor, review: Review, state: ReviewState
    ) -> Review:
        closed = structs.replace(review, state=state, closed_by=actor.id, closed_s=self._now_s())
        rows = t.reviews
        here = (rows.c.tenant == self._tenant) & (rows.c.id == review.id)
        connection.execute(update(rows).where(here).values(structs.asdict(closed)))
        self._audit(connection, actor, f"review.{state}", review, review.state, state)
        return closed

    # --- answering ----------------------------------------------------------

    def decide(
        self, actor: Actor, review: str, content_hash: str, verdict: Verdict, comment: str
    ) -> Review:
        """A verdict on exactly this content.

        Raises `Refused`: content-moved if the draft or the review is at other content;
        review-closed; own-work for whoever had a hand in it and wants to approve.
        """

        def job(connection: Connection) -> Review:
            found = self._found(connection, review)
            _check_open(found)
            self._check_content(connection, found, content_hash)
            self._insert_verdict(connection, actor, found, verdict, comment)
            if verdict == "reject":
                return self._close(connection, actor, found, "rejected")
            return found

        return self._writer.run(job)

    def _check_content(self, connection: Connection, review: Review, content_hash: str) -> None:
        draft = self._drafts.found(connection, review.draft)
        check_open(draft)
        if review.content_hash != draft.head:
            raise Refused(
                "content-moved",
                f"draft {draft.id} is at {draft.head[:12]}, the review is of"
                f" {review.content_hash[:12]}: it is void",
            )
        if content_hash != review.content_hash:
            detail = f"the review is of {review.content_hash}, not of {content_hash[:64]!a}"
            raise Refused("content-moved", detail)

    def _insert_verdict(
        self, connection: Connection, actor: Actor, review: Review, verdict: Verdict, comment: str
    ) -> None:
        person = person_of(connection, self._tenant, actor.id)
        refuse_processes(person)
        authors = authors_of(connection, self._tenant, review.draft, review.content_hash)
        authors.add(review.asked_person)
        if verdict == "approve" and person in authors:
            raise Refused("own-work", f"{person} had a hand in {review.content_hash[:12]}")
        row = {
            "tenant": self._tenant,
            "review": review.id,
            "content_hash": review.content_hash,
            "against": review.against,
            "verdict": verdict,
            "actor": actor.id,
            "person": person,
            "authors": joined(authors),
            "at_s": self._now_s(),
            "comment": comment,
        }
        connection.execute(insert(t.review_verdicts), row)
        self._audit(
            connection, actor, f"review.{verdict}", review, after=review.content_hash, note=comment
        )

    def comment(self, actor: Actor, review: str, text: str, about: str = "") -> Comment:
        """Say something; to closed reviews as well."""

        def job(connection: Connection) -> Comment:
            found = self._found(connection, review)
            row = {
                "tenant": self._tenant,
                "review": review,
                "actor": actor.id,
                "at_s": self._now_s(),
                "about": about,
                "text": text,
            }
            done = connection.execute(insert(t.review_comments), row)
            self._audit(connection, actor, "review.comment", found, after=about, note=text)
            number = done.inserted_primary_key[0]  # type: ignore[index]
            return Comment(number=number, actor=actor.id, at_s=row["at_s"], about=about, text=text)

        return self._writer.run(job)

    def _audit(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        review: Review,
        before: object = None,
        after: object = None,
        note: str = "",
    ) -> None:
        entry = Entry(
            tenant=self._tenant,
            actor=actor.id,
            action=action,
            subject=f"review/{review.id}",
            before=before,
            after=after,
            note=note,
            at_s=self._now_s(),
        )
        append(connection, entry)


def _check_open(review: Review) -> None:
    if review.state != "open":
        raise Refused("review-closed", f"review {review.id} is {review.state}")


def _review(row: object) -> Review:
    columns = dict(row._mapping)  # type: ignore[attr-defined]
    del columns["tenant"]
    return Review(**columns)


def _given(row: object) -> Given:
    columns = row._mapping  # type: ignore[attr-defined]
    fields = {name: columns[name] for name in Given.__struct_fields__ if name != "authors"}
    return Given(**fields, authors=columns["authors"].strip("|").split("|"))


def _comment(row: object) -> Comment:
    columns = row._mapping  # type: ignore[attr-defined]
    return Comment(
        number=columns["id"],
        actor=columns["actor"],
        at_s=columns["at_s"],
        about=columns["about"],
        text=columns["text"],
    )
