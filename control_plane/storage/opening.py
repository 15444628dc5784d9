"""Where the settings say that rows and objects are."""

from __future__ import annotations

from control_plane.settings import Settings
from control_plane.storage.cached import CachedStore
from control_plane.storage.database import Database
from control_plane.storage.objects import DirectoryStore, ObjectStore
from control_plane.storage.postgres import is_empty
from control_plane.storage.s3 import S3Store


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
    bucket, _, prefix = settings.object_store.removeprefix("s3://").partition("/")
    return CachedStore(S3Store(bucket, prefix.strip("/")), settings.data / "cache")
