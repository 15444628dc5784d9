"""Objects are named by what they are, and only channels ever change: in a folder and a bucket."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.storage.objects import (
    NAME,
    DirectoryStore,
    ObjectError,
    ObjectStore,
    Tampered,
)
from control_plane.storage.s3 import S3Store
from tests.support.s3 import Bucket

BUNDLE = b"bundle"
NAME_OF_BUNDLE = f"bundles/{sha256(BUNDLE).hexdigest()}"


CHANNEL = "channels/production/edge.jws"


class Place:
    """A store, and what is really in it, past all its checks."""

    def __init__(self, store: ObjectStore, folder: Path | None, bucket: Bucket | None) -> None:
        self.store = store
        self._folder = folder
        self._bucket = bucket

    def overwrite(self, name: str, data: bytes) -> None:
        if self._bucket is not None:
            self._bucket.put(f"v1/{name}", data)
        else:
            assert self._folder is not None
            (self._folder / name).write_bytes(data)

    def names(self) -> list[str]:
        if self._bucket is not None:
            return [name.removeprefix("v1/") for name in self._bucket.names()]
        assert self._folder is not None
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        return [p.relative_to(self._folder).as_posix() for p in files if p.name != ".lock"]


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Place(DirectoryStore(tmp_path / "objects"), tmp_path / "objects", None)
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(S3Store(bucket.name, "v1"), None, bucket)


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.store


def test_what_was_put_is_got_back(store: ObjectStore):
    store.put(NAME_OF_BUNDLE, BUNDLE)
    store.put(NAME_OF_BUNDLE, BUNDLE)
    assert store.get(NAME_OF_BUNDLE) == BUNDLE
    assert store.get(f"bundles/{'0' * 64}") is None


def test_an_immutable_object_is_named_by_its_content(store: ObjectStore):
    with pytest.raises(ObjectError, match="named by its content"):
        store.put(NAME_OF_BUNDLE, b"other")
    assert store.get(NAME_OF_BUNDLE) is None


def test_what_was_changed_behind_our_back_is_not_read_and_is_mended_by_writing_it_again(
    place: Place,
):
    store = place.store
    store.put(NAME_OF_BUNDLE, BUNDLE)
    place.overwrite(NAME_OF_BUNDLE, b"bundlE")
    with pytest.raises(Tampered, match=NAME_OF_BUNDLE):
        store.get(NAME_OF_BUNDLE)
    store.put(NAME_OF_BUNDLE, BUNDLE)
    assert store.get(NAME_OF_BUNDLE) == BUNDLE


def test_a_root_is_written_once(store: ObjectStore):
    store.put("keys/root.1.jws", b"one")
    store.put("keys/root.1.jws", b"one")
    with pytest.raises(ObjectError, match="only once"):
        store.put("keys/root.1.jws", b"another")
    assert store.get("keys/root.1.jws") == b"one"


def test_of_two_first_roots_one_is_written_and_the_other_writer_is_told(store: ObjectStore):
    def put(data: bytes) -> bool:
        with suppress(ObjectError):
            store.put("keys/root.1.jws", data)
            return True
        return False

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(put, [b"a", b"b", b"c", b"d"]))
    assert done.count(True) == 1
    assert store.get("keys/root.1.jws") == b"abcd"[(i := done.index(True)) : i + 1]


def test_a_channel_is_swapped_for_exactly_what_was_looked_at(place: Place):
    store = place.store
    assert store.look(CHANNEL) is None
    assert store.swap(CHANNEL, b"one", None)
    one = store.look(CHANNEL)
    assert one is not None and one.data == b"one"
    assert not store.swap(CHANNEL, b"late", None)
    assert store.swap(CHANNEL, b"two", one)
    assert not store.swap(CHANNEL, b"late", one)
    assert store.get(CHANNEL) == b"two"
    assert place.names() == [CHANNEL]  # and no other file is left behind


def test_of_many_swaps_at_once_each_is_over_the_one_before(store: ObjectStore):
    """Counting up by swaps alone loses no count, as it would if two went through at once."""

    def count(_: int) -> None:
        while True:
            before = store.look(CHANNEL)
            number = int(before.data) + 1 if before else 1
            if store.swap(CHANNEL, str(number).encode(), before):
                return

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(24)))
    assert store.get(CHANNEL) == b"24"


def test_what_never_changes_is_put_and_what_does_is_swapped(store: ObjectStore):
    with pytest.raises(ObjectError, match="swapped, not put"):
        store.put(CHANNEL, b"one")
    with pytest.raises(ObjectError, match="no name of a channel's file"):
        store.swap(NAME_OF_BUNDLE, BUNDLE, None)


# --- the event log ------------------------------------------------------------

SEGMENTS = "log/shop/segments/"


def segment(lane: str, number: int) -> str:
    return f"{SEGMENTS}{lane * 24}/{number // 1000:09d}/{number % 1000:03d}"


def test_of_many_who_create_the_same_object_one_does(place: Place):
    log: Any = place.store
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda n: log.create(segment("a", 1), b"%d" % n), range(8)))
    assert done.count(True) == 1
    stored = log.look(segment("a", 1))
    assert stored is not None and stored.data == b"%d" % done.index(True)
    assert place.names() == [segment("a", 1)]  # and no other file is left behind


def test_the_log_is_listed_in_order_from_behind_a_name_and_folder_by_folder(place: Place):
    log: Any = place.store
    for lane, number in (("b", 1), ("a", 1000), ("a", 2), ("a", 999), ("a", 1)):
        assert log.create(segment(lane, number), b"x")
    lane = f"{SEGMENTS}{'a' * 24}/"
    mine = [segment("a", number) for number in (1, 2, 999, 1000)]
    assert [each.name for each in log.list(lane)] == mine
    assert [each.name for each in log.list(lane, mine[1])] == mine[2:]
    assert [each.name for each in log.list(lane, mine[0], 2)] == mine[1:3]
    assert [each.name for each in log.list(SEGMENTS)] == [*mine, segment("b", 1)]
    assert log.folders(SEGMENTS) == ["a" * 24, "b" * 24]
    assert abs(log.list(lane)[0].changed_s - time.time()) < 60
    assert log.list("log/nobody/segments/") == [] == log.folders("log/nobody/segments/")


def test_what_is_deleted_is_gone_with_its_folders_and_may_be_deleted_twice(place: Place):
    log: Any = place.store
    log.create(segment("a", 1), b"x")
    for _ in range(2):
        log.delete(segment("a", 1))
    assert log.look(segment("a", 1)) is None
    assert log.folders(SEGMENTS) == []


def test_only_objects_of_the_log_are_created_or_deleted(place: Place):
    log: Any = place.store
    for act in (lambda: log.create(CHANNEL, b"x"), lambda: log.delete(NAME_OF_BUNDLE)):
        with pytest.raises(ObjectError, match="no name of an object of the log"):
            act()
    with pytest.raises(ObjectError, match="created, not put"):
        place.store.put(segment("a", 1), b"x")


def test_what_a_writer_that_died_left_half_done_is_tidied_away_after_a_while(tmp_path: Path):
    store = DirectoryStore(tmp_path)
    store.create(segment("a", 1), b"x")
    left = [tmp_path / ".parts" / name for name in ("old", "young")]
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[0], (1, 1))
    store.tidy()
    assert [path.exists() for path in left] == [False, True]


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "bundles/../../secret",
        "bundles/" + "A" * 64,
        "keys/root.0.jws",
        "keys/root.01.jws",
        "channels/production/../x.jws",
        "channels/Production/edge.jws",
        "/etc/passwd",
        "",
    ],
)
def test_no_other_name_is_read_or_written(store: ObjectStore, name: str):
    assert store.get(name) is None
    with pytest.raises(ObjectError, match="no name of an object"):
        store.put(name, b"x")


@given(st.text(max_size=80))
def test_no_name_that_is_accepted_leads_outside(name: str):
    if NAME.fullmatch(name):
        assert ".." not in name.split("/") and not name.startswith("/")


def test_a_store_that_fails_says_so_without_telling_its_place(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(ObjectError, match="not written: File exists") as caught:
        DirectoryStore(blocked).swap(CHANNEL, b"x", None)
    assert str(tmp_path) not in str(caught.value)
