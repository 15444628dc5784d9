"""The decision log on its way, over a real connection that works, hangs or refuses."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from edge import outbox as module
from edge.decision.events import BATCH_LIMIT_BYTES, DecisionData
from edge.outbox import BATCH_EVENTS, Outbox
from tests.support import edges
from tests.support.edges import ControlPlane, MovedHome, event_of, running

SECRET = b"e" * 32
Story = Callable[[Outbox, ControlPlane], Awaitable[None]]


def tell(data: Path, story: Story, limit: int = 10_000, start: bool = True) -> ControlPlane:
    """Run a story with an outbox that is stopped at the end."""
    control = ControlPlane()

    async def run() -> None:
        with running(control.app()) as url:
            home = MovedHome(url, "http://127.0.0.1:9", data)
            outbox = Outbox(home, SECRET, "pocket", limit)
            if start:
                outbox.start()
            await story(outbox, control)
            await outbox.stop()
            await home.close()

    asyncio.run(run())
    return control


async def until(true: Callable[[], object]) -> None:
    """Wait, without standing in the way of what is waited for."""
    await asyncio.to_thread(edges.until, true)


def ids(control: ControlPlane) -> list[str]:
    return [event["id"] for event in control.events()]


def log(outbox: Outbox, count: int, size_bytes: int = 100) -> None:
    for number in range(count):
        outbox.log(f"{number:032x}", number.to_bytes(4, "big") * (size_bytes // 4))


def test_an_event_says_what_was_decided_and_who_says_so(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        outbox.log("d" * 32, b"record")
        await until(lambda: not outbox)

    (raw,) = tell(tmp_path, story).events()
    event = event_of(raw)
    assert (event.source, event.id, event.type) == (
        "/edge/pocket",
        "d" * 32,
        "shop.proffer.decision",
    )
    data = msgspec.json.decode(event.data, type=DecisionData)
    assert data.record == b"record"
    assert data.mac == hmac.digest(SECRET, b"record", "sha256").hex()


def test_records_travel_in_batches_and_in_order(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 2 * BATCH_EVENTS + 1)
        await until(lambda: not outbox)

    control = tell(tmp_path, story)
    assert ids(control) == [f"{number:032x}" for number in range(2 * BATCH_EVENTS + 1)]
    assert [len(batch) for batch in control.batches] == [BATCH_EVENTS, BATCH_EVENTS, 1]


def test_a_batch_stays_within_the_bytes_that_the_control_plane_takes(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 30, size_bytes=45_000)
        await until(lambda: not outbox)

    control = tell(tmp_path, story)
    assert len(ids(control)) == 30
    sizes = [len(msgspec.json.encode(batch)) for batch in control.batches]
    assert len(sizes) > 1 and max(sizes) <= BATCH_LIMIT_BYTES


def test_what_could_not_be_sent_is_sent_again(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        control.status = 503
        log(outbox, 3)
        await until(lambda: outbox.tally.failures >= 2)
        assert len(outbox) == 3
        control.status = 200
        await until(lambda: not outbox)
        assert outbox.tally.sent == 3

    assert len(ids(tell(tmp_path, story))) == 3


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_troubles_that_may_pass_cost_no_record(tmp_path: Path, status: int) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        control.status = status
        log(outbox, 1)
        await until(lambda: outbox.tally.failures)
        control.status = 200

    assert len(ids(tell(tmp_path, story))) == 1


def test_what_is_refused_for_good_is_dropped_and_counted(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        control.status = 413
        log(outbox, 2)
        await until(lambda: not outbox)
        assert outbox.tally.dropped_refused == 2
        control.status = 200
        outbox.log("e" * 32, b"next")

    assert ids(tell(tmp_path, story)) == ["e" * 32]


def test_the_queue_is_bounded_and_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 13)
        assert (len(outbox), outbox.tally.dropped_full) == (10, 3)

    assert len(ids(tell(tmp_path, story, limit=10))) == 10


def test_a_record_beyond_the_size_of_an_event_is_dropped_and_counted(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 1, size_bytes=64 << 10)
        assert (len(outbox), outbox.tally.dropped_large) == (0, 1)

    assert ids(tell(tmp_path, story)) == []


def test_stopping_sends_what_is_queued(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 450)

    assert len(set(ids(tell(tmp_path, story)))) == 450


def test_stopping_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.2)

    async def story(outbox: Outbox, control: ControlPlane) -> None:
        control.status = 503
        log(outbox, 2)

    assert ids(tell(tmp_path, story)) == []
    assert "2 records were not sent" in caplog.text


def test_stopping_in_the_middle_of_sending_loses_nothing(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 2)
        await until(lambda: "/v1/beacons" in control.asked or outbox.tally.failures)

    assert set(ids(tell(tmp_path, story))) == {f"{0:032x}", f"{1:032x}"}


def test_an_outbox_that_never_ran_still_sends_at_the_end(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 1)

    assert len(ids(tell(tmp_path, story, start=False))) == 1
