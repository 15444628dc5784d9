"""Drafts: named working copies of the catalog, which people edit one step at a time.

A draft is a pointer.  `head` is a revision, the content as it is now; `base` is the revision
that it departs from.  The rules:

    1. An edit makes a new revision and moves `head` to it.  Nothing is overwritten, so every
       step of a draft can be looked at, compared and brought back.
    2. An edit says what it edits: the draft's ETag, which is new after every step.  Of two
       people who edit the same state one wins; the other gets the ETag of now and loses
       nothing (`If-Match`, 412).  So no update is ever lost.
    3. What is expensive (reading YAML, merging) is done before the writer's job; the job
       compares the ETag again, within its transaction, and only then writes.
    4. The step, its audit entry and whatever hangs on it commit together.
    5. A discarded draft takes no more edits.  Its revisions stay.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, and_, insert, or_, select, update

from control_plane.accounts.actor import Actor
from control_plane.api.call import check_match as match
from control_plane.audit.log import Entry, append
from control_plane.drafting import revisions
from control_plane.drafting.content import Files, check_files
from control_plane.drafting.people import person_of
from control_plane.errors import Refused
from control_plane.storage import tables_drafts as t
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer

StepKind = Literal["create", "import", "edit", "restore", "rebase", "discard"]
State = Literal["open", "discarded"]


class Draft(Struct, frozen=True, kw_only=True):
    """A row of `drafts`.  `base` and `head` are revisions; `version` counts steps."""

    id: str
    name: str
    state: State
    base: str
    head: str
    version: int
    created_by: str
    created_s: int
    updated_by: str
    updated_s: int

    @property
    def etag(self) -> str:
        """The entity tag, quotes included: which step, and which content."""
        return f'"{self.version}-{self.head[:16]}"'


class Step(Struct, frozen=True, kw_only=True):
    """One entry of a draft's history: `actor` made `content_hash` out of `parent`."""

    version: int
    kind: StepKind
    content_hash: str
    parent: str
    base: str
    actor: str
    at_s: int
    message: str
    paths: list[str]


class Change(Struct, frozen=True, kw_only=True):
    """What a step does: the files after it; `base` where that moves, too."""

    kind: StepKind
    files: Files
    message: str
    base: str | None = None


class Drafts:
    """The drafts of one shop.  Methods block; they are for threads.

    They raise `Refused`, or `StorageUnavailable`, and change nothing then.
    """

    def __init__(
        self,
        tenant: str,
        database: Database,
        writer: Writer,
        now_s: Callable[[], int] = revisions.now_s,
    ) -> None:
        self.tenant = tenant
        self.database = database
        self._writer = writer
        self.now_s = now_s

    # --- looking ------------------------------------------------------------

    def get(self, draft: str) -> Draft:
        with self.database.reading() as connection:
            return self.found(connection, draft)

    def found(self, connection: Connection, draft: str) -> Draft:
        """Raises `Refused` unknown-draft."""
        query = select(t.drafts).where(t.drafts.c.tenant == self.tenant, t.drafts.c.id == draft)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise Refused("unknown-draft", f"there is no draft {draft[:64]!a}")
        return _draft(row)

    def newest(
        self, limit: int, after: tuple[int, str] | None = None, state: State | None = None
    ) -> list[Draft]:
        """Newest first; `after`: (created_s, id) of the last one before."""
        rows = t.drafts.c
        query = select(t.drafts).where(rows.tenant == self.tenant)
        if state is not None:
            query = query.where(rows.state == state)
        if after is not None:
            created_s, id = after
            older = or_(rows.created_s < created_s, (rows.created_s == created_s) & (rows.id < id))
            query = query.where(older)
        with self.database.reading() as connection:
            found = connection.execute(
                query.order_by(rows.created_s.desc(), rows.id.desc()).limit(limit)
            )
            return [_draft(row) for row in found]

    def history(self, draft: str, limit: int, before: int | None = None) -> list[Step]:
        """Newest first; `before`: only versions below."""
        rows = t.draft_steps.c
        query = select(t.draft_steps).where(rows.tenant == self.tenant, rows.draft == draft)
        if before is not None:
            query = query.where(rows.version < before)
        with self.database.reading() as connection:
            self.found(connection, draft)
            found = connection.execute(query.order_by(rows.version.desc()).limit(limit))
            return [_step(row) for row in found]

    def files(self, draft: str) -> tuple[Draft, dict[str, bytes]]:
        """The draft with its files, both of one moment."""
        with self.database.reading() as connection:
            found = self.found(connection, draft)
            return found, revisions.load(connection, self.tenant, found.head)

    def revision_files(self, content_hash: str) -> dict[str, bytes]:
        with self.database.reading() as connection:
            return revisions.load(connection, self.tenant, content_hash)

    # --- beginning and ending -----------------------------------------------

    def create(
        self,
        actor: Actor,
        name: str,
        *,
        base: str,
        files: Files | None = None,
        message: str = "",
    ) -> Draft:
        """A draft of the revision `base`, or of these files (an import) that are to follow it.

        `base` is "" only where there is no revision yet.
        """
        if files is not None:
            check_files(files)

        def job(connection: Connection) -> Draft:
            now_s = self.now_s()
            if base or files is None:
                revisions.there(connection, self.tenant, base)
            made = revisions.Made(parent=base, author=actor.id, message=message, at_s=now_s)
            head = base if files is None else revisions.store(connection, self.tenant, files, made)
            draft = Draft(
                id=secrets.token_hex(6),
                name=name,
                state="open",
                base=base or head,
                head=head,
                version=1,
                created_by=actor.id,
                created_s=now_s,
                updated_by=actor.id,
                updated_s=now_s,
            )
            row = structs.asdict(draft) | {"tenant": self.tenant}
            connection.execute(insert(t.drafts), row)
            kind: StepKind = "create" if files is None else "import"
            paths = [] if files is None else sorted(files)
            self._record(connection, actor, draft, kind, base, message, paths)
            self._audit(connection, actor, f"draft.{kind}", None, draft, message)
            return draft

        return self._writer.run(job)

    def discard(self, actor: Actor, draft: str, etag: str) -> Draft:
        """Take no more edits.  Discarding twice is harmless."""

        def job(connection: Connection) -> Draft:
            before = self.found(connection, draft)
            check_match(before, etag)
            if before.state == "discarded":
                return before
            after = structs.replace(before, state="discarded")
            self._end_reviews(connection, actor, draft)
            return self._moved(connection, actor, before, after, "discard", "", [])

        return self._writer.run(job)

    # --- editing ------------------------------------------------------------

    def change(
        self, actor: Actor, draft: str, etag: str, work: Callable[[Draft, Files], Change]
    ) -> Draft:
        """One step: what `work` makes of the draft's files, if `etag` is still the draft's.

        A change that changes nothing is no step: the draft stays as it was.  Raises what
        `work` raises; `Refused` precondition-failed with the ETag of now; draft-closed.
        """
        before, files = self.files(draft)
        check_match(before, etag)
        check_open(before)
        wanted = work(before, files)
        check_files(wanted.files)
        paths = changed_paths(files, wanted.files)
        if not paths and wanted.base in (None, before.base):
            return before

        def job(connection: Connection) -> Draft:
            current = self.found(connection, draft)
            check_match(current, before.etag)  # not `etag`, which may say "whatever it is"
            made = revisions.Made(
                parent=current.head, author=actor.id, message=wanted.message, at_s=self.now_s()
            )
            head = revisions.store(connection, self.tenant, wanted.files, made)
            after = structs.replace(current, head=head, base=wanted.base or current.base)
            return self._moved(
                connection, actor, current, after, wanted.kind, wanted.message, paths
            )

        return self._writer.run(job)

    # --- inside -------------------------------------------------------------

    def _end_reviews(self, connection: Connection, actor: Actor, draft: str) -> None:
        """What was given up cannot be approved."""
        rows = t.reviews.c
        here = and_(rows.tenant == self.tenant, rows.draft == draft, rows.state == "open")
        ended = {"state": "withdrawn", "closed_by": actor.id, "closed_s": self.now_s()}
        connection.execute(update(t.reviews).where(here).values(ended))

    def _moved(
        self,
        connection: Connection,
        actor: Actor,
        before: Draft,
        after: Draft,
        kind: StepKind,
        message: str,
        paths: list[str],
    ) -> Draft:
        """Write the draft's next state, its step and its audit entry."""
        moved = structs.replace(
            after, version=before.version + 1, updated_by=actor.id, updated_s=self.now_s()
        )
        rows = t.drafts
        here = (rows.c.tenant == self.tenant) & (rows.c.id == before.id)
        connection.execute(update(rows).where(here).values(structs.asdict(moved)))
        self._record(connection, actor, moved, kind, before.head, message, paths)
        self._audit(connection, actor, f"draft.{kind}", before, moved, message)
        return moved

    def _record(
        self,
        connection: Connection,
        actor: Actor,
        draft: Draft,
        kind: StepKind,
        parent: str,
        message: str,
        paths: list[str],
    ) -> None:
        row = {
            "tenant": self.tenant,
            "draft": draft.id,
            "version": draft.version,
            "kind": kind,
            "content_hash": draft.head,
            "parent": parent,
            "base": draft.base,
            "actor": actor.id,
            "person": person_of(connection, self.tenant, actor.id),
            "at_s": draft.updated_s,
            "message": message,
            "paths": msgspec.json.encode(paths),
        }
        connection.execute(insert(t.draft_steps), row)

    def _audit(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        before: Draft | None,
        after: Draft,
        note: str,
    ) -> None:
        entry = Entry(
            tenant=self.tenant,
            actor=actor.id,
            action=action,
            subject=f"draft/{after.id}",
            before=None if before is None else _told(before),
            after=_told(after),
            note=note,
            at_s=after.updated_s,
        )
        append(connection, entry)


def _told(draft: Draft) -> dict[str, str]:
    """What the audit log keeps of a draft: contents by their hash, which never change."""
    return {"name": draft.name, "state": draft.state, "base": draft.base, "head": draft.head}


def check_match(draft: Draft, sent: str) -> None:
    """Raises `Refused` precondition-failed, with the ETag of now, unless `If-Match` names it."""
    try:
        match(sent, draft.etag)
    except Refused as refused:
        refused.headers["ETag"] = draft.etag
        raise


def check_open(draft: Draft) -> None:
    if draft.state != "open":
        raise Refused("draft-closed", f"draft {draft.id} was discarded")


def changed_paths(before: Files, after: Files) -> list[str]:
    """Files that were added, removed or changed."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def _draft(row: object) -> Draft:
    columns = dict(row._mapping)  # type: ignore[attr-defined]
    del columns["tenant"]
    return Draft(**columns)


def _step(row: object) -> Step:
    columns = row._mapping  # type: ignore[attr-defined]
    fields = {name: columns[name] for name in Step.__struct_fields__ if name != "paths"}
    return Step(**fields, paths=msgspec.json.decode(columns["paths"], type=list[str]))
