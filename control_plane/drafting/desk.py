"""The desk: what people do with the catalog, from a draft to a content that may go live.

    begin, catch_up  what the catalog's folder holds becomes a revision
    drafts           working copies                                    drafts.py
    checker          what the compiler says about a content             validating.py
    status, offers   where a draft and its offers stand                 status.py
    compare          two contents: files, and policies in business words
    rebase           bring a draft onto what went live meanwhile        merging.py
    ask              ask for a review of a draft that is ready
    compile          the bundle of a content, to publish or to replay

Here is what needs more than one of these.  Everything blocks; it is for threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection

from control_plane.accounts.actor import Actor, process
from control_plane.audit.log import Entry, append
from control_plane.catalog import CatalogFolder
from control_plane.drafting import publications, revisions
from control_plane.drafting.comparing import FileChange, file_changes
from control_plane.drafting.content import Files, content_hash_of, entries_of
from control_plane.drafting.drafts import Change, Draft, Drafts
from control_plane.drafting.folders import read_folder
from control_plane.drafting.merging import Conflict, Merge, Side, merge
from control_plane.drafting.placing import ancestor, place_of
from control_plane.drafting.status import DraftStatus, OfferStatus, draft_status, offer_statuses
from control_plane.drafting.validating import Checker
from control_plane.errors import Refused
from control_plane.publishing import Publisher
from control_plane.releasing.candidates import Candidates, Known
from control_plane.reviewing.approvals import standing_of
from control_plane.reviewing.reviews import Review, Reviews
from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer
from edge.decision.bundle import Bundle
from edge.decision.claims import Paused
from policy_compiler.catalog import Catalog
from policy_compiler.changes import Change as PolicyChange
from policy_compiler.compiling import Compiled
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.diff import diff

log = logging.getLogger(__name__)

START = process("start")
PUBLISHED = process("catalog-folder")


class Comparison(Struct, frozen=True, kw_only=True):
    """What `after` changes against `before` ("" for a live policy of unknown content).

    `policy` is in business words; null where one of them does not compile, or nothing is
    live.  `files` is null where the content of one side is not known.
    """

    before: str
    after: str
    policy: list[PolicyChange] | None
    files: list[FileChange] | None


class Rebase(Struct, frozen=True, kw_only=True):
    """What bringing a draft onto the live content would do."""

    onto: str
    is_needed: bool
    changed: list[str]
    conflicts: list[Conflict]


class Desk:
    """The catalog of one shop.  Raises `Refused`, `StorageUnavailable`, `Tampered`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        writer: Writer,
        publisher: Publisher,
        folder: CatalogFolder,
        now_s: Callable[[], int] = revisions.now_s,
    ) -> None:
        self._settings = settings
        self._tenant = settings.tenant
        self._channel = settings.channel
        self._database = database
        self._writer = writer
        self._publisher = publisher
        self._folder = folder
        self._now_s = now_s
        self.drafts = Drafts(settings.tenant, database, writer, now_s)
        self.checker = Checker(settings.tenant, database, writer)
        self.reviews = Reviews(
            self.drafts,
            database,
            writer,
            channel=settings.channel,
            needed=settings.approvals_needed,
            now_s=now_s,
        )

    # --- the folder ---------------------------------------------------------

    def begin(self, folder: Path) -> str:
        """Import the folder as the first revision, unless there is one; its hash, or "".

        A folder whose files cannot be a revision is told to the log; publishing from it goes on.
        """
        with self._database.reading() as connection:
            if revisions.newest(connection, self._tenant, 1):
                return ""
        content_hash = self._imported(folder, START, "the catalog's folder at the first start")
        if content_hash and not self.live():
            with suppress(CatalogRefused):
                self._recognise(content_hash)
        return content_hash

    def catch_up(self) -> None:
        """What was published straight from the catalog's folder becomes a revision, as long as
        it is still there; so drafts see what is live."""
        folder = self._settings.catalog
        with self._database.reading() as connection:
            stray = publications.stray_contents(connection, self._tenant, self._channel)
        if stray and folder is not None:
            with suppress(Refused, OSError):
                files = read_folder(folder)
                if content_hash_of(entries_of(files)) in stray:
                    self._import(files, PUBLISHED, "published from the catalog's folder")

    def _imported(self, folder: Path, actor: Actor, message: str) -> str:
        try:
            return self._import(read_folder(folder), actor, message)
        except Refused as refused:
            log.error("the catalog's folder was not imported: %s  %s", refused, refused.help)
            return ""

    def _import(self, files: Files, actor: Actor, message: str) -> str:
        def job(connection: Connection) -> str:
            made = revisions.Made(parent="", author=actor.id, message=message, at_s=self._now_s())
            content_hash = revisions.store(connection, self._tenant, files, made)
            entry = Entry(
                tenant=self._tenant,
                actor=actor.id,
                action="catalog.import",
                subject=f"revision/{content_hash}",
                after=sorted(files),
                note=message,
            )
            append(connection, entry)
            return content_hash

        return self._writer.run(job)

    def _recognise(self, content_hash: str) -> None:
        """Note the content of what was live before there were revisions, if it is just that."""
        live, compiled = self._publisher.live(), self.compile(content_hash)
        if live is not None and live.bundle == compiled.digest:
            known = Known(
                bundle=live.bundle,
                content_hash=content_hash,
                size_bytes=live.size_bytes,
                zone=compiled.plan.catalog.shop.zone,
                actor=START.id,
                made_s=live.issued_s,
            )
            Candidates(self._tenant, self._database, self._writer).note(known)

    # --- contents -----------------------------------------------------------

    def folder_of(self, content_hash: str) -> AbstractContextManager[Path]:
        """A temporary folder with the files of a revision."""
        return revisions.folder_of(self._database, self._tenant, content_hash)

    def compile(self, content_hash: str) -> Compiled:
        """The bundle of a revision with what was learned so far.  Raises `CatalogRefused`, too."""
        return self.checker.compile(content_hash, self._folder.weights())

    def trunk(self) -> str:
        """What a new draft departs from; "" where there is no revision yet."""
        self.catch_up()
        with self._database.reading() as connection:
            return publications.trunk(connection, self._tenant, self._channel)

    def live(self) -> str:
        """The content that is live, "" if that is not known."""
        self.catch_up()
        with self._database.reading() as connection:
            found = publications.live_contents(connection, self._tenant, self._channel)
        return found[0] if found else ""

    def revision(self, content_hash: str) -> revisions.Revision:
        with self._database.reading() as connection:
            return revisions.there(connection, self._tenant, content_hash)

    def log(self, limit: int, before: int | None = None) -> list[revisions.Revision]:
        """Revisions, newest first."""
        with self._database.reading() as connection:
            return revisions.newest(connection, self._tenant, limit, before)

    def file(self, content_hash: str, path: str) -> bytes:
        with self._database.reading() as connection:
            return revisions.load_file(connection, self._tenant, content_hash, path)

    # --- looking ------------------------------------------------------------

    def status(self, draft: Draft) -> DraftStatus:
        self.catch_up()
        check = self.checker.check(draft.head)
        with self._database.reading() as connection:
            return draft_status(
                draft,
                check,
                place=place_of(connection, self._tenant, self._channel, draft),
                standing=standing_of(connection, self._tenant, draft.id),
                needed=self.reviews.needed,
            )

    def offers(self, draft: Draft) -> list[OfferStatus]:
        live = self._publisher.live()
        content = self.live()
        return offer_statuses(
            self.checker.offers(draft.head),
            self._publisher.live_bundle(),
            live.manifest.paused if live else Paused(),
            self._now_s(),
            self.checker.offers(content) if content else None,
        )

    def compare(self, after: str, before: str = "live") -> Comparison:
        """`before` is a content hash, or "live": the policy that edges run now."""
        if before != "live":
            files = file_changes(*(self.drafts.revision_files(each) for each in (before, after)))
            old = self._compiled(before)
            policy = self._policy(old.bundle, old.plan.catalog, after) if old else None
            return Comparison(before=before, after=after, policy=policy, files=files)
        content, bundle = self.live(), self._publisher.live_bundle()
        written = self._compiled(content) if content else None
        catalog = written.plan.catalog if written else None
        files = None
        if content:
            files = file_changes(*(self.drafts.revision_files(each) for each in (content, after)))
        policy = self._policy(bundle, catalog, after) if bundle else None
        return Comparison(before=content, after=after, policy=policy, files=files)

    def _policy(
        self, before: Bundle, catalog: Catalog | None, after: str
    ) -> list[PolicyChange] | None:
        compiled = self._compiled(after)
        if compiled is None:
            return None
        catalogs = (catalog, compiled.plan.catalog) if catalog else None
        return diff(before, compiled.bundle, catalogs=catalogs).changes

    def _compiled(self, content_hash: str) -> Compiled | None:
        try:
            return self.compile(content_hash)
        except CatalogRefused:
            return None

    # --- rebasing -----------------------------------------------------------

    def rebase_hint(self, draft: Draft) -> Rebase:
        """What `rebase` would do now."""
        onto, merged, mine = self._merged(draft, self.drafts.revision_files(draft.head), {})
        if onto == "":
            return Rebase(onto=draft.base, is_needed=False, changed=[], conflicts=[])
        changed = [path for path, data in merged.files.items() if mine.get(path) != data]
        return Rebase(onto=onto, is_needed=True, changed=changed, conflicts=merged.conflicts)

    def rebase(
        self, actor: Actor, draft: str, etag: str, resolve: Mapping[str, Side], message: str
    ) -> Draft:
        """Merge what went live into the draft, and let it depart from there.

        Raises `Refused` merge-conflict for conflicts that `resolve` does not decide.
        """

        def work(found: Draft, files: Files) -> Change:
            onto, merged, _ = self._merged(found, files, resolve)
            if merged.conflicts:
                where = ", ".join(f"{each.path}:{each.line}" for each in merged.conflicts[:10])
                raise Refused("merge-conflict", f"changed here and in the live catalog: {where}")
            return Change(kind="rebase", files=merged.files, message=message, base=onto or None)

        return self.drafts.change(actor, draft, etag, work)

    def _merged(
        self, draft: Draft, mine: Files, resolve: Mapping[str, Side]
    ) -> tuple[str, Merge, Files]:
        """Onto what ("": there is no need), and the merged files."""
        self.catch_up()
        with self._database.reading() as connection:
            live = publications.live_contents(connection, self._tenant, self._channel)
            departs = ancestor(connection, self._tenant, draft, live)
        if not live or departs == draft.base:
            return "", Merge(files=dict(mine), conflicts=[]), mine
        onto = departs or live[0]
        base, theirs = (self.drafts.revision_files(each) for each in (departs or draft.base, onto))
        return onto, merge(base, mine, theirs, resolve), mine

    # --- asking -------------------------------------------------------------

    def ask(self, actor: Actor, draft: str, etag: str, note: str) -> Review:
        """Ask for a review.  Raises `Refused` not-reviewable with what is in the way."""
        found = self.drafts.get(draft)
        status = self.status(found)
        if status.state in ("discarded", "published", "out-of-date", "editing", "invalid"):
            raise Refused("not-reviewable", f"draft {draft} is {status.state}: {status.detail}")
        return self.reviews.ask(actor, draft, found.etag if etag == "*" else etag, note)
