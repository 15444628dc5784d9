"""Three stores, the same promises: SQLite, PostgreSQL, and the log in a folder or a bucket."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from control_plane.eventlog.store import Batch
from control_plane.storage.failures import StorageUnavailable
from tests.control_plane.conftest import running
from tests.control_plane.eventlog.kinds import ALL, Kept
from tests.control_plane.shop import event, order_event, send

KINDS = ALL
NOW_S = int(time.time())


def shown(name: str, decision: str = "a" * 32, after_s: int = 0) -> dict[str, Any]:
    data = {"decision": decision, "placement": "hero", "time_s": NOW_S - 100 + after_s}
    return event("shop.proffer.exposure", name, data)


def names(kept: Kept) -> list[str]:
    return [row["id"] for row in kept.said()["events"]]


def test_an_event_counts_once_however_often_and_in_whatever_batch_it_comes(kept: Kept):
    for batch in (["a", "b"], ["a", "b"], ["b", "c", "c"], ["a"]):
        kept.keep(*map(shown, batch), received_s=NOW_S)
    kept.settle()
    assert sorted(names(kept)) == ["a", "b", "c"]
    assert [touch["count"] for touch in kept.said()["touches"]] == [3]


def test_the_same_name_of_another_source_is_another_event(kept: Kept):
    other = shown("a") | {"source": "/elsewhere"}
    kept.keep(shown("a"), other, received_s=NOW_S)
    kept.settle()
    assert len(kept.said()["events"]) == 2


def test_the_same_name_of_another_shop_is_another_event(kept: Kept):
    kept.keep(shown("a"), received_s=NOW_S)
    kept.settle()
    kept.keep_of_another_shop(shown("a"), received_s=NOW_S)
    assert {row["tenant"] for row in kept.said()["events"]} == {"tinyshop", "other"}


def test_what_is_acknowledged_is_there_after_a_crash_the_next_moment(kept: Kept):
    """Another process looks at the data the moment the receipt is there."""
    kept.keep(shown("a"), received_s=NOW_S)
    beside = Kept(kept.kind, kept.settings)
    try:
        beside.settle()
        assert names(beside) == ["a"]
    finally:
        beside.services.close()


def test_a_restart_keeps_everything(kept: Kept):
    kept.keep(shown("a"), received_s=NOW_S)
    kept.restart()
    kept.keep(shown("b"), shown("a"), received_s=NOW_S)
    kept.restart()
    kept.settle()
    assert sorted(names(kept)) == ["a", "b"]


def test_bad_events_go_to_quarantine_once_and_good_ones_beside_them_count(kept: Kept):
    bad = {"specversion": "1.0", "id": "bad", "source": "/edge", "type": "nonsense", "data": {}}
    for _ in range(2):
        kept.keep(bad, shown("good"), received_s=NOW_S)
    kept.settle()
    assert names(kept) == ["good"]
    assert len(kept.said()["quarantine"]) == 1


def test_a_store_that_cannot_keep_says_so_and_goes_on_when_it_can(kept: Kept):
    kept.keep(shown("before"), received_s=NOW_S)
    kept.settle()
    kept.break_down()
    for name in ("a", "b"):
        with pytest.raises(StorageUnavailable):
            kept.keep(shown(name), received_s=NOW_S)
    kept.mend()
    _again(kept, "a")
    kept.settle()
    assert "a" in names(kept)


def _again(kept: Kept, name: str) -> None:
    """As a sender does after Retry-After."""
    for _ in range(40):
        try:
            kept.keep(shown(name), received_s=NOW_S)
            return
        except StorageUnavailable:
            time.sleep(0.1)
    raise AssertionError("it does not go on")


def test_over_http_that_is_a_503_with_retry_after_and_never_a_202(kept: Kept):
    async def talk() -> None:
        kept.services.close()
        async with running(kept.settings) as plane:
            kept.services = plane.services
            assert (await send(plane.client, [shown("a")])).status_code == 202
            kept.break_down()
            for name in ("b", "c"):
                answer = await send(plane.client, [shown(name)])
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.json()["type"] == "/problems/storage-unavailable"
            kept.mend()
        kept.services = Kept(kept.kind, kept.settings).services

    asyncio.run(talk())


# --- the same tables ----------------------------------------------------------

MIXED = [
    *(shown(f"e{n}", decision=f"{n % 3:032x}", after_s=n) for n in range(6)),
    event("shop.proffer.click", "c1", shown("")["data"]),
    *(order_event(f"o{n}", f"visitor{n}", NOW_S - 50) for n in range(3)),
    {"specversion": "1.0", "id": "bad", "source": "/edge", "type": "nonsense", "data": {}},
    "no event at all",
]


def test_the_same_events_make_the_same_tables_in_any_order_and_with_repeats(kept: Kept):
    async def all_at_once(batches: list[list[int]]) -> None:
        await kept.keep_batches([_batch(MIXED[n] for n in batch) for batch in batches])

    def tables(batches: list[list[int]]) -> Any:
        kept.forget()
        asyncio.run(all_at_once(batches))
        kept.settle()
        return kept.said()

    wanted = tables([list(range(len(MIXED)))])
    assert {name: len(rows) for name, rows in wanted.items()} == {
        "events": 10, "touches": 4, "orders": 3, "order_units": 3, "quarantine": 2,
    }  # fmt: skip

    @examples(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
    @given(st.permutations(range(len(MIXED))), st.lists(st.integers(0, len(MIXED) - 1)), st.data())
    def holds(order: list[int], repeats: list[int], data: Any) -> None:
        stream = [*order, *repeats]
        cut = data.draw(st.integers(0, len(stream)))
        assert tables([stream[:cut], stream[cut:], *([n] for n in repeats[:3])]) == wanted

    holds()


def _batch(events: Any) -> Batch:
    raw = tuple(msgspec.json.encode(each) for each in events)
    return Batch(events=raw, from_shop=True, received_s=NOW_S)
