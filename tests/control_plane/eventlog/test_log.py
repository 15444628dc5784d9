"""The log of objects: what comes of it when something in it is damaged, late, gone, or erased."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from control_plane.eventlog import reader as reading
from control_plane.eventlog.erasing import rewrite
from control_plane.eventlog.folding import LATE_S, Folding
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.naming import Names, number_of
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.offsets import look
from control_plane.eventlog.pruning import every
from control_plane.eventlog.segments import BODY_AT, frame, segment
from control_plane.eventlog.store import Batch
from control_plane.telemetry.log_metrics import log_metrics
from tests.control_plane.eventlog.kinds import LOGS, Kept
from tests.control_plane.shop import event

KINDS = LOGS
NOW_S = int(time.time())


def batch(*names: str, received_s: int = NOW_S) -> Batch:
    data = {"decision": "a" * 32, "placement": "hero", "time_s": NOW_S - 100}
    events = [event("shop.proffer.exposure", name, data) for name in names]
    raw = tuple(msgspec.json.encode(each) for each in events)
    return Batch(events=raw, from_shop=False, received_s=received_s)


def keep(log: ObjectLog | None, *batches: Batch) -> None:
    assert log is not None

    async def keep_all() -> None:
        await asyncio.gather(*map(log.keep, batches))

    asyncio.run(keep_all())


def log_of(kept: Kept) -> ObjectLog:
    assert kept.services.log is not None
    return kept.services.log


def folding_of(kept: Kept) -> Folding:
    assert kept.services.folding is not None
    return kept.services.folding


def names(kept: Kept) -> set[str]:
    return {row["id"] for row in kept.said()["events"]}


def segments(kept: Kept) -> list[str]:
    log = log_of(kept)
    return [each.name for each in every(log.store, log.names.segments)]


def overwrite(kept: Kept, name: str, data: bytes) -> None:
    log = log_of(kept)
    assert log.store.swap(name, data, log.store.look(name))


def offsets(kept: Kept):
    return look(log_of(kept).store, log_of(kept).names).offsets


def put_by_hand(kept: Kept, lane: str, number: int, data: bytes) -> str:
    """A segment of a collector elsewhere."""
    name = log_of(kept).names.segment(lane, number)
    assert log_of(kept).store.create(name, data)
    return name


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


def test_a_damaged_segment_is_set_aside_and_told_and_the_rest_goes_on(
    kept: Kept, lane: str, caplog: pytest.LogCaptureFixture
):
    before = offsets(kept).aside
    whole = segment([frame(batch("good")), frame(batch("torn"))])
    put_by_hand(kept, lane, 1, whole[:-3])
    put_by_hand(kept, lane, 2, segment([frame(batch("later"))]))
    kept.settle()
    assert names(kept) == {"good", "later"}
    assert offsets(kept).aside == before + 1
    assert "ALARM" in caplog.text
    aside = log_of(kept).names.set_aside(log_of(kept).names.segment(lane, 1))
    stored = log_of(kept).store.look(aside)
    assert stored is not None and stored.data == whole[:-3]
    # somebody puts the right bytes there, and the next start folds them
    overwrite(kept, aside, whole)
    assert asyncio.run(folding_of(kept).fold_aside()) == 1
    assert names(kept) == {"good", "later", "torn"}
    assert log_of(kept).store.look(aside) is None


def test_any_byte_that_changes_is_noticed_and_nothing_of_it_is_folded_wrongly(
    kept: Kept, lane: str
):
    whole = segment([frame(batch("one")), frame(batch("two"))])
    before = offsets(kept).aside
    places = [0, 9, BODY_AT + 1, BODY_AT + 5, BODY_AT + 20, len(whole) - 1]
    for number, at in enumerate(places, 1):
        spoilt = bytearray(whole)
        spoilt[at] ^= 0x41
        put_by_hand(kept, lane, number, bytes(spoilt))
    kept.settle()
    assert offsets(kept).aside == before + len(places)
    assert names(kept) <= {"one", "two"}


def test_a_segment_that_somebody_removed_is_told_and_holds_up_its_lane_only_for_a_while(
    kept: Kept, lane: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    before = offsets(kept).missing
    put_by_hand(kept, lane, 1, segment([frame(batch("one"))]))
    put_by_hand(kept, lane, 3, segment([frame(batch("three"))]))
    kept.settle()
    assert names(kept) == {"one"}
    monkeypatch.setattr(reading, "GAP_PATIENCE_S", 0.0)
    kept.settle()
    assert names(kept) == {"one", "three"}
    assert offsets(kept).missing == before + 1
    assert "ALARM" in caplog.text


def test_events_that_come_after_a_week_are_set_aside_since_they_might_count_twice(
    kept: Kept, lane: str
):
    late = batch("late", received_s=NOW_S - LATE_S - 60)
    put_by_hand(kept, lane, 1, segment([frame(late), frame(batch("fresh"))]))
    kept.settle()
    assert names(kept) == {"fresh"}
    assert offsets(kept).aside > 0


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


def test_offsets_that_cannot_be_read_cost_work_and_lose_nothing(kept: Kept):
    keep(log_of(kept), batch("a"))
    kept.settle()
    overwrite(kept, log_of(kept).names.offsets, b"{rotten")
    kept.settle()
    assert "a" in names(kept)
    assert [touch["count"] for touch in kept.said()["touches"]] == [len(names(kept))]


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


@pytest.mark.parametrize("tenant", ["shop", "a/../b", "Ünï", "x" * 300, "x1", "-", "shop/segments"])
def test_every_tenant_has_a_log_of_its_own(tenant: str, tmp_path: Path):
    mine, others = Names(tenant), Names("other")
    assert mine.root != others.root
    assert mine.root.count("/") == 2 and len(mine.root) < 80


def test_metrics_tell_of_the_log(kept: Kept):
    keep(log_of(kept), batch("a"))
    kept.settle()
    told = {
        sample.name: sample.value
        for family in log_metrics(kept.services)
        for sample in family.samples
    }
    assert told["proffer_log_up"] == 1
    assert told["proffer_log_spill_bytes"] == told["proffer_log_lag_seconds"] == 0
    assert told["proffer_log_segments_total"] > 0
    assert told["proffer_log_spill_limit_bytes"] == 1 << 30
