"""What strangers may cost: room in quarantine, places at the door, time to arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from control_plane import endpoints
from control_plane.admission import Reason, Rejected, Trust
from control_plane.crowd import PLACES
from control_plane.quarantine import ROOM, Quarantined, Room, dropped, put_away
from control_plane.storage import tables as t
from edge.decision.events import BATCH_TYPE
from tests.control_plane.conftest import Running
from tests.control_plane.shop import send
from tests.control_plane.test_collecting import rows, sent

pytestmark = pytest.mark.anyio
NOW_S = int(time.time())


def put(plane: Running, trust: Trust, *raws: bytes, room: Room) -> None:
    unreadable = Rejected(Reason.UNREADABLE, "no event")
    bad = [Quarantined(raw, unreadable, trust) for raw in raws]
    with plane.services.database.writing() as connection:
        put_away(connection, "tinyshop", bad, NOW_S, room)


async def test_quarantine_has_room_for_so_many_and_the_oldest_go_first(plane: Running):
    small = Room(rows=3, size_bytes=1000)
    for number in range(5):
        put(plane, Trust.PAGE, b"%d" % number, room=small)
    assert [row.event for row in rows(plane, t.quarantine)] == [b"2", b"3", b"4"]
    put(plane, Trust.PAGE, b"x" * 998, room=small)
    assert [row.event for row in rows(plane, t.quarantine)] == [b"3", b"4", b"x" * 998]
    put(plane, Trust.PAGE, b"y" * 999, room=small)
    assert [row.event for row in rows(plane, t.quarantine)] == [b"y" * 999]
    with plane.services.database.reading() as connection:
        assert dropped(connection, "tinyshop") == {"page": 6}


async def test_strangers_push_nothing_of_the_shop_out_of_quarantine(plane: Running):
    small = Room(rows=2, size_bytes=1000)
    put(plane, Trust.SHOP, b"same bytes", b"the shop's", room=small)
    put(plane, Trust.PAGE, b"same bytes", *(b"%d" % n for n in range(9)), room=small)
    kept = {(row.trust, row.event) for row in rows(plane, t.quarantine)}
    assert kept == {
        ("shop", b"same bytes"),
        ("shop", b"the shop's"),
        ("page", b"7"),
        ("page", b"8"),
    }


async def test_a_flood_over_http_stays_within_the_room_and_the_console_tells(plane: Running):
    for first in range(0, ROOM.rows + 1000, 1000):
        await sent(plane, *range(first, first + 1000))
    assert len(rows(plane, t.quarantine)) == ROOM.rows
    assert "1,000 older ones were dropped" in (await plane.client.get("/console")).text


async def test_a_record_that_the_edge_attested_is_in_quarantine_as_the_edges(plane: Running):
    decided = plane.edge.decide("u", NOW_S)
    unknown = decided.record.replace(bytes.fromhex(plane.edge.live.bundle), bytes(32))
    forged = msgspec.structs.replace(decided, record=unknown)
    await sent(plane, plane.edge.decision_event(forged))
    (row,) = rows(plane, t.quarantine)
    assert (row.reason, row.trust) == ("UNKNOWN_BUNDLE", "edge")


async def test_so_many_batches_of_strangers_are_read_at_a_time(plane: Running):
    """Each holds its place with a body that does not end; the shop does not queue with them."""
    hold, reading = asyncio.Event(), asyncio.Semaphore(0)

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        reading.release()
        await hold.wait()
        yield b"]"

    async def stranger() -> int:
        headers = {"Content-Type": BATCH_TYPE}
        answer = await plane.client.post("/v1/beacons", content=body(), headers=headers)
        return answer.status_code

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waiting = [group.create_task(stranger()) for _ in range(PLACES)]
        for _ in waiting:
            await reading.acquire()
        turned_away = await send(plane.client, [])
        assert turned_away.status_code == 503
        assert turned_away.json()["type"] == "/problems/busy"
        assert turned_away.headers["retry-after"] == "1"
        assert (await send(plane.client, [], plane.shop_key)).status_code == 202
        hold.set()
    assert [task.result() for task in waiting] == [202] * PLACES
    assert (await send(plane.client, [])).status_code == 202


async def test_a_batch_that_drips_is_given_up(plane: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoints, "BATCH_WITHIN_S", 0.1)

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    headers = {"Content-Type": BATCH_TYPE}
    answer = await plane.client.post("/v1/beacons", content=body(), headers=headers)
    assert answer.status_code == 408
