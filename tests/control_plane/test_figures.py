"""The console's and the learner's numbers are the same integers on every database."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from control_plane.console.figures import Figures, read_figures
from control_plane.learning.loop import Learner
from control_plane.outcomes import learning_rows, sides
from policy_compiler.weigh import Weights
from tests.control_plane.conftest import Running
from tests.control_plane.homes import BOTH
from tests.control_plane.shop import order_event, send

pytestmark = pytest.mark.anyio
HOMES = BOTH
NOW_S = int(time.time()) - 600
WEEK_S = 7 * 86400
VISITORS = 150


class Told:
    """What was sent, counted by hand."""

    def __init__(self) -> None:
        self.shown, self.ghosts, self.orders = 0, 0, 0
        self.arms: dict[str, int] = {}


async def visit(plane: Running) -> Told:
    told, events, orders = Told(), [], []
    for number in range(VISITORS):
        visitor = f"v{number}"
        decided = plane.edge.decide(visitor, NOW_S + number)
        (slot,) = decided.slots
        held = bool(slot.row.flags & 3)
        shown: dict[str, Any] = plane.edge.shown_event(slot, NOW_S + number + 1)
        shown["data"]["track"] = "ghost" if held else "shown"
        events += [plane.edge.decision_event(decided), shown]
        told.ghosts += held
        told.shown += not held
        if not held:
            told.arms[slot.arm] = told.arms.get(slot.arm, 0) + 1
        if number % 3 == 0:
            orders.append(order_event(f"o{number}", visitor, NOW_S + number + 60))
            told.orders += 1
    assert (await send(plane.client, events)).status_code == 202
    assert (await send(plane.client, orders, plane.shop_key)).status_code == 202
    return told


def figures(plane: Running) -> Figures:
    with plane.services.database.reading() as connection:
        return read_figures(connection, "tinyshop", ["hero"], WEEK_S, NOW_S + 300)


async def test_what_was_sent_is_what_is_shown(plane: Running):
    told = await visit(plane)
    found = figures(plane)
    totals = found.totals
    assert (totals.decisions, totals.exposures, totals.ghosts) == (
        VISITORS,
        told.shown,
        told.ghosts,
    )
    assert (totals.orders, totals.revenue_micros) == (told.orders, told.orders * 60_000_000)
    assert isinstance(totals.revenue_micros, int)
    assert sum(totals.revenue_series) == totals.revenue_micros
    assert {row.arm: row.exposures for row in found.placements["hero"].arms} == told.arms
    page = await plane.client.get("/console")
    assert page.status_code == 200 and "Hero" in page.text


async def test_profit_and_learning_rows_are_whole_micros(plane: Running):
    told = await visit(plane)
    with plane.services.database.reading() as connection:
        both = sides(connection, "tinyshop", WEEK_S)
        rows = learning_rows(connection, "tinyshop", WEEK_S)
    assert isinstance(both.treated.orders, int)
    assert 0 < both.treated.orders + both.holdout.orders <= told.orders
    assert {row.profit_micros for row in rows} == {0, 20_000_000}
    assert all(type(row.profit_micros) is int and type(row.orders) is int for row in rows)
    headers = {"Authorization": f"Bearer {plane.shop_key}"}
    profit = await plane.client.get("/v1/profit/hero", headers=headers)
    assert profit.status_code == 200, profit.text


async def test_what_was_learned_is_kept_and_one_learner_works_at_a_time(plane: Running):
    await visit(plane)
    learner, other = Learner(plane.services), Learner(plane.services)
    await asyncio.to_thread(learner.learn_once, int(time.time()))
    assert not await asyncio.to_thread(other._is_mine, int(time.time()))
    await asyncio.to_thread(learner.end)
    assert await asyncio.to_thread(other._is_mine, int(time.time()))
    for share in (1, 2):
        weights = Weights(allocations={"hero": {"*": {"none": 1, "a-mug/one": share}}})
        await asyncio.to_thread(plane.services.catalog.publish_weights, weights, note="test")
    assert plane.edge.live.reason == "learn"
    assert plane.services.catalog.weights().allocations["hero"]["*"]["a-mug/one"] == 2


async def test_what_is_quarantined_is_counted_and_bounded(plane: Running):
    events: list[Any] = [{"nonsense": n, "said": "\0"} for n in range(7)]
    answer = await send(plane.client, events)
    assert answer.json()["quarantined"] == 7
    assert figures(plane).quarantine == [("UNREADABLE", 7)]
    await asyncio.to_thread(plane.services.collector.replay_quarantine)
    assert figures(plane).quarantine == [("UNREADABLE", 7)]
