"""Guardrails of a ramp, from real records: beacons in, a roll-back out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from control_plane.accounts.actor import LOCAL
from control_plane.releasing import guardrails
from control_plane.releasing.ramps import Ramps
from control_plane.services import Services
from edge.decision.bundle import Bundle
from edge.decision.hashing import T
from tests.control_plane.ramping import (
    HALF,
    NOBODY,
    CanaryEdge,
    Clock,
    clock,
    compiled,
    dearer,
    ramps,
    shares,
    start,
)
from tests.control_plane.shop import order_event

__all__ = ["clock", "dearer", "ramps"]


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the numbers are right is asked of thousands elsewhere; here, whether they arrive."""
    monkeypatch.setattr(guardrails, "UNITS_LEAST", 50)
    monkeypatch.setattr(guardrails, "ORDERS_LEAST", 30)


def tell(services: Services, events: list[dict[str, Any]]) -> None:
    for first in range(0, len(events), 400):
        body = msgspec.json.encode(events[first : first + 400])
        receipt = asyncio.run(services.collector.accept(body, from_shop=True))
        assert not receipt.quarantined


def visit(
    services: Services, edge: CanaryEdge, names: Iterator[str], now_s: int,
    buys: Callable[[Bundle], float],
) -> None:  # fmt: skip
    chance, events = random.Random(7), []
    for name in names:
        decided = edge.decide(name, now_s)
        events.append(edge.decision_event(decided))
        if chance.random() < buys(edge.bundle):
            events.append(order_event(f"order-{name}", name, now_s + 30))
    tell(services, events)


def names(kind: str, count: int) -> Iterator[str]:
    return (f"{kind}-{number}" for number in range(count))


def test_a_canary_that_sells_less_goes_back_by_itself_and_one_that_sells_alike_does_not(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    edge = CanaryEdge(services)
    fair = start(ramps, dearer, steps=HALF)
    visit(services, edge, names("fair", 160), clock.now_s, lambda bundle: 0.4)
    seen = ramps.look()
    assert seen is not None and seen.ramp.state == "running"
    assert {m.state for m in seen.metrics} == {"in-bounds", "too-early"}
    ramps.abort(fair.id, actor=LOCAL)
    clock.now_s += 60
    ramp = start(ramps, dearer, steps=HALF)

    def buys(bundle: Bundle) -> float:
        return 0.05 if bundle.digest.hex() == ramp.bundle else 0.9

    visit(services, edge, names("lost", 160), clock.now_s, buys)
    seen = ramps.look()
    assert seen is not None and seen.ramp.state == "rolled-back"
    live = services.publisher.live()
    assert live is not None and (live.bundle, live.actor) == (ramp.base, "process:ramps")
    assert "profit per unit is" in live.note and shares(services.publisher) == [T]
    assert services.publisher.is_rolled_back()


def test_a_canary_that_offers_nearly_nobody_anything_goes_back(
    services: Services, ramps: Ramps, clock: Clock, tmp_path: Path
):
    edge = CanaryEdge(services)
    start(ramps, compiled(tmp_path, NOBODY), steps=HALF)
    visit(services, edge, names("seen", 160), clock.now_s, lambda bundle: 0.0)
    seen = ramps.look()
    assert seen is not None and seen.ramp.state == "rolled-back"
    assert [m.metric for m in seen.metrics if m.state == "breached"] == ["withheld"]


def test_decisions_from_before_and_pages_sessions_count_for_nobody(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    edge = CanaryEdge(services)
    visit(services, edge, names("early", 20), clock.now_s, lambda bundle: 1.0)
    ramp = start(ramps, dearer, steps=HALF)
    visit(services, edge, names("early", 10), clock.now_s + 60, lambda bundle: 0.0)
    events = [
        edge.decision_event(edge.decide("", clock.now_s, consent="contextual")) for _ in range(5)
    ]
    tell(services, events)
    (profit, *_) = ramps.metrics(ramp)
    assert profit.canary_units + profit.live_units == 10
    assert profit.canary == profit.live == 0.0
