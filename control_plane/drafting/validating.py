"""What the compiler says about a revision: its own diagnostics, once per content.

A revision never changes, so what was found is kept by its content hash: in memory, and in
the database under the compiler that found it (`policy_compiler.cache.maker`).  Another
version of Proffer looks again.  Checking takes from milliseconds to some seconds (10,000
offers); it runs in threads, one content at a time, and never in the writer.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from control_plane.drafting.revisions import folder_of
from control_plane.storage import tables_drafts as t
from control_plane.storage.database import Database, insert_into
from control_plane.storage.writer import StorageUnavailable, Writer
from policy_compiler.cache import maker
from policy_compiler.catalog import Catalog, Offer
from policy_compiler.compiling import Compiled, compile_catalog
from policy_compiler.diagnostics import CatalogRefused, Diagnostic, in_order, without_repeats
from policy_compiler.source import read_catalog
from policy_compiler.weigh import Weights

DIAGNOSTICS_MAX = 500
KEPT_LIMIT = 64
COMPILED_LIMIT = 4
"""Compiled catalogs are large; those that were wanted last are kept."""

T = TypeVar("T")


class Check(Struct, frozen=True, kw_only=True):
    """What was found.  Counts are of everything; `diagnostics` holds all errors and the first
    of each other code, at most `DIAGNOSTICS_MAX`, and `more` says in words what it leaves out.

    `bundle` is the digest it compiles to without learned weights, `tenant` whose catalog it
    is; both "" where it does not compile.
    """

    content_hash: str
    errors: int
    warnings: int
    notes: int
    bundle: str
    tenant: str
    diagnostics: list[Diagnostic]
    more: list[str]

    @property
    def is_valid(self) -> bool:
        return not self.errors


class Kept:
    """The last few values by name; one value is made at a time, and only once.  Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[str, object] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of that name, made if it is not there; raises what `make` raises."""
        found = self._found(name)
        if found is None:
            with self._making:
                found = self._found(name)
                if found is None:
                    found = make()
                    self._keep(name, found)
        return found  # type: ignore[return-value]

    def _found(self, name: str) -> object:
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
            return self._values.get(name)

    def _keep(self, name: str, value: object) -> None:
        with self._lock:
            self._values[name] = value
            while len(self._values) > self._limit:
                self._values.popitem(last=False)


class Checker:
    """Checks and compiles revisions of one shop.  Methods block; they are for threads."""

    def __init__(self, tenant: str, database: Database, writer: Writer) -> None:
        self._tenant = tenant
        self._database = database
        self._writer = writer
        self._checks = Kept(KEPT_LIMIT)
        self._compiled = Kept(COMPILED_LIMIT)
        self._offers = Kept(COMPILED_LIMIT)

    def check(self, content_hash: str) -> Check:
        """Raises `Refused` unknown-revision, `Tampered`, `StorageUnavailable`."""
        return self._checks.get(content_hash, lambda: self._stored(content_hash))

    def compile(self, content_hash: str, weights: Weights | None = None) -> Compiled:
        """The revision's bundle with these learned weights.  Raises `CatalogRefused`, too."""
        learned = weights or Weights()
        name = f"{content_hash} {msgspec.json.encode(learned, order='sorted').decode()}"
        return self._compiled.get(name, lambda: self._compile(content_hash, learned))

    def catalog(self, content_hash: str) -> Catalog:
        """What was written, without what was learned.  Raises `CatalogRefused`, too."""
        return self.compile(content_hash).plan.catalog

    def offers(self, content_hash: str) -> dict[str, Offer]:
        """The offers that can be read, by id, whether or not the revision compiles."""
        return self._offers.get(content_hash, lambda: self._read_offers(content_hash))

    # --- inside -------------------------------------------------------------

    def _compile(self, content_hash: str, weights: Weights) -> Compiled:
        with folder_of(self._database, self._tenant, content_hash) as folder:
            return compile_catalog(folder, weights=weights)

    def _read_offers(self, content_hash: str) -> dict[str, Offer]:
        with folder_of(self._database, self._tenant, content_hash) as folder:
            found = read_catalog(folder).parts.offers.values()
        return {offer.id: offer for offer in found}

    def _stored(self, content_hash: str) -> Check:
        with self._database.reading() as connection:
            known = self._known(connection, content_hash)
        if known is not None:
            return known
        made = self._made(content_hash)
        with suppress(StorageUnavailable):  # then it is found out again next time
            self._writer.run(lambda connection: self._store(connection, made))
        return made

    def _known(self, connection: Connection, content_hash: str) -> Check | None:
        rows = t.catalog_checks.c
        query = select(rows.found).where(
            rows.tenant == self._tenant,
            rows.content_hash == content_hash,
            rows.maker == maker().hex(),
        )
        found = connection.scalar(query)
        return None if found is None else msgspec.json.decode(found, type=Check)

    def _store(self, connection: Connection, check: Check) -> None:
        values = {
            "tenant": self._tenant,
            "content_hash": check.content_hash,
            "maker": maker().hex(),
            "found": msgspec.json.encode(check),
        }
        rows = insert_into(connection, t.catalog_checks).values(values)
        connection.execute(rows.on_conflict_do_nothing())

    def _made(self, content_hash: str) -> Check:
        try:
            compiled = self.compile(content_hash)
        except CatalogRefused as refused:
            return _check(content_hash, refused.diagnostics)
        bundle = compiled.bundle
        return _check(content_hash, compiled.diagnostics, compiled.digest, bundle.tenant)


def _check(
    content_hash: str,
    found: list[Diagnostic] | tuple[Diagnostic, ...],
    bundle: str = "",
    tenant: str = "",
) -> Check:
    counts = Counter(each.severity for each in found)
    kept, more = without_repeats(found)
    if len(kept) > DIAGNOSTICS_MAX:
        more = [f"{len(kept) - DIAGNOSTICS_MAX:,} findings more; mend these first", *more]
        kept.sort(key=lambda each: each.severity != "error")
    return Check(
        content_hash=content_hash,
        errors=counts["error"],
        warnings=counts["warning"],
        notes=counts["note"],
        bundle=bundle,
        tenant=tenant,
        diagnostics=in_order(kept[:DIAGNOSTICS_MAX]),
        more=more,
    )
