"""The short way in for strangers' beacons: nobody can tell it from the long one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from control_plane.crowd import LEAST_BYTES, PLACES, Crowd, size_of
from control_plane.door import Door
from control_plane.errors import Refused
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_TYPE
from tests.control_plane.conftest import Running
from tests.control_plane.shop import event

pytestmark = pytest.mark.anyio
NOW_S = int(time.time())
SHOWN = {"decision": "a" * 32, "placement": "hero", "time_s": NOW_S}
BODIES: dict[str, bytes] = {
    "good": msgspec.json.encode([event("shop.proffer.exposure", "a", SHOWN)]),
    "bad": msgspec.json.encode([event("shop.proffer.exposure", "a", {})]),
    "empty": b"[]",
    "no batch": b"{",
    "too large": b" " * (BATCH_LIMIT_BYTES + 1),
}
COMES_AND_GOES = ("x-request-id", "date")


async def answer(plane: Running, body: bytes, *, long: bool, **headers: str) -> Any:
    """Status, headers and body; the long way is taken by what the type says beside itself."""
    media = f"{BATCH_TYPE}; charset=utf-8" if long else BATCH_TYPE
    told = await plane.client.post(
        "/v1/beacons", content=body, headers={"Content-Type": media} | headers
    )
    kept = {k: v for k, v in told.headers.items() if k not in COMES_AND_GOES}
    kept["has a number"] = str("x-request-id" in told.headers)
    return told.status_code, kept, told.content


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which exceptions and answers went the short way."""
    seen: list[str] = []
    real = Door._is_plain

    def is_plain(self: Door, scope: Any) -> bool:
        seen.append(scope["path"])
        return real(self, scope)

    monkeypatch.setattr(Door, "_is_plain", is_plain)
    return seen


@pytest.mark.parametrize("name", BODIES)
async def test_both_ways_answer_alike(plane: Running, short: list[str], name: str):
    await answer(plane, BODIES[name], long=False)  # so that both are duplicates
    ways = [await answer(plane, BODIES[name], long=long) for long in (False, True)]
    assert ways[0] == ways[1]
    assert short == ["/v1/beacons"] * 3


async def test_both_ways_say_alike_that_nothing_can_be_stored(plane: Running):
    plane.services.writer.close()
    ways = [await answer(plane, BODIES["good"], long=long) for long in (False, True)]
    assert ways[0] == ways[1]
    assert ways[0][0] == 503
    assert "retry-after" in ways[0][1]


async def test_both_ways_take_from_the_same_limit(plane: Running):
    app: Any = plane.client._transport.app  # type: ignore[attr-defined]
    app.state.limits.addresses._rate = 1
    statuses = [(await answer(plane, b"[]", long=n % 2 == 0))[0] for n in range(14)]
    assert statuses[:10] == [202] * 10
    assert set(statuses[10:]) == {429}


async def test_both_ways_are_counted_as_the_same_operation(plane: Running):
    for long in (False, True):
        await answer(plane, BODIES["good"], long=long)
    text = (await plane.client.get("/metrics")).text
    assert 'proffer_requests_total{operation="send_beacons",status="202"} 2.0' in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/beacons", 405), ("OPTIONS", "/v1/beacons", 204), ("POST", "/v1/beacons/", 404),
     ("POST", "/v1/beacons?a=b", 400)],
)  # fmt: skip
async def test_what_is_not_plain_goes_the_long_way(
    plane: Running, method: str, path: str, status: int
):
    told = await plane.client.request(
        method, path, content=b"[]", headers={"Content-Type": BATCH_TYPE}
    )
    assert told.status_code == status


async def test_a_crash_is_told_and_counted_as_any_other(
    plane: Running, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(plane.services.collector), "keep", broken)
    ways = [await answer(plane, BODIES["good"], long=long) for long in (False, True)]
    assert ways[0] == ways[1]
    assert ways[0][0] == 500


# --- room at the door ---------------------------------------------------------


def test_room_is_taken_by_what_a_batch_declares():
    assert size_of({}) == BATCH_LIMIT_BYTES
    assert size_of({"content-length": "100"}) == LEAST_BYTES
    assert size_of({"content-length": "100000"}) == 100_000
    assert size_of({"content-length": str(1 << 40)}) == BATCH_LIMIT_BYTES
    assert size_of({"content-length": "-5"}) == BATCH_LIMIT_BYTES
    assert size_of({"content-length": "100", "transfer-encoding": "chunked"}) == BATCH_LIMIT_BYTES


def test_there_is_room_for_so_many_that_declare_nothing_and_it_comes_back():
    crowd, held = Crowd(), []
    for _ in range(PLACES):
        held.append(crowd.place())
        held[-1].__enter__()
    with pytest.raises(Refused, match="room"), crowd.place():
        pass
    held.pop().__exit__(None, None, None)
    with crowd.place():
        pass


async def test_more_small_batches_than_places_are_read_at_once(plane: Running):
    asked = [answer(plane, BODIES["good"], long=False) for _ in range(3 * PLACES)]
    assert {told[0] for told in await asyncio.gather(*asked)} == {202}
