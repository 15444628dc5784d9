"""What is read of the database, and when a day counts as changed: on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from control_plane.analysis.columns import DUCKDB_TYPES, SHAPES
from control_plane.storage import tables as t
from tests.control_plane.analysis.world import DAY_S, NOW_S, World, day, files, rows
from tests.control_plane.homes import BOTH

pytestmark = pytest.mark.anyio
HOMES = BOTH


async def test_every_column_comes_as_it_is_in_the_database(world: World) -> None:
    await world.visit(world.shown("ten-off/p10"))
    order = await world.buy("a'b\"c,\u2028 d", margin="-0.000001")
    world.compact()
    with world.services.database.reading() as connection:
        (kept,) = connection.execute(t.orders.select()).all()
        (taken,) = connection.execute(t.decisions.select()).all()
    (one,) = rows(world, "orders")
    assert one == {name: getattr(kept, name) for name in SHAPES["orders"].columns}
    assert (one["order_id"], one["margin_micros"]) == (order, -1)
    (other,) = rows(world, "decisions")
    same = SHAPES["decisions"].columns.keys() - {"listed"}
    assert {name: other[name] for name in same} == {name: getattr(taken, name) for name in same}
    assert str(other["listed"]).startswith('[["')
    assert set(DUCKDB_TYPES.values()) == {"VARCHAR", "BIGINT", "BOOLEAN"}  # no fractions


async def test_only_days_that_changed_are_written_anew(world: World) -> None:
    for number in range(3):
        world.now_s = NOW_S + number * DAY_S
        await world.visit(f"u{number}")
    assert world.compact().days == [day(NOW_S + n * DAY_S).isoformat() for n in range(3)]
    before = files(world)
    again = world.compact()
    assert (again.days, files(world)) == ([], before)
    await world.visit("u9", NOW_S + DAY_S)
    assert world.compact().days == [day(NOW_S + DAY_S).isoformat()]
    assert {name.split("/")[1] for name in files(world) ^ before} == {f"day={day(NOW_S + DAY_S)}"}


async def test_rows_that_change_are_written_anew(world: World) -> None:
    """An edge's word comes late, a touch counts up, a reservation is committed and reversed."""
    decided = world.edge.decide("u1", NOW_S)
    await world.tell(world.edge.decision_event(decided, mac=""))
    shown = world.edge.shown_event(decided.slots[0], NOW_S + 1)
    await world.tell(shown)
    held = await world.redeem("a-mug/one", "u1", "o1", commit=False)
    world.compact()
    changes = [
        (world.tell(world.edge.decision_event(decided)), "decisions", "attested", True),
        (world.tell(shown | {"id": "again"}), "touches", "count", 2),
        (world.services.redemptions.commit(held), "redemptions", "state", "committed"),
        (world.services.redemptions.reverse(held), "redemptions", "state", "reversed"),
    ]
    for change, table, column, value in changes:
        await change
        assert len(world.compact().days) == 1
        (row,) = rows(world, table)
        assert row[column] == value
