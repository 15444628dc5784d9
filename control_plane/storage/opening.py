"""Where the settings say that rows and objects are."""

from __future__ import annotations

from control_plane.settings import Settings
from control_plane.storage.cached import CachedStore
from control_plane.storage.database import Database
from control_plane.storage.objects import DirectoryStore, LogObjects, ObjectStore
from control_plane.storage.postgres import is_empty
from control_plane.storage.s3 import Patience, S3Store

LOG_PATIENCE = Patience(connect_s=1, read_s=3, attempts=1)
"""Whoever sent an event waits for the bucket: rather soon into the spill."""


def open_database(settings: Settings) -> Database:
    """PostgreSQL if there is an address, else the file in the data folder.

    Raises `StorageUnavailable`.
    """
    return Database(settings.database_url or settings.database, settings.tenant)


def is_new(settings: Settings) -> bool:
    """Whether nothing was ever kept there.  Raises `StorageUnavailable`."""
    if settings.database_url:
        return is_empty(settings.database_url)
    return not settings.database.exists()


def open_store(settings: Settings) -> ObjectStore:
    """The bucket if one is named, else a folder in the data folder.

    Raises `ObjectError`, or `StorageUnavailable` if boto3 is missing.
    """
    if not settings.object_store:
        return DirectoryStore(settings.objects)
    bucket, prefix = _place(settings.object_store)
    return CachedStore(S3Store(bucket, prefix), settings.data / "cache")


def open_log_store(settings: Settings) -> LogObjects:
    """The event log's own bucket if one is named, else a folder in the data folder.

    Apart from `open_store`, which a CDN may hand out to everybody.  Raises as that.
    """
    if not settings.log_store:
        return DirectoryStore(settings.log_folder)
    return S3Store(*_place(settings.log_store), LOG_PATIENCE)


def _place(url: str) -> tuple[str, str]:
    """Bucket and prefix."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix.strip("/")
