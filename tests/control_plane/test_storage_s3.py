"""A bucket: what it is told, what happens while it is gone, and what is read without it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from control_plane.storage import cached, s3
from control_plane.storage.cached import CachedStore
from control_plane.storage.objects import ObjectError, Tampered
from control_plane.storage.s3 import S3Store
from tests.support.s3 import Bucket

CHANNEL = "channels/production/edge.jws"
BUNDLE = b"bundle"
NAME = f"bundles/{sha256(BUNDLE).hexdigest()}"


@contextmanager
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """A store at an address where nobody listens."""
    with monkeypatch.context() as changed:
        changed.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        changed.setattr(s3, "ATTEMPTS", 1)
        yield S3Store("any")


def test_a_cdn_before_the_bucket_is_told_how_long_to_keep_what(bucket: Bucket):
    store = S3Store(bucket.name)
    store.put(NAME, BUNDLE)
    store.swap(CHANNEL, b"x", None)
    told = bucket.server.client.head_object(Bucket=bucket.name, Key=NAME)
    assert told["CacheControl"] == "public, max-age=31536000, immutable"
    told = bucket.server.client.head_object(Bucket=bucket.name, Key=CHANNEL)
    assert told["CacheControl"].startswith("public, max-age=5,")
    assert told["ContentType"] == "application/jose"


def test_every_write_is_conditional(bucket: Bucket):
    """Seen from outside: a bucket that answers 412 to a stale condition is what saves us."""
    store, sent = S3Store(bucket.name), []
    store._client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(dict(request.headers))
    )
    store.put(NAME, BUNDLE)
    store.swap(CHANNEL, b"one", None)
    one = store.look(CHANNEL)
    assert one is not None
    store.swap(CHANNEL, b"two", one)
    conditions = [(h.get("If-None-Match"), h.get("If-Match")) for h in sent]
    tag = one.tag.encode()
    assert conditions == [(b"*", None), (b"*", None), (None, tag)]


def test_a_bucket_that_is_gone_is_told_without_its_place(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
):
    with unreachable(monkeypatch) as store:
        for act in (
            lambda: store.get(NAME),
            lambda: store.put(NAME, BUNDLE),
            lambda: store.swap(CHANNEL, b"x", None),
        ):
            with pytest.raises(ObjectError, match="the bucket cannot be reached") as caught:
                act()
            assert "127.0.0.1" not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_not_taken_for_an_empty_one(bucket: Bucket):
    bucket.remove()
    store = S3Store(bucket.name)
    with pytest.raises(ObjectError, match="NoSuchBucket"):
        store.get(NAME)
    with pytest.raises(ObjectError, match="NoSuchBucket"):
        store.put(NAME, BUNDLE)


def test_a_bucket_that_hangs_fails_in_time(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    store, server = S3Store(bucket.name), bucket.server._process.pid
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(ObjectError, match="cannot be reached"):
            store.get(NAME)
    finally:
        os.kill(server, signal.SIGCONT)


# --- the folder before it -----------------------------------------------------


@pytest.fixture
def near(bucket: Bucket, tmp_path: Path) -> CachedStore:
    return CachedStore(S3Store(bucket.name), tmp_path / "cache")


def test_what_never_changes_is_read_without_the_bucket(
    near: CachedStore, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    near.put(NAME, BUNDLE)
    near.put("keys/root.1.jws", b"root")
    near.swap(CHANNEL, b"one", None)
    assert (near.get(NAME), near.get("keys/root.1.jws")) == (BUNDLE, b"root")
    with unreachable(monkeypatch) as gone:
        after = CachedStore(gone, tmp_path / "cache")  # over a restart, too
        assert (after.get(NAME), after.get("keys/root.1.jws")) == (BUNDLE, b"root")
        with pytest.raises(ObjectError):
            after.get(CHANNEL)
        with pytest.raises(ObjectError):
            after.get("bundles/" + "0" * 64)


def test_a_copy_that_rots_is_fetched_anew_and_a_rotten_bundle_is_never_kept(
    near: CachedStore, bucket: Bucket, tmp_path: Path
):
    near.put(NAME, BUNDLE)
    near.get(NAME)
    (tmp_path / "cache" / NAME).write_bytes(b"bundlE")
    assert near.get(NAME) == BUNDLE
    other = f"bundles/{sha256(b'other').hexdigest()}"
    bucket.put(other, b"rotten")
    with pytest.raises(Tampered):
        near.get(other)
    assert not (tmp_path / "cache" / other).exists()


def test_the_copies_are_bounded(near: CachedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cached, "KEPT_LIMIT", 3)
    for number in range(6):
        data = str(number).encode()
        near.put(f"releases/{sha256(data).hexdigest()}", data)
        assert near.get(f"releases/{sha256(data).hexdigest()}") == data
    assert len(list((tmp_path / "cache").glob("*/*"))) == 3


def test_after_a_failure_reads_rest_and_writes_do_not(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with unreachable(monkeypatch) as gone:
        near = CachedStore(gone, tmp_path / "cache")
        with pytest.raises(ObjectError, match="cannot be reached"):
            near.get(NAME)
        with pytest.raises(ObjectError, match="just now"):
            near.look(CHANNEL)
        with pytest.raises(ObjectError, match="cannot be reached"):
            near.swap(CHANNEL, b"x", None)

    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + cached.REST_S + 1)
    near._far = S3Store(bucket.name)
    assert near.look(CHANNEL) is None
