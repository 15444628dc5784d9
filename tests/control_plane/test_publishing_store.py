"""Publishing when the store misbehaves: gone, behind, ahead, or written by a stranger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from control_plane.issuing import NotOutYet, PublishRefused
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.objects import ObjectError, ObjectStore, Stored
from control_plane.storage.writer import StorageUnavailable
from tests.control_plane.press import CHANNEL, ONE, TWO, Press
from tests.support.s3 import Bucket


class Moody:
    """A store that refuses to swap as long as it is told to; everything else is the real one's."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.swaps = True

    def get(self, name: str) -> bytes | None:
        return self._store.get(name)

    def put(self, name: str, data: bytes) -> None:
        self._store.put(name, data)

    def look(self, name: str) -> Stored | None:
        return self._store.look(name)

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool:
        if not self.swaps:
            raise ObjectError(f"{name} was not written: the bucket cannot be reached")
        return self._store.swap(name, data, before)


@pytest.fixture
def press(tmp_path: Path) -> Iterator[Press]:
    press = Press(Settings(data=tmp_path))
    press.store = Moody(press.store)
    press.publisher = press.another()
    yield press
    press.close()


def forget(press: Press, after: int) -> None:
    """As if an older backup of the database had been restored."""
    newer = delete(t.signings).where(t.signings.c.sequence > after)
    press.writer.run(lambda connection: connection.execute(newer).rowcount)


def moody(press: Press) -> Moody:
    assert isinstance(press.store, Moody)
    return press.store


# --- gone ---------------------------------------------------------------------


def test_what_is_signed_when_the_store_goes_goes_out_when_it_comes_back(press: Press):
    first = press.publish(ONE)
    moody(press).swaps = False
    with pytest.raises(NotOutYet, match="sequence 2 is signed, but channels/"):
        press.publish(TWO)
    assert press.file() == first.signed
    moody(press).swaps = True
    press.another().start()
    live = press.publisher.live()
    assert live is not None and live.sequence == 2
    assert press.file() == live.signed


def test_the_next_publish_makes_good_what_the_last_one_could_not(press: Press):
    press.publish(ONE)
    moody(press).swaps = False
    with pytest.raises(NotOutYet):
        press.publish(TWO)
    moody(press).swaps = True
    assert press.publish(ONE).sequence == 3
    assert press.manifest().sequence == 3


@pytest.fixture
def bucket_press(tmp_path: Path, bucket: Bucket) -> Iterator[Press]:
    press = Press(Settings(data=tmp_path, object_store=f"{bucket.url}/v1"))
    yield press
    press.close()


def test_publishing_to_a_bucket_is_what_an_edge_accepts(bucket_press: Press, bucket: Bucket):
    press = bucket_press
    signings = [press.publish(ONE), press.publish(TWO)]
    assert press.manifest().sequence == 2
    assert bucket.get(f"v1/{CHANNEL}") == signings[-1].signed
    kinds = [name.split("/")[1] for name in bucket.names()]
    assert sorted(kinds) == ["bundles"] * 2 + ["channels", "keys"] + ["releases"] * 2


def test_without_the_bucket_nothing_is_changed_and_reading_goes_on(
    bucket_press: Press, bucket: Bucket
):
    press = bucket_press
    first = press.publish(ONE)
    assert press.publisher.live_bundle() is not None  # read once
    bucket.remove()
    for act in (
        lambda: press.publish(TWO),
        lambda: press.publisher.roll_back(first.bundle, actor="test"),
        press.publisher.resign,
    ):
        with pytest.raises(StorageUnavailable, match="bucket"):
            act()
    assert press.publisher.live() == first
    restarted = press.another()
    restarted.start()
    bundle = restarted.live_bundle()
    assert bundle is not None and bundle.digest.hex() == first.bundle


def test_a_new_shop_does_not_start_without_its_bucket(tmp_path: Path, bucket: Bucket):
    bucket.remove()
    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        Press(Settings(data=tmp_path, object_store=bucket.url))


# --- ahead, forked, forged ----------------------------------------------------


def test_a_database_from_a_backup_goes_on_after_the_newest_that_was_ever_handed_out(
    press: Press,
):
    signings = [press.publish(data) for data in (ONE, TWO, ONE)]
    forget(press, after=1)
    press.another().start()
    live = press.publisher.live()
    assert live is not None
    assert (live.sequence, live.signed, live.reason) == (3, signings[2].signed, "adopt")
    assert press.publish(TWO).sequence == 4


def test_even_without_a_start_no_number_is_signed_twice(press: Press):
    for data in (ONE, TWO, ONE):
        press.publish(data)
    forget(press, after=1)
    assert press.publish(TWO).sequence == 4


def test_a_lost_database_does_not_begin_again_at_one(press: Press):
    for data in (ONE, TWO):
        press.publish(data)
    forget(press, after=0)
    assert press.publish(ONE).sequence == 3


def swapped(press: Press, data: bytes) -> None:
    assert press.store.swap(CHANNEL, data, press.store.look(CHANNEL))


def test_what_none_of_our_keys_signed_for_this_channel_is_written_over_with_an_alarm(
    press: Press, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    live = press.publish(ONE)
    stranger = Press(Settings(data=tmp_path / "other"))
    foreign = [stranger.publish(data).signed for data in (ONE, TWO)][-1]
    stranger.close()
    staging = press.another(channel="staging").publish(TWO, actor="test").signed
    for forged in (b"garbage", foreign, staging):
        caplog.clear()
        swapped(press, forged)
        with caplog.at_level(logging.CRITICAL):
            press.another().start()
        assert "ALARM" in caplog.text
        assert press.file() == live.signed
        assert press.publisher.live() == live


def test_an_older_manifest_of_ours_does_not_stay(press: Press):
    old = press.publish(ONE)
    new = press.publish(TWO)
    swapped(press, old.signed)
    press.another().start()
    assert press.file() == new.signed


def test_one_number_with_two_contents_is_never_written_over_and_raises_an_alarm(
    press: Press, caplog: pytest.LogCaptureFixture
):
    """Two databases with the same keys, as after a split: edges know one of the two."""
    press.publish(ONE)
    first = press.publish(ONE)
    forget(press, after=1)
    swapped(press, b"")
    press.now_s += 1
    moody(press).swaps = False
    with pytest.raises(NotOutYet):
        press.publish(TWO)
    moody(press).swaps = True
    swapped(press, first.signed)
    with caplog.at_level(logging.CRITICAL), pytest.raises(NotOutYet, match="other content"):
        press.publisher._issuer.mend()
    assert "signed twice" in caplog.text
    assert press.file() == first.signed
    assert press.publish(ONE).sequence == 3  # and the next number ends it


def test_a_root_that_the_one_before_did_not_sign_stops_publishing_and_nothing_else(
    press: Press, tmp_path: Path
):
    live = press.publish(ONE)
    stranger = Press(Settings(data=tmp_path / "other"))
    forged = stranger.store.get("keys/root.1.jws")
    stranger.close()
    assert forged is not None
    press.store.put("keys/root.2.jws", forged)
    with pytest.raises(PublishRefused, match="not to be believed"):
        press.publish(TWO)
    assert press.publisher.live() == live
    assert press.file() == live.signed
