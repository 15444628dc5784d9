"""Publishing: what is signed is what edges accept, numbered without gaps or repeats."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from control_plane.publishing import PublishRefused
from control_plane.storage.writer import StorageUnavailable
from edge.decision.tables import BROWSER_PROJECTION
from policy_compiler.keys import DevelopmentKeys
from policy_compiler.sign import read_release
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.press import CHANNEL, HOUR_S, ONE, TWO, Press
from tests.support.bundles import tiny_bundle

HOMES = BOTH


@pytest.fixture
def press(tmp_path: Path, home: StorageHome) -> Iterator[Press]:
    press = Press(home.settings(tmp_path))
    yield press
    press.close()


def test_an_edge_accepts_what_was_published(press: Press):
    signing = press.publish()
    manifest = press.manifest()
    assert (manifest.epoch, manifest.sequence) == (1, 1)
    assert manifest.digest.hex() == signing.digest
    assert manifest.expires_s - manifest.issued_s == 24 * HOUR_S


def test_the_release_names_the_bundle(press: Press):
    signing = press.publish()
    table = press.store.get(f"releases/{signing.release}")
    assert table is not None
    (row,) = read_release(table)
    assert (row.projection, row.digest, row.size_bytes) == ("edge", signing.bundle, len(ONE))


def test_every_signing_has_the_next_sequence_and_its_exact_bytes_are_kept(press: Press):
    signings = [press.publish(ONE), press.publish(TWO), press.publisher.resign()]
    assert [s.sequence for s in signings] == [1, 2, 3]
    assert press.file() == signings[-1].signed
    assert press.publisher.live() == signings[-1]


def test_many_threads_never_sign_one_sequence_twice(press: Press):
    with ThreadPoolExecutor(8) as threads:
        signings = list(threads.map(lambda n: press.publish((ONE, TWO)[n % 2]), range(32)))
    assert sorted(s.sequence for s in signings) == list(range(1, 33))
    live = press.publisher.live()
    assert live is not None
    assert press.file() == live.signed
    assert live.sequence == 32


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no bundle"),
        (ONE[:-1], "no bundle"),
        (tiny_bundle("another"), "is for 'another'"),
        (tiny_bundle(projection=BROWSER_PROJECTION), "not for edges"),
    ],
    ids=["empty", "cut", "another tenant", "a browser's"],
)
def test_bytes_that_no_edge_would_run_are_refused_and_change_nothing(
    press: Press, data: bytes, what: str
):
    press.publish()
    before = press.file()
    with pytest.raises(PublishRefused, match=what):
        press.publish(data)
    assert press.file() == before
    assert len(press.publisher.history()) == 1


def test_rolling_back_is_a_new_sequence_with_old_content(press: Press):
    first = press.publish(ONE)
    press.publish(TWO)
    back = press.publisher.roll_back(first.bundle, actor="test")
    assert (back.sequence, back.bundle, back.release) == (3, first.bundle, first.release)
    assert press.manifest().releases[0].bundle == first.bundle
    assert [s.reason for s in press.publisher.history()] == ["roll-back", "publish", "publish"]


def test_a_roll_back_holds_until_somebody_publishes(press: Press):
    first = press.publish(ONE)
    press.publish(TWO)
    assert not press.publisher.is_rolled_back()
    press.publisher.roll_back(first.bundle, actor="test")
    press.publisher.resign()
    assert press.publisher.is_rolled_back()
    press.publish(TWO)
    assert not press.publisher.is_rolled_back()


def test_only_what_was_published_here_can_be_rolled_back_to(press: Press):
    press.publish()
    for stranger in ("0" * 64, "", "../keys"):
        with pytest.raises(PublishRefused, match="never published"):
            press.publisher.roll_back(stranger, actor="test")


def test_before_the_first_publish_there_is_nothing_to_sign(press: Press):
    assert press.publisher.live() is None
    assert press.publisher.currency() == ""
    assert press.publisher.resign_if_due() is None
    for act in (press.publisher.resign, lambda: press.publisher.pause("x", actor="t")):
        with pytest.raises(PublishRefused):
            act()


def test_a_manifest_is_signed_anew_when_it_is_due_and_says_the_same(press: Press):
    first = press.publish()
    press.now_s += 4 * HOUR_S - 1
    assert press.publisher.resign_if_due() is None
    press.now_s += 1
    again = press.publisher.resign_if_due()
    assert again is not None
    assert (again.bundle, again.sequence, again.reason) == (first.bundle, 2, "resign")
    assert again.expires_s == press.now_s + 24 * HOUR_S
    assert press.publisher.history() == [first]


def test_a_short_life_is_signed_anew_four_times_in_it(press: Press):
    publisher = press.another(manifest_life_s=400)
    publisher.publish(ONE, actor="test")
    press.now_s += 100
    assert publisher.resign_if_due() is not None


def test_the_file_that_a_crash_did_not_write_is_written_at_the_next_start(press: Press):
    press.publish(ONE)
    old = press.file()
    newest = press.publish(TWO)
    (press.settings.objects / CHANNEL).write_bytes(old)
    press.another().start()
    assert press.file() == newest.signed


def test_a_start_after_a_long_sleep_signs_at_once(press: Press):
    press.publish()
    press.now_s += 48 * HOUR_S
    press.another().start()
    assert press.manifest().issued_s == press.now_s


def test_keys_or_tenant_that_do_not_fit_the_data_folder_are_refused(press: Press):
    with pytest.raises(PublishRefused, match="belongs to 'shop', not to 'other'"):
        press.another(tenant="other").start()
    press.keys = DevelopmentKeys.generate()
    with pytest.raises(PublishRefused, match="online key is not in root 1"):
        press.another().start()


def test_a_store_that_cannot_be_written_changes_nothing(press: Press):
    first = press.publish(ONE)
    folder = press.settings.objects / "bundles"
    folder.rename(folder.with_name("gone"))
    folder.write_text("in the way")
    with pytest.raises(StorageUnavailable):
        press.publish(TWO)
    assert press.publisher.live() == first
