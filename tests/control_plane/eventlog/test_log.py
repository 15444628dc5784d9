"""The log in a folder and in a bucket: folded, pruned, erased, by several at once."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from control_plane.eventlog.erasing import rewrite
from control_plane.eventlog.folding import Folding
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.naming import number_of
from control_plane.eventlog.segments import frame, segment
from tests.control_plane.eventlog.kinds import LOGS, Kept
from tests.control_plane.eventlog.logs import (
    batch,
    folding_of,
    keep,
    log_of,
    names,
    put_by_hand,
    segments,
)

KINDS = LOGS


@pytest.fixture
def lane() -> str:
    return os.urandom(12).hex()


def test_batches_that_come_together_share_a_segment_and_lanes_have_no_gap(kept: Kept):
    before = len(segments(kept))
    keep(log_of(kept), *(batch(f"a{n}") for n in range(50)))
    keep(log_of(kept), batch("b"))
    new = segments(kept)[before:]
    assert 2 <= len(new) < 10
    numbers = sorted(map(number_of, new))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_what_was_folded_long_enough_ago_is_deleted_and_nothing_else(kept: Kept):
    keep(log_of(kept), batch("old"))
    kept.settle()
    keep(log_of(kept), batch("new"))
    folding = folding_of(kept)
    asyncio.run(folding.prune())
    assert len(segments(kept)) > 1
    folding._kept_s = -5
    asyncio.run(folding.prune())
    assert len(segments(kept)) == 1
    kept.settle()
    assert names(kept) == {"old", "new"}


def test_several_who_fold_at_once_lose_nothing_and_double_nothing(kept: Kept):
    """Each believes that it is its turn."""

    class Always(Turn):
        def take(self) -> bool:
            return True

        def give_back(self) -> None:
            pass

    turn = Always("tinyshop", kept.services.writer)
    folding = [Folding(log_of(kept), kept.services.collector, turn, 86400) for _ in range(3)]
    for part in range(4):
        keep(log_of(kept), *(batch(f"{part}-{n}") for n in range(10)))

    async def fold_all() -> None:
        await asyncio.gather(*(each.fold_whole() for each in folding))

    asyncio.run(fold_all())
    kept.settle()
    assert len(kept.said()["events"]) == 40
    assert [touch["count"] for touch in kept.said()["touches"]] == [40]


def test_erasing_leaves_no_byte_of_it_in_the_log_and_all_the_rest(kept: Kept, lane: str):
    keep(log_of(kept), batch("canary-folded", "stays"))
    kept.settle()
    keep(log_of(kept), batch("canary-waiting"), batch("stays-too"))
    put_by_hand(kept, lane, 1, segment([frame(batch("x")), frame(batch("canary-torn"))])[:-2])
    kept.forget()
    erased = rewrite(
        log_of(kept), Turn("tinyshop", kept.services.writer), lambda event: b"canary" not in event
    )
    assert erased == 3
    for name in segments(kept):
        stored = log_of(kept).store.look(name)
        assert stored is not None and b"canary" not in stored.data
    kept.settle()
    assert names(kept) == {"stays-too", "x"}


def test_an_erasure_waits_until_nobody_folds(kept: Kept):
    other = Turn("tinyshop", kept.services.writer)
    assert other.take()
    done = threading.Event()

    def erase() -> None:
        rewrite(log_of(kept), Turn("tinyshop", kept.services.writer), lambda event: True)
        done.set()

    eraser = threading.Thread(target=erase)
    eraser.start()
    assert not done.wait(0.3)
    other.give_back()
    eraser.join(10)
    assert done.is_set()
