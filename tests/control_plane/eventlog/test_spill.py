"""The spill: what is acknowledged while the store is away is there when it is back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.eventlog.naming import Names
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.pruning import every
from control_plane.eventlog.segments import batch_of, frame, read_frames, read_segment
from control_plane.eventlog.spill import Spill
from control_plane.eventlog.spill_file import SpillFile, others
from control_plane.eventlog.store import Batch
from control_plane.settings import Settings
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import DirectoryStore, ObjectError

ROOM = 1 << 20


def batch(name: str) -> Batch:
    return Batch(events=(name.encode(),), from_shop=False, received_s=1)


def framed(*names: str) -> bytes:
    return b"".join(frame(batch(name)) for name in names)


def names_in(frames: bytes) -> list[str]:
    return [batch_of(piece).events[0].decode() for piece in read_frames(frames).whole]


def in_log(store: DirectoryStore) -> list[str]:
    found = every(store, Names("shop").segments)
    segments = [read_segment((store.folder / each.name).read_bytes()) for each in found]
    return [b.events[0].decode() for each in segments for b in each.batches]


# --- frames -------------------------------------------------------------------

BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(BODIES, st.data())
def test_however_a_file_is_torn_the_frames_before_are_read_and_no_other(
    bodies: list[bytes], data: st.DataObject
):
    frames = [frame(Batch(events=(b,), from_shop=True, received_s=1)) for b in bodies]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    after = data.draw(st.sampled_from([b"", b"\0" * 64]))
    found = read_frames(whole[:cut] + after)
    ends = [sum(map(len, frames[: n + 1])) for n in range(len(frames))]
    assert found.whole[: sum(end <= cut for end in ends)] == frames[: sum(e <= cut for e in ends)]
    assert all(piece in frames for piece in found.whole)


@given(BODIES.filter(bool), st.data())
def test_a_damaged_frame_hides_none_that_follows_and_is_not_taken_for_a_torn_end(
    bodies: list[bytes], data: st.DataObject
):
    frames = [frame(Batch(events=(b,), from_shop=True, received_s=1)) for b in bodies]
    at = data.draw(st.integers(0, len(frames) - 1))
    spoilt = frames[at][:-1] + bytes([frames[at][-1] ^ 1])
    last = frame(batch("last"))
    found = read_frames(b"".join([*frames[:at], spoilt, *frames[at + 1 :], last]))
    assert found.whole == [*frames[:at], *frames[at + 1 :], last]
    assert found.damaged == [spoilt] and not found.tail


# --- files --------------------------------------------------------------------


def test_what_a_process_that_died_left_is_taken_over_up_to_its_torn_end(tmp_path: Path):
    file = SpillFile.make(tmp_path / "spill")
    file.append(framed("a", "b"))
    with file.path.open("ab") as torn:
        torn.write(framed("never-acknowledged")[:-1])
    file.close()  # ends the lock, as the end of a process does
    spill = Spill(tmp_path / "spill", ROOM)
    spill.adopt()
    taken = spill.take()
    assert taken is not None
    assert names_in(taken.read()) == ["a", "b"]
    spill.done(taken)
    assert spill.is_empty and not others(tmp_path / "spill")


def test_nobody_takes_the_file_of_a_process_that_lives(tmp_path: Path):
    one, other = Spill(tmp_path / "spill", ROOM), Spill(tmp_path / "spill", ROOM)
    one.append(framed("a"))
    other.adopt()
    assert other.take() is None
    one.close()
    other.adopt()
    taken = other.take()
    assert taken is not None and names_in(taken.read()) == ["a"]


def test_a_full_spill_turns_away_and_takes_again_when_there_is_room(tmp_path: Path):
    spill = Spill(tmp_path / "spill", 100)
    spill.append(framed("a"))
    with pytest.raises(StorageUnavailable, match="full"):
        spill.append(framed("b" * 90))
    taken = spill.take()
    assert taken is not None and names_in(taken.read()) == ["a"]
    spill.done(taken)
    spill.append(framed("c"))
    assert spill.size_bytes > 0


# --- the whole ----------------------------------------------------------------


class Away:
    """A log in a folder that can be away."""

    def __init__(self, place: Path) -> None:
        self.settings = Settings(data=place, log_wait_ms=1)
        self.here, self.blocked = place / "eventlog", place / "blocked"
        self.blocked.write_bytes(b"")
        self.store = DirectoryStore(self.blocked)

    def back(self) -> None:
        self.store.folder = self.here


def keep(log: ObjectLog, *names: str) -> None:
    async def keep_all() -> None:
        await asyncio.gather(*(log.keep(batch(name)) for name in names))

    asyncio.run(keep_all())


def drained(log: ObjectLog) -> None:
    deadline_s = time.monotonic() + 10
    while not log.spill.is_empty:
        assert time.monotonic() < deadline_s, "the spill is not drained"
        log.drain()
        time.sleep(0.005)


def test_a_store_that_is_away_is_bridged_by_the_spill_and_gets_everything_once_it_is_back(
    tmp_path: Path,
):
    away = Away(tmp_path)
    log = ObjectLog(away.settings, away.store)
    names = [f"n{n}" for n in range(40)]
    keep(log, *names[:20])
    keep(log, *names[20:])
    assert log.spill.size_bytes > 0 and not log.gate.is_open
    away.back()
    drained(log)
    assert log.gate.is_open
    keep(log, "after")
    assert sorted(in_log(away.store)) == sorted([*names, "after"])
    log.close()


def test_what_waits_in_the_spill_outlives_the_process(tmp_path: Path):
    away = Away(tmp_path)
    first = ObjectLog(away.settings, away.store)
    keep(first, "a", "b")
    first.close()
    away.back()
    second = ObjectLog(away.settings, away.store)
    second.spill.adopt()
    drained(second)
    assert sorted(in_log(away.store)) == ["a", "b"]
    second.close()


def test_an_answer_that_was_lost_costs_a_repeat_and_never_a_batch(tmp_path: Path):
    """The store writes, and the collector is told that it did not."""

    class Forgetful(DirectoryStore):
        fails = 2

        def create(self, name: str, data: bytes) -> bool:
            done = super().create(name, data)
            if self.fails:
                self.fails -= 1
                raise ObjectError("no answer")
            return done

    store = Forgetful(tmp_path / "eventlog")
    log = ObjectLog(Settings(data=tmp_path, log_wait_ms=1), store)
    for name in ("a", "b", "c"):
        keep(log, name)
    drained(log)
    keep(log, "d")
    assert set(in_log(store)) == {"a", "b", "c", "d"}
    log.close()
    numbers = [int(each.name[-3:]) for each in every(store, Names("shop").segments)]
    assert numbers.count(1) == 2  # two lanes, each from its first number on


def test_more_than_may_wait_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("control_plane.eventlog.shipping.WAITING_LIMIT", 5)
    log = ObjectLog(Settings(data=tmp_path, log_wait_ms=200), DirectoryStore(tmp_path / "log"))

    async def keep_many() -> list[object]:
        waiting = (log.keep(batch(f"n{n}")) for n in range(9))
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    told = asyncio.run(keep_many())
    refused = [each for each in told if isinstance(each, StorageUnavailable)]
    assert len(refused) == 4
    log.close()
    assert len(in_log(log.store)) == 5  # type: ignore[arg-type]
