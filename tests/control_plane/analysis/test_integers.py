"""The queries give the integers that `outcomes.py` computes from the database."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select

from control_plane.analysis.queries import DecisionProfit, OfferDay, OrderWorth, UnitProfit
from control_plane.outcomes import learning_rows, order_worth, sides
from tests.control_plane.analysis.world import DAY_S, NOW_S, TENANT, WINDOW_S, World
from tests.control_plane.homes import BOTH
from tests.control_plane.shop import order_event

pytestmark = pytest.mark.anyio
HOMES = BOTH


async def live(world: World) -> None:
    """Ten days of thirty visitors: seen and unseen, ordered, redeemed, reversed, unattested."""
    chance = random.Random(7)
    for number in range(60):
        world.now_s = NOW_S + number * DAY_S // 6
        visitor = f"u{chance.randrange(30)}"
        session = number % 19 == 5
        decided = world.edge.decide(
            "" if session else visitor, world.now_s, consent="contextual" if session else "full"
        )
        events = [world.edge.decision_event(decided)]
        if chance.random() < 0.8:
            events.append(world.edge.shown_event(decided.slots[0], world.now_s + 1))
        if chance.random() < 0.3:
            events.append(world.edge.shown_event(decided.slots[0], world.now_s + 5, "click"))
        if chance.random() < 0.1:
            other = world.edge.decide(visitor, world.now_s)
            events.append(world.edge.decision_event(other, mac=""))
            events.append(world.edge.shown_event(other.slots[0], world.now_s))
        if chance.random() < 0.5:
            order, buyer = f"o{number}", f"u{chance.randrange(30)}"
            margin, discount = chance.randrange(100, 9000), chance.randrange(500)
            told = {"margin": f"{margin / 100:.2f}", "discount": f"{discount / 100:.2f}"}
            events.append(
                order_event(order, buyer, world.now_s + 60, customer=f"c{number % 4}", **told)
            )
            if chance.random() < 0.5:
                held = await world.redeem("a-mug/one", buyer, order, commit=number % 3 != 0)
                if number % 6 == 1:
                    await world.services.redemptions.reverse(held)
        await world.tell(*events)
    world.compact()


async def test_the_integers_are_those_that_the_database_gives(world: World) -> None:
    """One shop's ten days, looked at in every way: making them is what takes time."""
    await live(world)
    check_orders(world)
    check_decisions(world)
    check_sides(world, "hero")
    check_sides(world, "")
    check_report(world)


def check_orders(lively: World) -> None:
    with lively.services.database.reading() as connection:
        worth = order_worth(TENANT)
        expected = {tuple(row) for row in connection.execute(select(worth))}
    assert {(w.unit, w.order_id, w.time_s, w.profit_micros) for w in lively.rows(OrderWorth)} == (
        expected
    )
    assert len(expected) > 30


def check_decisions(lively: World) -> None:
    with lively.services.database.reading() as connection:
        expected = learning_rows(connection, TENANT, WINDOW_S)
    assert sum(row.orders for row in expected) > 10
    ours = {row.decision: row for row in lively.rows(DecisionProfit)}
    for row in expected:
        one = ours[row.decision]
        assert (one.arm, one.tickets, one.orders, one.profit_micros) == (
            row.arm,
            row.tickets,
            row.orders,
            row.profit_micros,
        )
    drawn_and_seen = {row.drawing for row in ours.values() if row.exposures and row.draw}
    assert drawn_and_seen == {row.decision for row in expected}


def check_sides(lively: World, placement: str) -> None:
    with lively.services.database.reading() as connection:
        expected = sides(connection, TENANT, WINDOW_S, placement or None)
    units = [row for row in lively.rows(UnitProfit) if row.placement == placement]
    for held, group in ((0, expected.treated), (1, expected.holdout)):
        mine = [row for row in units if row.held_least == row.held_most == held]
        total = sum(row.profit_micros for row in mine)
        assert (len(mine), sum(row.orders for row in mine)) == (group.units, group.orders)
        assert total == round(group.total * 1_000_000)
    assert len([row for row in units if row.held_least != row.held_most]) == expected.crossed
    assert expected.treated.orders > 0


def check_report(lively: World) -> None:
    """An order counts once per placement and offer version, however often that was seen."""
    shown = [row for row in lively.rows(DecisionProfit) if row.exposures and row.arm != "none"]
    worths = lively.rows(OrderWorth)
    credited = {
        (row.arm.split("/")[0], worth.order_id): worth.profit_micros
        for row in shown
        for worth in worths
        if worth.unit == row.unit and 0 <= worth.time_s - row.time_s < WINDOW_S
    }
    days = lively.rows(OfferDay)
    assert sum(day.orders for day in days) == len(credited) > 5
    assert sum(day.profit_micros for day in days) == sum(credited.values())
    assert len({day.version for day in days}) == len({day.offer for day in days})
