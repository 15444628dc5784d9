"""Clocks that are wrong: by hours, in both directions, of one process or of all.

The sequence alone says what is newer; `issued_s` is what the clock said and may go back.  So
no clock can lock a channel: what was signed in the future is signed anew as soon as a clock
that is right looks, and edges go on with their last good policy meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.decision.errors import TrustError
from edge.decision.trust import Floor, accept_manifest, floor_of, pin_root
from edge.local_crypto import verify_ed25519
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.press import HOUR_S, ONE, TWO, Press

HOMES = BOTH


@pytest.fixture
def press(tmp_path: Path, home: StorageHome) -> Iterator[Press]:
    press = Press(home.settings(tmp_path))
    yield press
    press.close()


class Edge:
    """Whose clock is right, whatever the publisher's says."""

    def __init__(self, press: Press) -> None:
        self.press = press
        self.now_s = press.now_s
        self.floor: Floor | None = None
        self.sequence = 0
        self.expires_s = 0

    def look(self) -> str:
        """What it makes of the channel's file: "" or the code of its refusal."""
        return asyncio.run(self._look())

    async def _look(self) -> str:
        root = await pin_root(
            self.press.store.get("keys/root.1.jws") or b"", verify_ed25519, "shop"
        )
        try:
            manifest = await accept_manifest(
                root, self.floor, self.press.file(), verify_ed25519, self.now_s, "shop",
                "production", "edge",
            )  # fmt: skip
        except TrustError as error:
            return error.code
        self.floor, self.sequence = floor_of(manifest), manifest.sequence
        self.expires_s = manifest.expires_s
        return ""

    @property
    def has_policy(self) -> bool:
        return bool(self.sequence) and self.now_s < self.expires_s


@pytest.mark.parametrize("hours", [1, 6, 23, 24 * 365])
def test_a_clock_ahead_by_hours_locks_no_channel(press: Press, hours: int):
    edge = Edge(press)
    press.publish(ONE)
    assert edge.look() == ""
    press.now_s += hours * HOUR_S
    ahead = press.publish(TWO)
    assert edge.look() == "NOT_YET_VALID"
    assert edge.has_policy and edge.sequence == 1
    press.now_s = edge.now_s  # the clock is set right, and the next look finds it
    signed = press.publisher.resign_if_due()
    assert signed is not None and signed.bundle == ahead.bundle
    assert signed.issued_s < ahead.issued_s and signed.sequence == ahead.sequence + 1
    assert edge.look() == ""
    assert edge.sequence == signed.sequence
    assert press.publisher.resign_if_due() is None


@pytest.mark.parametrize("hours", [1, 6, 23, 48])
def test_a_clock_behind_by_hours_locks_no_channel(press: Press, hours: int):
    edge = Edge(press)
    press.publish(ONE)
    assert edge.look() == ""
    press.now_s -= hours * HOUR_S
    press.publish(TWO)
    assert edge.look() == ("" if hours < 24 else "EXPIRED")
    assert edge.has_policy
    press.now_s = edge.now_s
    assert (press.publisher.resign_if_due() is None) == (hours < 4)
    assert edge.look() == ""
    assert edge.sequence == (2 if hours < 4 else 3)


def test_a_minute_is_no_fault(press: Press):
    press.publish(ONE)
    press.now_s -= 60
    assert press.publisher.resign_if_due() is None


def test_two_processes_whose_clocks_differ_by_hours_come_to_rest(press: Press):
    """The one whose clock is ahead signs early; the other mends that by its next look."""
    edge = Edge(press)
    press.publish(ONE)
    right, ahead = press.another(), press.another()
    ahead._signings.now_s = lambda: press.now_s + 2 * HOUR_S
    refusals = 0
    for _ in range(24 * 4):  # a day, a look of each per quarter of an hour
        press.now_s += 900
        edge.now_s += 900
        ahead.resign_if_due()
        refusals += edge.look() != ""
        right.resign_if_due()
        assert edge.look() == ""
        assert edge.has_policy
    live = press.publisher.live()
    assert live is not None
    assert refusals <= 24 // 2
    assert live.sequence <= 2 + 2 * 24 // 2


def test_the_sequence_alone_says_what_is_newer(press: Press):
    times = [0, 5, -7, 3, -1]
    signed = []
    for hours in times:
        press.now_s = 1_790_000_000 + hours * HOUR_S
        signed.append(press.publish(ONE))
    assert [s.sequence for s in signed] == [1, 2, 3, 4, 5]
    assert press.file() == signed[-1].signed
    assert press.publisher.live() == signed[-1]
