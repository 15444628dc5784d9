"""Objects in a bucket: S3, R2, or another store that speaks S3's language.

Every write is conditional (`If-None-Match: *`, or `If-Match` with the tag that was looked
at), so that of two processes that write at once the bucket itself lets one through.  What
never changes is read back after it was written and compared byte by byte; of a channel's
file `channels.py` looks again.

Place and access are boto3's own variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION, AWS_ENDPOINT_URL_S3 (for R2: https://<account>.r2.cloudflarestorage.com), or a
role of the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from control_plane.storage.failures import MissingExtra
from control_plane.storage.objects import (
    NAME,
    WRITTEN_ONCE,
    Listed,
    ObjectError,
    Stored,
    check_fits,
    check_log,
    check_put,
    check_swap,
    written_once,
)

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 8
ATTEMPTS = 2


class Patience(Struct, frozen=True, kw_only=True):
    """How long a bucket may take, and how often it is asked."""

    connect_s: float
    read_s: float
    attempts: int


SIZE_LIMIT_BYTES = 1 << 30

MISSING = {"NoSuchKey", "404", "NotFound"}
LOST = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
"""The bucket's ways to say that something else is there by now."""

FOR_EVER = "public, max-age=31536000, immutable"
FOR_AN_HOUR = "public, max-age=3600"
NOT_AT_ALL = "no-store"
FOR_SECONDS = "public, max-age=5, stale-while-revalidate=30"
KINDS = {
    "bundles": (FOR_EVER, "application/octet-stream"),
    "releases": (FOR_EVER, "application/json"),
    "keys": (FOR_AN_HOUR, "application/jose+json"),
    "audit": (NOT_AT_ALL, "application/jose"),
    "channels": (FOR_SECONDS, "application/jose"),
    "log": (NOT_AT_ALL, "application/octet-stream"),
}
"""How a CDN before the bucket may keep an object, and what it is."""


class S3Store:
    """Objects below `prefix` in one bucket; thread-safe."""

    def __init__(self, bucket: str, prefix: str = "", patience: Patience | None = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client, self._errors = _client(
            patience
            or Patience(connect_s=CONNECT_TIMEOUT_S, read_s=READ_TIMEOUT_S, attempts=ATTEMPTS)
        )

    def get(self, name: str) -> bytes | None:
        there = self.look(name)
        return None if there is None else check_fits(name, there.data)

    def look(self, name: str) -> Stored | None:
        if not NAME.fullmatch(name):
            return None
        with self._told(name, "read", missing=True):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            with answer["Body"] as body:
                return Stored(body.read(SIZE_LIMIT_BYTES), answer["ETag"])
        return None

    def put(self, name: str, data: bytes) -> None:
        check_put(name, data)
        before = self.look(name)
        if before is not None and before.data == data:
            return
        if before is not None and name.startswith(WRITTEN_ONCE):
            raise written_once(name)
        self._write(name, data, before)
        after = self.look(name)  # ours, or the same from somebody who was faster
        if after is None or after.data != data:
            if name.startswith(WRITTEN_ONCE) and after is not None:
                raise written_once(name)
            raise ObjectError(f"{name} reads back with other bytes")

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool:
        check_swap(name)
        return self._write(name, data, before)

    # --- the event log ------------------------------------------------------

    def create(self, name: str, data: bytes) -> bool:
        check_log(name)
        return self._write(name, data, None)

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[Listed]:
        with self._told(prefix, "listed"):
            answer = self._client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=self._prefix + prefix,
                StartAfter=self._prefix + after if after else "",
                MaxKeys=limit,
            )
            return [self._listed(entry) for entry in answer.get("Contents", [])]
        return []

    def _listed(self, entry: dict[str, Any]) -> Listed:
        name = entry["Key"].removeprefix(self._prefix)
        return Listed(name, entry["LastModified"].timestamp())

    def folders(self, prefix: str) -> list[str]:
        whole = self._prefix + prefix
        with self._told(prefix, "listed"):
            pages = self._client.get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=whole, Delimiter="/")
            return [
                entry["Prefix"].removeprefix(whole).rstrip("/")
                for page in found
                for entry in page.get("CommonPrefixes", [])
            ]
        return []

    def delete(self, name: str) -> None:
        check_log(name)
        with self._told(name, "deleted", missing=True):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def tidy(self) -> None:
        """Nothing is ever half done in a bucket."""

    def _write(self, name: str, data: bytes, before: Stored | None) -> bool:
        """Whether it was written: not if something else than `before` is there."""
        caching, kind = KINDS[name.partition("/")[0]]
        only = {"IfNoneMatch": "*"} if before is None else {"IfMatch": before.tag}
        with self._told(name, "written", missing=before is not None, lost=True):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + name,
                Body=data,
                CacheControl=caching,
                ContentType=kind,
                **only,
            )
            return True
        return False

    @contextmanager
    def _told(
        self, name: str, done: str, *, missing: bool = False, lost: bool = False
    ) -> Iterator[None]:
        """Errors of the bucket as `ObjectError`; what is `missing` or `lost` passes quietly."""
        refused, failed = self._errors
        try:
            yield
        except refused as error:
            code = str(error.response.get("Error", {}).get("Code", ""))  # type: ignore[attr-defined]
            if (missing and code in MISSING) or (lost and code in LOST):
                return
            raise self._failed(name, done, f"the bucket says {code or 'nothing'}", error) from error
        except (failed, OSError) as error:
            raise self._failed(name, done, "the bucket cannot be reached", error) from error

    def _failed(self, name: str, done: str, why: str, error: BaseException) -> ObjectError:
        log.warning("%s%s was not %s: %s", self._prefix, name, done, error)
        return ObjectError(f"{name} was not {done}: {why}")


def _client(patience: Patience) -> tuple[Any, tuple[type[Exception], type[Exception]]]:
    """boto3's client, and its two errors: what the bucket refused, what did not get there."""
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtra(
            "a bucket needs a library that is not installed: pip install 'proffer[s3]'"
        ) from None
    config = Config(
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        # We compare contents ourselves; not every store knows the newest checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        client = Session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise ObjectError(f"the bucket cannot be reached: {error}") from None
    return client, (ClientError, BotoCoreError)
