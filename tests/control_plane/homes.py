"""Where tests keep their rows: in SQLite, and where that matters in PostgreSQL, too.

A module whose tests shall hold on both says `HOMES = BOTH`; `conftest.py` then runs each
of its tests that asks for `home`, or for a fixture made of it, once on each.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.opening import open_database

SQLITE, POSTGRES = "sqlite", "postgres"
BOTH = (SQLITE, POSTGRES)


class StorageHome(Struct, frozen=True):
    """Where a test keeps its rows: `url` is empty for SQLite."""

    url: str

    def settings(self, data: Path, **more: object) -> Settings:
        given = {"require_approval": False} | more
        return Settings(data=data, database_url=self.url, **given)  # type: ignore[arg-type]

    def database(self, data: Path) -> Database:
        return open_database(self.settings(data))
