"""The catalog's folder: compile it with what was learned, and publish the result.

What learning found is kept apart from the catalog (`weights`), and put over its
numbers at every compile; so a publish by a person does not forget it, and a catalog
that changed keeps what still fits.

Learning publishes what is live with other weights, whatever lies in the folder by now: that
may be work that nobody has published yet, or be older than a draft that was published.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select

from control_plane.drafting.publications import live_contents
from control_plane.publishing import Publisher, PublishRefused, RampIsOpen
from control_plane.releasing.making import Made, make_folder, make_revision
from control_plane.signing import Signing
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer
from policy_compiler.compiling import Compiled
from policy_compiler.diagnostics import Diagnostic
from policy_compiler.weigh import Allocation, Weights


class PublishedCatalog(Struct, frozen=True):
    """What was signed, and what the compiler had to say (warnings and notes)."""

    signing: Signing
    diagnostics: tuple[Diagnostic, ...]


class CatalogFolder:
    """One shop's catalog on disk.  Methods block; one publish at a time.

    They raise `CatalogRefused` with all diagnostics, `PublishRefused` or
    `StorageUnavailable`, and change nothing then.
    """

    def __init__(
        self,
        folder: Path | None,
        tenant: str,
        publisher: Publisher,
        database: Database,
        writer: Writer,
    ) -> None:
        self._folder = folder
        self._tenant = tenant
        self._publisher = publisher
        self._database = database
        self._writer = writer
        self._one_at_a_time = threading.Lock()

    @property
    def is_set(self) -> bool:
        return self._folder is not None

    def compile(self, weights: Weights | None = None) -> Compiled:
        """The catalog with these weights, or those learned last.  Publishes nothing."""
        return self.make(weights).compiled

    def make(self, weights: Weights | None = None) -> Made:
        """The same, with where it comes from."""
        if self._folder is None:
            raise PublishRefused(
                "no catalog is configured", "Set PROFFER_CATALOG to the catalog's folder."
            )
        return make_folder(self._folder, weights or self.weights())

    def make_live(self, weights: Weights) -> Made:
        """What is live with these weights; the folder, where nobody knows of what it was made."""
        with self._database.reading() as connection:
            known = live_contents(connection, self._tenant, self._publisher.channel)
        if not known:
            return self.make(weights)
        return make_revision(self._database, self._tenant, known[0], weights)

    def publish(self, *, actor: str, note: str = "", only_first: bool = False) -> PublishedCatalog:
        """`only_first`: raises `AlreadyPublished` if there is a live policy."""
        with self._one_at_a_time:
            made = self.make()
            signing = self._publisher.publish(
                made.compiled.data,
                actor=actor,
                note=note,
                only_first=only_first,
                origin=made.origin,
            )
            return PublishedCatalog(signing, made.compiled.diagnostics)

    def publish_weights(self, weights: Weights, *, note: str) -> Signing | None:
        """Publish what is live with newly learned weights, and keep their allocations.

        None if nothing changed.  Refused while the live policy is one that somebody
        rolled back to: a person went back, so a person goes on.  Refused while a ramp is
        open: what is tried and what is live would no longer differ in one thing alone.
        """
        with self._one_at_a_time:
            if self._publisher.is_rolled_back():
                raise PublishRefused(
                    "the policy was rolled back; learning waits", "Publish to let it go on."
                )
            live = self._publisher.live()
            if live is not None and live.content.canary is not None:
                raise RampIsOpen
            made = self.make_live(weights)
            if live is not None and live.bundle == made.compiled.digest:
                return None
            signing = self._publisher.publish(
                made.compiled.data, actor="learner", reason="learn", note=note, origin=made.origin
            )
            self._keep(weights, signing.issued_s, note)
            return signing

    def weights(self) -> Weights:
        """What was learned last; empty before anything was."""
        query = select(t.weights.c.allocations).where(t.weights.c.tenant == self._tenant)
        with self._database.reading() as connection:
            found = connection.scalar(query.order_by(t.weights.c.id.desc()).limit(1))
        if found is None:
            return Weights()
        return Weights(allocations=msgspec.json.decode(found, type=dict[str, Allocation]))

    def _keep(self, weights: Weights, learned_s: int, note: str) -> None:
        row = {
            "tenant": self._tenant,
            "learned_s": learned_s,
            "allocations": msgspec.json.encode(weights.allocations),
            "note": note,
        }
        self._writer.run(lambda connection: connection.execute(insert(t.weights), row).rowcount)
