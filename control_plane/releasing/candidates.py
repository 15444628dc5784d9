"""Candidates: what is known of a bundle, besides its bytes, when it shall be published.

A bundle says nothing of the files it was compiled from; approvals are given to files.  So
every bundle that comes through the gates is noted with the catalog revision that made it,
and promoting or scheduling it later asks about that very revision.
"""

from __future__ import annotations

from msgspec import Struct, structs
from sqlalchemy import Connection, select

from control_plane.storage.database import Database, insert_into
from control_plane.storage.tables_publishing import candidates as table
from control_plane.storage.writer import Writer

UTC_ZONE = "UTC"


class Origin(Struct, frozen=True, kw_only=True):
    """Where a bundle's bytes come from: its catalog's hash ("" if unknown) and its shop's zone."""

    content_hash: str = ""
    zone: str = UTC_ZONE


UNKNOWN = Origin()


class Known(Struct, frozen=True, kw_only=True):
    """A row of `candidates`."""

    bundle: str
    content_hash: str
    size_bytes: int
    zone: str
    actor: str
    made_s: int


class Candidates:
    """The bundles of one tenant that came through the gates."""

    def __init__(self, tenant: str, database: Database, writer: Writer) -> None:
        self._tenant = tenant
        self._database = database
        self._writer = writer

    def note(self, known: Known) -> None:
        """Durable when it returns; the same twice is once.  Raises `StorageUnavailable`."""

        def job(connection: Connection) -> None:
            row = {"tenant": self._tenant, **structs.asdict(known)}
            connection.execute(insert_into(connection, table).on_conflict_do_nothing(), row)

        if known.content_hash not in self.hashes(known.bundle):
            self._writer.run(job)

    def of(self, bundle: str) -> list[Known]:
        """All that is known of a bundle, newest first."""
        columns = [table.c[name] for name in Known.__struct_fields__]
        query = (
            select(*columns)
            .where(table.c.tenant == self._tenant, table.c.bundle == bundle)
            .order_by(table.c.made_s.desc(), table.c.content_hash)
        )
        with self._database.reading() as connection:
            return [Known(**row._mapping) for row in connection.execute(query)]

    def hashes(self, bundle: str) -> frozenset[str]:
        """The catalogs that made it; "" stands for bytes of unknown origin."""
        return frozenset(known.content_hash for known in self.of(bundle))

    def zone_of(self, bundle: str) -> str:
        """The shop's zone, as its catalog said it."""
        return next((known.zone for known in self.of(bundle)), UTC_ZONE)
