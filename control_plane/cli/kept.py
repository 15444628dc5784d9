"""The database that options and environment name, for commands that change it directly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, structs
from sqlalchemy.exc import SQLAlchemyError

from control_plane.audit.trusting import roots_of
from control_plane.cli.terminal import Refused, Unusable
from control_plane.errors import Refused as HttpRefused
from control_plane.settings import Settings, SettingsError, read_settings
from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError, ObjectStore
from control_plane.storage.opening import is_new, open_database, open_store
from control_plane.storage.writer import Writer
from edge.decision.errors import TrustError


class Kept(Struct, frozen=True):
    settings: Settings
    database: Database
    writer: Writer


@contextmanager
def opened(data: Path | None, tenant: str) -> Iterator[Kept]:
    """Nothing is made where nothing is.  Raises `Refused` or `Unusable`, also for what is
    raised inside."""
    said: dict[str, object] = {} if data is None else {"data": data}
    try:
        settings = read_settings(os.environ, **said)
        if is_new(settings):
            raise Unusable(
                "there is no database of a control plane here.",
                "Name its data folder with --data, or its database with DATABASE_URL.",
            )
        known = (
            tenant or os.environ.get("PROFFER_TENANT") or tenant_of(open_store(settings), settings)
        )
        with _writing(structs.replace(settings, tenant=known)) as kept:
            yield kept
    except HttpRefused as refused:
        raise Refused(f"{refused.detail}.", refused.help) from None
    except SQLAlchemyError as error:
        raise Unusable(f"the database cannot be used: {error}.", "Look at its log.") from None
    except (SettingsError, StorageUnavailable, ObjectError) as error:
        raise Unusable(f"{error}.", "Check the settings and that it runs.") from None


@contextmanager
def _writing(settings: Settings) -> Iterator[Kept]:
    database = open_database(settings)
    writer = Writer(database)
    try:
        yield Kept(settings, database, writer)
    finally:
        writer.close()
        database.close()


def tenant_of(store: ObjectStore, settings: Settings) -> str:
    """Whose root the store has."""
    try:
        roots = roots_of(store)
    except TrustError:
        return settings.tenant
    return roots[0].tenant if roots else settings.tenant
