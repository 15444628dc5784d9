"""Joining decisions with what came of them, on records that a real decision made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from control_plane.appraisal import CartFacts
from control_plane.collecting import Collector
from control_plane.outcomes import LearningRow, Sides, learning_rows, sides
from control_plane.redemption import Reserve
from control_plane.services import Services
from edge.decision.beacon import GLOBAL_HOLDOUT, HOLDOUT, KEPT
from tests.control_plane.homes import BOTH
from tests.control_plane.shop import Decided, Edge, order_event

pytestmark = pytest.mark.anyio
HOMES = BOTH
NOW_S = 1_790_000_000
DAY_S = 86400
WINDOW_S = 7 * DAY_S
HERO = GLOBAL_HOLDOUT | HOLDOUT


class World:
    """A shop whose visitors do what a test says."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.edge = Edge(services)
        self.orders = 0
        self.now_s = NOW_S
        services.collector._now_s = lambda: self.now_s

    async def tell(self, *events: Any) -> None:
        collector: Collector = self.services.collector
        receipt = await collector.accept(msgspec.json.encode(list(events)), from_shop=True)
        assert receipt.quarantined == 0

    async def visit(
        self, visitor: str, time_s: int = NOW_S, *, seen: bool = True, **fields: Any
    ) -> Decided:
        self.now_s = max(self.now_s, time_s)
        decided = self.edge.decide(visitor, time_s, **fields)
        await self.tell(self.edge.decision_event(decided))
        if seen:
            await self.tell(self.edge.shown_event(decided.slots[0], time_s + 1))
        return decided

    async def buy(self, visitor: str, time_s: int = NOW_S + 60, **changes: Any) -> str:
        self.orders += 1
        self.now_s = max(self.now_s, time_s)
        name = f"o{self.orders}"
        await self.tell(order_event(name, visitor, time_s, **changes))
        return name

    def who(self, flags: int, *, arm: str | None = None, but: tuple[str, ...] = ()) -> str:
        """A visitor who is in exactly these holdouts; on the ghost track this arm wins, or any."""
        for number in range(3000):
            name = f"u{number}"
            (slot,) = self.edge.decide(name, NOW_S).slots
            wins = slot.ghost == arm if arm else slot.ghost != "none"
            if name not in but and slot.row.flags & HERO == flags and wins:
                return name
        raise AssertionError("there is no such visitor")

    def sides(self, placement: str | None = "hero") -> Sides:
        with self.services.database.reading() as connection:
            return sides(connection, "tinyshop", WINDOW_S, placement)

    def rows(self, **changes: Any) -> list[LearningRow]:
        with self.services.database.reading() as connection:
            return learning_rows(connection, "tinyshop", WINDOW_S, **changes)


@pytest.fixture
def world(services: Services) -> World:
    return World(services)


# --- measurement --------------------------------------------------------------


async def test_treated_and_held_out_units_are_told_apart_with_their_profit(world: World):
    treated, held = world.who(0), world.who(HOLDOUT)
    for visitor in (treated, held):
        await world.visit(visitor)
        await world.buy(visitor, margin="20.00", discount="6.00")
    found = world.sides()
    for group in (found.treated, found.holdout):
        assert (group.units, group.orders, group.total, group.squares) == (1, 1, 14.0, 196.0)


async def test_the_global_holdout_is_held_out_everywhere_and_measured_by_itself(world: World):
    everywhere, here = world.who(GLOBAL_HOLDOUT), world.who(HOLDOUT)
    for visitor in (everywhere, here, world.who(0)):
        await world.visit(visitor)
    assert (world.sides("hero").treated.units, world.sides("hero").holdout.units) == (1, 2)
    assert (world.sides(None).treated.units, world.sides(None).holdout.units) == (2, 1)
    assert world.sides("checkout") == Sides()


async def test_a_unit_is_one_observation_however_often_it_comes(world: World):
    visitor = world.who(0)
    for minutes in range(3):
        await world.visit(visitor, NOW_S + 60 * minutes)
    for _ in range(2):
        await world.buy(visitor, NOW_S + 600, margin="10.00")
    group = world.sides().treated
    assert (group.units, group.orders, group.total, group.squares) == (1, 2, 20.0, 400.0)


async def test_a_place_that_nobody_saw_does_not_count(world: World):
    await world.visit(world.who(0), seen=False)
    assert world.sides() == Sides()


async def test_a_unit_for_whom_no_offer_would_win_is_on_neither_side(world: World):
    await world.visit(world.who(0, arm="none"))
    await world.visit(world.who(HOLDOUT, arm="none"))
    assert world.sides() == Sides()


@pytest.mark.parametrize(("after_s", "counts"), [(-1, 0), (0, 1), (WINDOW_S - 1, 1), (WINDOW_S, 0)])
async def test_an_order_counts_within_the_attribution_window(
    world: World, after_s: int, counts: int
):
    visitor = world.who(0)
    await world.visit(visitor)
    await world.buy(visitor, NOW_S + after_s)
    assert world.sides().treated.orders == counts
    assert sum(row.orders for row in world.rows()) == counts


async def test_a_record_without_the_edges_word_is_never_measured(world: World):
    decided = world.edge.decide(world.who(0), NOW_S)
    await world.tell(
        world.edge.decision_event(decided, mac=""),
        world.edge.shown_event(decided.slots[0], NOW_S),
    )
    assert world.sides() == Sides()
    assert world.rows() == []


async def test_a_page_session_is_never_measured(world: World):
    await world.visit("", consent="contextual")
    assert world.sides() == Sides()
    assert world.rows() == []


async def test_another_units_order_is_nobodys_profit(world: World):
    await world.visit(world.who(0))
    await world.buy("somebody else")
    assert world.sides().treated.orders == 0


async def test_a_redeemed_offer_costs_what_redemption_says(world: World):
    """The shop told a discount of nothing, yet a mug was given away."""
    visitor = world.who(0)
    await world.visit(visitor)
    order = await world.buy(visitor, margin="20.00", discount="0.00")
    await redeem(world, "a-mug/one", visitor, order)
    assert world.sides().treated.total == 16.0
    (row,) = world.rows()
    assert row.profit_micros == 16_000_000


async def redeem(world: World, arm: str, visitor: str, order: str) -> None:
    desk = world.services.redemptions
    token = world.edge.token(arm, visitor, NOW_S, expires_s=NOW_S + 10**9)
    cart = CartFacts("60.00", "20.00", {})
    held = await desk.reserve(Reserve(token, order, cart, visitor=visitor))
    await desk.commit(held.reservation)


async def test_a_unit_that_was_on_both_sides_is_on_neither_and_counted(world: World):
    """The holdout's salt changed between two visits."""
    visitor = world.who(0)
    await world.visit(visitor)
    folder = world.services.settings.catalog
    assert folder is not None
    text = (folder / "catalog.yaml").read_text()
    for number in range(100):
        changed = text.replace('salt: "h"', f'salt: "h{number}"')
        (folder / "catalog.yaml").write_text(changed)
        world.services.catalog.publish(actor="test")
        (slot,) = world.edge.decide(visitor, NOW_S).slots
        if slot.row.flags & HOLDOUT and slot.ghost != "none":
            break
    await world.visit(visitor, NOW_S + 60)
    found = world.sides()
    assert (found.treated.units, found.holdout.units, found.crossed) == (0, 0, 1)


# --- learning -----------------------------------------------------------------


async def test_a_fresh_draw_is_a_row_with_its_exact_chances(world: World):
    visitor = world.who(0, arm="ten-off/p10")
    decided = await world.visit(visitor)
    await world.buy(visitor, margin="20.00")
    (row,) = world.rows()
    assert row.decision == decided.slots[0].id
    assert (row.placement, row.segment, row.unit) == ("hero", "known", f"v:{visitor}")
    assert (row.arm, row.profit_micros, row.orders, row.ordered) == (
        "ten-off/p10",
        20_000_000,
        1,
        True,
    )
    assert sum(tickets for _, tickets in row.listed) == 1 << 20
    assert dict(row.listed)[row.arm] == row.tickets


async def test_drawing_none_is_a_row_like_any_other(world: World):
    await world.visit(world.who(0, arm="none"))
    (row,) = world.rows()
    assert (row.arm, row.profit_micros, row.ordered) == ("none", 0, False)


async def test_held_out_units_drew_nothing_and_teach_nothing(world: World):
    await world.visit(world.who(HOLDOUT))
    await world.visit(world.who(GLOBAL_HOLDOUT))
    assert world.rows() == []


async def test_what_a_kept_arm_brought_belongs_to_the_draw_that_was_kept(world: World):
    visitor = world.who(0)
    first = await world.visit(visitor, seen=False)
    (slot,) = first.slots
    assert world.rows() == []
    kept = {
        "placement_key": world.edge.bundle.tables.placement_key[slot.row.placement],
        "slot": 0,
        "redraw": 0,
        "epoch": slot.row.epoch,
        "arm_key": world.edge.bundle.tables.rung_key[slot.row.shown.arm - 1],
        "drawn_by": slot.id,
    }
    again = await world.visit(visitor, NOW_S + 60, state={"caps": [], "kept": [kept]})
    assert again.slots[0].row.shown.draw == KEPT
    await world.buy(visitor, NOW_S + 120)
    (row,) = world.rows()
    assert (row.decision, row.orders) == (slot.id, 1)


async def test_rows_are_those_of_the_time_asked_for(world: World):
    for minutes, visitor in enumerate((world.who(0), world.who(0, but=(world.who(0),)))):
        await world.visit(visitor, NOW_S + 60 * minutes)
    assert [row.time_s for row in world.rows()] == [NOW_S, NOW_S + 60]
    assert [row.time_s for row in world.rows(since_s=NOW_S + 1)] == [NOW_S + 60]
    assert [row.time_s for row in world.rows(until_s=NOW_S + 60)] == [NOW_S]


async def test_the_segment_is_the_row_of_the_allocation(world: World):
    await world.visit(world.who(0), attributes={"visit.kind": "new"})
    await world.visit("u-x1", attributes={})
    segments = {row.segment for row in world.rows()}
    assert segments <= {"new", "*"} and segments
