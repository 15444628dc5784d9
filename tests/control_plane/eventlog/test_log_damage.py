"""The log when something in it is damaged, late, gone, or cannot be folded."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from control_plane.eventlog import reader as reading
from control_plane.eventlog.folding import LATE_S, Folding
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.naming import Names
from control_plane.eventlog.segments import BODY_AT, frame, segment
from control_plane.eventlog.store import Batch, EventStore
from control_plane.facts import Receipt
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import Tampered
from control_plane.telemetry.log_metrics import log_metrics
from tests.control_plane.eventlog.kinds import Kept
from tests.control_plane.eventlog.logs import (
    NOW_S,
    batch,
    folding_of,
    keep,
    log_of,
    names,
    offsets,
    overwrite,
    put_by_hand,
)


@pytest.fixture
def lane() -> str:
    return os.urandom(12).hex()


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


def test_a_lane_goes_on_after_a_gap_however_long_the_patience_was(
    kept: Kept, lane: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for number in (1, 3, 6):
        put_by_hand(kept, lane, number, segment([frame(batch(f"number {number}"))]))
    folding = folding_of(kept)
    monkeypatch.setattr(reading, "GAP_PATIENCE_S", 0.2)
    deadline_s = time.monotonic() + 10
    while names(kept) != {"number 1", "number 3", "number 6"} and time.monotonic() < deadline_s:
        asyncio.run(folding.fold(all_lanes=True))
        time.sleep(0.02)
    assert names(kept) == {"number 1", "number 3", "number 6"}
    assert caplog.text.count("ALARM") == 2


def test_events_that_come_after_a_week_are_set_aside_since_they_might_count_twice(
    kept: Kept, lane: str
):
    late = batch("late", received_s=NOW_S - LATE_S - 60)
    put_by_hand(kept, lane, 1, segment([frame(late), frame(batch("fresh"))]))
    kept.settle()
    assert names(kept) == {"fresh"}
    assert offsets(kept).aside > 0


class Breaking:
    """A collector that raises on events that say so, as often as it is told to."""

    def __init__(self, into: EventStore, error: Exception, times: int) -> None:
        self.into, self.error, self.times = into, error, times

    async def keep(self, batch: Batch) -> Receipt:
        if self.times and any(b"poison" in each for each in batch.events):
            self.times -= 1
            raise self.error
        return await self.into.keep(batch)


@pytest.mark.parametrize("error", [ValueError("a bug"), Tampered("a rotten bundle")])
def test_a_batch_that_breaks_the_collector_is_set_aside_and_the_lane_goes_on(
    kept: Kept, lane: str, error: Exception
):
    turn = Turn("tinyshop", kept.services.writer)
    into = Breaking(kept.services.collector, error, times=1)
    folding = Folding(log_of(kept), into, turn, 86400)
    put_by_hand(kept, lane, 1, segment([frame(batch("poison")), frame(batch("beside"))]))
    put_by_hand(kept, lane, 2, segment([frame(batch("later"))]))
    asyncio.run(folding.fold_whole())
    assert names(kept) == {"beside", "later"}
    asyncio.run(folding.fold_aside())  # the next start, with the bug mended
    assert names(kept) >= {"beside", "later", "poison"}


def test_what_the_database_cannot_take_now_waits_in_the_log(kept: Kept, lane: str):
    turn = Turn("tinyshop", kept.services.writer)
    into = Breaking(kept.services.collector, StorageUnavailable("away"), times=2)
    folding = Folding(log_of(kept), into, turn, 86400)
    put_by_hand(kept, lane, 1, segment([frame(batch("poison"))]))
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            asyncio.run(folding.fold_whole())
    asyncio.run(folding.fold_whole())
    assert names(kept) == {"poison"}


def test_offsets_that_cannot_be_read_cost_work_and_lose_nothing(kept: Kept):
    keep(log_of(kept), batch("a"))
    kept.settle()
    overwrite(kept, log_of(kept).names.offsets, b"{rotten")
    kept.settle()
    assert "a" in names(kept)
    assert [touch["count"] for touch in kept.said()["touches"]] == [len(names(kept))]


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
