"""The kinds of event stores there are, each made of real parts.

A module whose tests shall hold on several says `KINDS = ALL`; each test that asks for `kept`
runs once on each (`conftest.py`).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import delete, select

from control_plane.collecting import Collector
from control_plane.eventlog.folding import Folding
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.store import Batch
from control_plane.facts import Receipt
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.objects import DirectoryStore
from control_plane.storage.s3 import S3Store
from tests.support.postgres import Cluster

SQLITE, POSTGRES, FOLDER, BUCKET = "sqlite", "postgres", "log in a folder", "log in a bucket"
ALL = (SQLITE, POSTGRES, FOLDER, BUCKET)
LOGS = (FOLDER, BUCKET)

SAID = (t.events, t.touches, t.orders, t.order_units, t.quarantine)
"""Tables in which it can be seen what became of events."""
BY_CHANCE = {"number", "received_s"}
"""Columns that tell of the arrival, not of the event."""


class Kept:
    """A store of that kind, how to break it, and what is in the tables behind it."""

    def __init__(self, kind: str, settings: Settings, cluster: Cluster | None = None) -> None:
        self.kind = kind
        self.settings = settings
        self._cluster = cluster
        self._away = ""
        self.services = Services.open(settings)

    def keep(self, *events: Any, from_shop: bool = True, received_s: int) -> Receipt:
        raw = tuple(msgspec.json.encode(event) for event in events)
        batch = Batch(events=raw, from_shop=from_shop, received_s=received_s)
        return asyncio.run(self.keep_batches([batch]))[0]

    def keep_of_another_shop(self, *events: Any, received_s: int) -> None:
        """Into the same storage, until it is in the tables."""
        there, settings = self.services, replace(self.settings, tenant="other")
        collector = Collector(
            there.database, there.writer, there.collector._admission, "other", lambda: "EUR"
        )
        raw = tuple(msgspec.json.encode(event) for event in events)
        batch = Batch(events=raw, from_shop=True, received_s=received_s)
        if there.log is None:
            asyncio.run(collector.keep(batch))
            return
        log = ObjectLog(settings, there.log.store)
        asyncio.run(log.keep(batch))
        asyncio.run(Folding(log, collector, Turn("other", there.writer), 9).fold_whole())
        log.close()

    async def keep_batches(self, batches: list[Batch]) -> list[Receipt]:
        return list(await asyncio.gather(*map(self.services.events.keep, batches)))

    def settle(self) -> None:
        """Until what was kept is in the tables."""
        log, folding = self.services.log, self.services.folding
        if log is None or folding is None:
            return
        while not log.spill.is_empty:
            log.drain()
            time.sleep(0.01)
        asyncio.run(folding.fold_whole())

    def said(self) -> dict[str, list[dict[str, Any]]]:
        """What the tables say, in a fixed order."""
        with self.services.database.reading() as connection:
            return {
                table.name: sorted(
                    (
                        {name: v for name, v in row._mapping.items() if name not in BY_CHANCE}
                        for row in connection.execute(select(*_told(table)))
                    ),
                    key=repr,
                )
                for table in SAID
            }

    def forget(self) -> None:
        """Empty tables, as at the beginning."""
        with self.services.database.writing() as connection:
            for table in SAID:
                connection.execute(delete(table))

    def restart(self) -> None:
        self.services.close()
        self.services = Services.open(self.settings)

    def break_down(self) -> None:
        """The disk, the database, or bucket and disk: nothing can be kept any more."""
        if self.kind == SQLITE:
            self.services.database.engine.dispose()
            self.settings.database.rename(self.settings.data / "away")
            self.settings.database.mkdir()
        elif self.kind == POSTGRES:
            self._allow("false")
        else:
            _block(self.settings.spill)
            self._swap_log()

    def mend(self) -> None:
        if self.kind == SQLITE:
            self.settings.database.rmdir()
            (self.settings.data / "away").rename(self.settings.database)
        elif self.kind == POSTGRES:
            self._allow("true")
        else:
            self.settings.spill.unlink()
            self._swap_log()

    def _swap_log(self) -> None:
        """The log's place for one where nothing can be written, and back."""
        assert self.services.log is not None
        store = self.services.log.store
        if isinstance(store, S3Store):
            store._bucket, self._away = self._away or "no-such-bucket", store._bucket
        elif isinstance(store, DirectoryStore):
            here = store.folder
            store.folder = Path(self._away) if self._away else self._blocked()
            self._away = str(here)

    def _blocked(self) -> Path:
        path = self.settings.data / "no-folder"
        _block(path)
        return path

    def _allow(self, connections: str) -> None:
        assert self._cluster is not None
        name = self.settings.database_url.rpartition("/")[2]
        self._cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}")
        self._cluster.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )


def _told(table: Any) -> list[Any]:
    keys = {column.name for column in table.primary_key if column.name in {"number", "id"}}
    numbers = keys if table is t.quarantine else set()
    return [column for column in table.c if column.name not in numbers]


def _block(folder: Path) -> None:
    """Nothing can be made below it; it is empty."""
    if folder.is_dir():
        folder.rmdir()
    folder.write_bytes(b"")
