"""The capabilities of a control plane, wired once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from control_plane.accounts.accounts import Accounts
from control_plane.admission import Admission
from control_plane.catalog import CatalogFolder
from control_plane.collecting import Collector
from control_plane.drafting.desk import Desk
from control_plane.eventlog.folding import Folding
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.store import EventStore
from control_plane.ingest.typed import Rules
from control_plane.keyring import Keyring
from control_plane.policies import Policies
from control_plane.publishing import AlreadyPublished, Publisher, PublishRefused
from control_plane.redemption import Redemptions
from control_plane.releasing.making import Made, make_folder
from control_plane.reviewing.replays import Replays
from control_plane.settings import Settings
from control_plane.signing import Signings
from control_plane.storage.database import Database
from control_plane.storage.objects import ObjectError, ObjectStore, Tampered
from control_plane.storage.opening import is_new, open_database, open_store
from control_plane.storage.writer import Writer
from policy_compiler.diagnostics import CatalogRefused, render_all

log = logging.getLogger(__name__)


class Services(Struct, frozen=True, kw_only=True):
    settings: Settings
    keys: Keyring
    database: Database
    writer: Writer
    store: ObjectStore
    policies: Policies
    publisher: Publisher
    """Of the default channel, which the catalog's folder and learning publish to."""
    channels: dict[str, Publisher]
    catalog: CatalogFolder
    desk: Desk
    collector: Collector
    """Reads events into the database."""
    log: ObjectLog | None
    """Where events wait for the collector, if the settings say so."""
    folding: Folding | None
    """Hands what is in the log to the collector."""
    redemptions: Redemptions
    replays: Replays
    accounts: Accounts

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Make what is missing in the data folder, and start the writer.

        Raises `SigningError` or `PublishRefused` if keys and data do not belong together, and
        `StorageUnavailable` or `ObjectError` where rows or objects cannot be kept.  A shop
        begins with a catalog that compiles: until there is data, `CatalogRefused` or
        `PublishRefused` is raised for one that does not, and nothing is made.
        """
        first = _compile(settings) if is_new(settings) else None
        keys = Keyring.open(settings)
        store = open_store(settings)
        database = open_database(settings)
        policies, writer = Policies(store), Writer(database)
        channels = {
            name: _publisher(
                replace(settings, channel=name), keys, database, writer, store, policies
            )
            for name in settings.all_channels
        }
        publisher = channels[settings.channel]
        admission = Admission(policies, lambda: keys.edge_secrets, _rules(settings))
        folder = CatalogFolder(settings.catalog, settings.tenant, publisher, database, writer)
        desk = Desk(settings, database, writer, publisher, folder)
        collector = Collector(database, writer, admission, settings.tenant, publisher.currency)
        events = ObjectLog.open(settings) if settings.event_log == "objects" else None
        services = cls(
            settings=settings,
            keys=keys,
            database=database,
            writer=writer,
            store=store,
            policies=policies,
            publisher=publisher,
            channels=channels,
            catalog=folder,
            desk=desk,
            collector=collector,
            log=events,
            folding=events
            and Folding(events, collector, Turn(settings.tenant, writer), settings.log_kept_s),
            redemptions=Redemptions(
                settings, lambda: keys.edge_secrets, writer, policies, publisher
            ),
            replays=Replays(settings.tenant, database, writer, store, desk.compile),
            accounts=Accounts.open(settings, database, writer, keys.edge_secret),
        )
        services._start(first)
        return services

    @property
    def events(self) -> EventStore:
        """What keeps a batch before it is acknowledged."""
        return self.log or self.collector

    def _start(self, first: Made | None) -> None:
        try:
            for publisher in self.channels.values():
                publisher.start()
            self._publish_at_start(first)
            self._import_first()
        except BaseException:
            self.close()
            raise

    def _publish_at_start(self, first: Made | None) -> None:
        try:
            if first is not None and self.publisher.live() is None:
                self._publish_first(first)
            elif self.catalog.is_set and self.publisher.live() is None:
                with suppress(AlreadyPublished):
                    self.catalog.publish(actor="start", note="first start", only_first=True)
        except CatalogRefused as refused:
            # The console shows the same; an operator can mend the catalog and publish.
            log.error("the catalog was not published:\n%s", render_all(refused.diagnostics, {}))

    def _import_first(self) -> None:
        """The folder becomes the first revision, for drafts to depart from."""
        if self.settings.catalog is not None:
            self.desk.begin(self.settings.catalog)

    def _publish_first(self, made: Made) -> None:
        with suppress(AlreadyPublished):  # by a process that started at the same time
            self.publisher.publish(
                made.compiled.data,
                actor="start",
                note="first start",
                only_first=True,
                origin=made.origin,
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
            files = {each.channel_file: each for each in self.channels.values()}
            live = files[name].live() if name in files else None
            if live is None:
                raise
            return live.signed

    def close(self) -> None:
        """Finish what was accepted."""
        self.replays.close()
        if self.log is not None:
            self.log.close()
        self.writer.close()
        self.database.close()


def _rules(settings: Settings) -> Rules:
    share = Decimal(settings.margin_share) if settings.margin_share else None
    return Rules(tenant=settings.tenant, attribution_s=settings.attribution_s, margin_share=share)


def _publisher(
    settings: Settings,
    keys: Keyring,
    database: Database,
    writer: Writer,
    store: ObjectStore,
    policies: Policies,
) -> Publisher:
    signings = Signings(settings, keys, database, writer)
    return Publisher(settings, keys, signings, store, policies)


def _compile(settings: Settings) -> Made | None:
    """The catalog that a new shop begins with, None without one."""
    if settings.catalog is None:
        return None
    made = make_folder(settings.catalog)
    if made.compiled.bundle.tenant != settings.tenant:
        raise PublishRefused(
            f"the catalog is for {made.compiled.bundle.tenant!r}, this is {settings.tenant!r}",
            "Set PROFFER_TENANT to the catalog's `shop.tenant`.",
        )
    return made


Background = Callable[[Services], Awaitable[None]]
"""Something that runs beside the server for ever."""
