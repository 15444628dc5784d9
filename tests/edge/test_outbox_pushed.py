"""An outbox that is pushed by requests, for homes without tasks of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge import outbox as module
from edge.decision.host import HostError
from edge.home import Refused
from edge.outbox import BATCH_EVENTS, Outbox
from tests.edge.test_outbox import ids, log, tell
from tests.support.edges import ControlPlane


def test_a_push_sends_all_that_is_queued_in_batches(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, BATCH_EVENTS + 1)
        await outbox.push()
        assert (len(outbox), outbox.tally.sent) == (0, BATCH_EVENTS + 1)

    control = tell(tmp_path, story, start=False)
    assert [len(batch) for batch in control.batches] == [BATCH_EVENTS, 1]


def test_a_push_that_fails_keeps_everything_in_its_order_for_the_next(tmp_path: Path) -> None:
    async def story(outbox: Outbox, control: ControlPlane) -> None:
        log(outbox, 3)
        control.status = 503
        await outbox.push()
        assert (len(outbox), outbox.tally.failures) == (3, 1)
        control.status = 200
        await outbox.push()

    control = tell(tmp_path, story, start=False)
    assert ids(control) == [f"{number:032x}" for number in range(3)]


class Slow:
    """A way out that takes batches only when it is told to."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.may_go = asyncio.Event()
        self.error: Exception | None = None

    async def send(self, events: bytes) -> None:
        self.taken.append(events)
        await self.may_go.wait()
        if self.error:
            raise self.error


def pushed(home: Slow) -> Outbox:
    made = Outbox(home, bytes(32), "pocket")  # type: ignore[arg-type]
    log(made, 2)
    return made


def test_pushes_at_the_same_time_do_not_send_twice() -> None:
    async def story() -> None:
        home = Slow()
        outbox = pushed(home)
        pushes = [asyncio.create_task(outbox.push()) for _ in range(3)]
        await asyncio.sleep(0)
        home.may_go.set()
        await asyncio.gather(*pushes)
        assert (len(home.taken), outbox.tally.sent, len(outbox)) == (1, 2, 0)

    asyncio.run(story())


def test_a_push_that_was_lost_with_its_request_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The platform ended its request: what it waits for comes too late, or never."""

    async def story() -> None:
        home = Slow()
        outbox = pushed(home)
        lost = asyncio.create_task(outbox.push())
        await asyncio.sleep(0)
        assert len(outbox) == 0
        away, home.may_go = home.may_go, asyncio.Event()
        home.may_go.set()
        await outbox.push()
        assert home.taken[0] == home.taken[1]
        home.error = HostError("reset")
        away.set()
        await lost
        assert (outbox.tally.sent, len(outbox)) == (2, 0)

    monkeypatch.setattr(module, "PUSH_S", -1.0)
    asyncio.run(story())


def test_what_is_refused_for_good_is_not_kept() -> None:
    async def story() -> None:
        home = Slow()
        home.error = Refused("no")
        home.may_go.set()
        outbox = pushed(home)
        await outbox.push()
        assert (len(outbox), outbox.tally.dropped_refused) == (0, 2)

    asyncio.run(story())
