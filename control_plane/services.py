"""The capabilities of a control plane, wired once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from msgspec import Struct

from control_plane.admission import Admission
from control_plane.catalog import CatalogFolder
from control_plane.collecting import Collector
from control_plane.policies import Policies
from control_plane.publishing import AlreadyPublished, Publisher, PublishRefused
from control_plane.redemption import Redemptions
from control_plane.settings import Settings
from control_plane.signing import Signings
from control_plane.storage.database import Database
from control_plane.storage.objects import ObjectError, ObjectStore, Tampered
from control_plane.storage.opening import is_new, open_database, open_store
from control_plane.storage.writer import Writer
from policy_compiler.compiling import Compiled, compile_catalog
from policy_compiler.diagnostics import CatalogRefused, render_all
from policy_compiler.keys import DevelopmentKeys

log = logging.getLogger(__name__)


class Services(Struct, frozen=True, kw_only=True):
    settings: Settings
    keys: DevelopmentKeys
    database: Database
    writer: Writer
    store: ObjectStore
    policies: Policies
    publisher: Publisher
    catalog: CatalogFolder
    collector: Collector
    redemptions: Redemptions

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Make what is missing in the data folder, and start the writer.

        Raises `SigningError` or `PublishRefused` if keys and data do not belong together, and
        `StorageUnavailable` or `ObjectError` where rows or objects cannot be kept.  A shop
        begins with a catalog that compiles: until there is data, `CatalogRefused` or
        `PublishRefused` is raised for one that does not, and nothing is made.
        """
        first = _compile(settings) if is_new(settings) else None
        keys = DevelopmentKeys.load_or_create(settings.keys)
        store = open_store(settings)
        database = open_database(settings)
        policies, writer = Policies(store), Writer(database)
        signings = Signings(settings, keys, database, writer)
        publisher = Publisher(settings, keys, signings, store, policies)
        admission = Admission(policies, keys.edge_secret)
        services = cls(
            settings=settings,
            keys=keys,
            database=database,
            writer=writer,
            store=store,
            policies=policies,
            publisher=publisher,
            catalog=CatalogFolder(settings.catalog, settings.tenant, publisher, database, writer),
            collector=Collector(database, writer, admission, settings.tenant, publisher.currency),
            redemptions=Redemptions(settings, keys.edge_secret, writer, policies, publisher),
        )
        services._start(first)
        return services

    def _start(self, first: Compiled | None) -> None:
        try:
            self.publisher.start()
            if first is not None and self.publisher.live() is None:
                self._publish_first(first)
            elif self.catalog.is_set and self.publisher.live() is None:
                self.catalog.publish(actor="start", note="first start")
        except CatalogRefused as refused:
            # The console shows the same; an operator can mend the catalog and publish.
            log.error("the catalog was not published:\n%s", render_all(refused.diagnostics, {}))
        except BaseException:
            self.close()
            raise

    def _publish_first(self, compiled: Compiled) -> None:
        with suppress(AlreadyPublished):  # by a process that started at the same time
            self.publisher.publish(
                compiled.data, actor="start", note="first start", only_first=True
            )

    def published(self, name: str) -> bytes | None:
        """An object, or None.  The live manifest is in the database, too, if the store is down.

        Raises `ObjectError`.
        """
        try:
            return self.store.get(name)
        except Tampered:
            raise
        except ObjectError:
            live = self.publisher.live() if name == self.publisher.channel_file else None
            if live is None:
                raise
            return live.signed

    def close(self) -> None:
        """Finish what was accepted."""
        self.writer.close()
        self.database.close()


def _compile(settings: Settings) -> Compiled | None:
    """The catalog that a new shop begins with, None without one."""
    if settings.catalog is None:
        return None
    compiled = compile_catalog(settings.catalog)
    if compiled.bundle.tenant != settings.tenant:
        raise PublishRefused(
            f"the catalog is for {compiled.bundle.tenant!r}, this is {settings.tenant!r}",
            "Set PROFFER_TENANT to the catalog's `shop.tenant`.",
        )
    return compiled


Background = Callable[[Services], Awaitable[None]]
"""Something that runs beside the server for ever."""
