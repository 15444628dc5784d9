"""A bucket that dies, forgets, cuts off or dawdles in the middle of a publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from control_plane.issuing import NotOutYet
from control_plane.settings import Settings
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError, ObjectStore, Stored
from tests.control_plane.press import CHANNEL, ONE, Press
from tests.support.bundles import tiny_bundle
from tests.support.s3 import Bucket


class Failing:
    """The real store, until `fault` is asked to change what a call does.

    `fault(number, name, act)` gets the number of the call and the real act.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.real = store
        self.calls = 0
        self.fault: Callable[[int, str, Callable[[], object]], object] | None = None

    def _do(self, name: str, act: Callable[[], object]) -> object:
        self.calls += 1
        return act() if self.fault is None else self.fault(self.calls, name, act)

    def get(self, name: str) -> bytes | None:
        return self._do(name, lambda: self.real.get(name))  # type: ignore[return-value]

    def put(self, name: str, data: bytes) -> None:
        self._do(name, lambda: self.real.put(name, data))

    def look(self, name: str) -> Stored | None:
        return self._do(name, lambda: self.real.look(name))  # type: ignore[return-value]

    def swap(self, name: str, data: bytes, before: Stored | None) -> bool:
        return self._do(name, lambda: self.real.swap(name, data, before))  # type: ignore[return-value]


@pytest.fixture(params=["folder", "bucket"])
def press(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Press]:
    where = ""
    if request.param == "bucket":
        where = f"{request.getfixturevalue('bucket').url}/v1"
    press = Press(Settings(data=tmp_path, object_store=where))
    press.store = Failing(press.store)
    press.publisher = press.another()
    yield press
    press.close()


def failing(press: Press) -> Failing:
    assert isinstance(press.store, Failing)
    return press.store


def dead_from(
    step: int, *, acts: bool = False
) -> Callable[[int, str, Callable[[], object]], object]:
    """Dead from that call on; with `acts` that call still does its work, and nobody hears."""

    def fault(number: int, name: str, act: Callable[[], object]) -> object:
        if number < step:
            return act()
        if acts and number == step:
            act()
        raise ObjectError(f"{name} was not written: the bucket cannot be reached")

    return fault


@pytest.mark.parametrize("acts", [False, True], ids=["refused", "done but unheard"])
def test_a_bucket_that_dies_at_any_call_of_a_publish_loses_nothing(press: Press, acts: bool):
    store, steps, told = failing(press), 0, set()
    press.publish(ONE)
    while True:
        before = press.publisher.live()
        data = tiny_bundle(salt=f"{acts} {steps}")
        store.calls, store.fault = 0, dead_from(steps + 1, acts=acts)
        try:
            press.publish(data)
            ended, said = "", "the bucket cannot be reached"
        except StorageUnavailable as error:
            ended, said = type(error).__name__, str(error)
        store.fault = None
        assert "the bucket cannot be reached" in said
        live = press.publisher.live()
        assert live is not None and before is not None
        out = press.file()
        assert out in (before.signed, live.signed)
        if ended == StorageUnavailable.__name__:
            assert live == before, "it was told that nothing changed"
        else:
            assert live.sequence == before.sequence + 1
        press.another().start()  # the look that mends
        assert press.file() == live.signed
        assert press.manifest().digest.hex() == live.digest
        told.add(ended)
        if not ended:
            break
        steps += 1
    assert steps >= 6
    assert told == {"", StorageUnavailable.__name__, NotOutYet.__name__}


def test_what_the_bucket_cut_off_is_noticed_before_a_manifest_names_it(
    press: Press, bucket: Bucket
):
    first = press.publish(ONE)
    store = failing(press)

    def cut(number: int, name: str, act: Callable[[], object]) -> object:
        if name.startswith("bundles/") and number == 1:
            raise ObjectError(f"{name} reads back with other bytes")
        return act()

    store.calls, store.fault = 0, cut
    with pytest.raises(StorageUnavailable, match="other bytes"):
        press.publish(tiny_bundle(salt="cut"))
    assert press.publisher.live() == first and press.file() == first.signed


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_channels_file_that_was_cut_off_is_written_again(press: Press, keep: int):
    live = press.publish(ONE)
    store = failing(press)
    assert store.swap(CHANNEL, live.signed[:keep], store.look(CHANNEL))
    press.another().start()
    assert press.file() == live.signed


def test_a_slow_bucket_is_waited_for_and_holds_nobody_else_up(press: Press):
    press.publish(ONE)
    store = failing(press)

    def slow(number: int, name: str, act: Callable[[], object]) -> object:
        time.sleep(0.1)
        return act()

    store.fault = slow
    signing = press.publish(tiny_bundle(salt="slow"))
    assert press.file() == signing.signed
    began_s = time.monotonic()
    assert press.publisher.live() == signing  # the database is not held while the bucket dawdles
    assert time.monotonic() - began_s < 0.1
