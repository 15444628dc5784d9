"""From the database to Parquet: what is written, when, and what a crash leaves behind."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from control_plane.analysis.columns import DUCKDB_TYPES, SHAPES
from control_plane.analysis.layout import Tables, TablesError
from control_plane.analysis.parquet import rows_in
from control_plane.analysis.queries import DecisionProfit, OfferDay
from control_plane.storage import tables as t
from tests.control_plane.analysis.world import DAY_S, NOW_S, TENANT, World
from tests.control_plane.homes import BOTH
from tests.control_plane.shop import order_event

pytestmark = pytest.mark.anyio
HOMES = BOTH


def rows(world: World, name: str) -> list[dict[str, object]]:
    tables = Tables(world.folder)
    manifest = tables.manifest()
    assert manifest is not None
    return rows_in(name, tables.paths(manifest.tables[name]))


def files(world: World) -> set[str]:
    """Below `tables`, but for the lock and the manifest."""
    root = world.folder / "tables"
    return {path.relative_to(root).as_posix() for path in root.rglob("part-*")}


def day(time_s: int) -> date:
    return datetime.fromtimestamp(time_s, UTC).date()


async def test_what_is_sent_again_over_seven_days_is_in_the_tables_once(world: World) -> None:
    """Through the real collector, compacted each day, and as one batch at the end."""
    visitor = world.shown("ten-off/p10")
    decided = world.edge.decide(visitor, NOW_S)
    (slot,) = decided.slots
    events = [
        world.edge.decision_event(decided),
        world.edge.shown_event(slot, NOW_S + 1),
        world.edge.shown_event(slot, NOW_S + 2, "click"),
        order_event("o1", visitor, NOW_S + 60, margin="20.00"),
    ]
    first = await world.tell(*events)
    assert (first.accepted, first.duplicates) == (4, 0)
    for number in range(1, 8):
        world.now_s = NOW_S + number * DAY_S - 2
        again = await world.tell(*events)
        assert (again.accepted, again.duplicates) == (0, 4)
        world.compact()
    assert {name: len(rows(world, name)) for name in ("decisions", "touches", "orders")} == {
        "decisions": 1,
        "touches": 2,
        "orders": 1,
    }
    assert [touch["count"] for touch in rows(world, "touches")] == [1, 1]
    (told,) = world.rows(OfferDay)
    assert (told.exposures, told.clicks, told.orders, told.profit_micros) == (1, 1, 1, 20_000_000)


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


async def test_writing_days_anew_without_a_change_gives_the_same_files(world: World) -> None:
    for number in range(20):
        await world.visit(f"u{number}")
    world.compact()
    before = files(world)
    assert world.compact([day(NOW_S), date(1999, 1, 1)]).days == [day(NOW_S).isoformat()]
    assert files(world) == before


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


async def test_days_that_are_named_lose_what_the_database_lost(world: World) -> None:
    """How a person is erased: no byte of them stays in any file."""
    await world.visit("canary-person")
    await world.buy("canary-person")
    await world.visit("somebody")
    world.compact()
    with world.services.database.writing() as connection:
        connection.execute(delete(t.decisions).where(t.decisions.c.unit == "v:canary-person"))
        connection.execute(delete(t.order_units))
        connection.execute(update(t.orders).values(visitor=""))
    world.compact([day(NOW_S)], bundle_of=None)
    assert [row["unit"] for row in rows(world, "decisions")] == ["v:somebody"]
    assert rows(world, "order_units") == []
    left = [path for path in world.folder.rglob("*") if path.is_file()]
    assert not [path for path in left if b"canary-person" in path.read_bytes()]
    assert {row.version for row in world.rows(OfferDay)} <= versions(world)


def versions(world: World) -> set[str]:
    return {str(row["version"]) for row in rows(world, "offers")}


async def test_another_tenants_rows_stay_out_and_its_folder_is_refused(world: World) -> None:
    await world.buy("u1")
    with world.services.database.writing() as connection:
        row = {"tenant": "other", "unit": "v:theirs", "order_id": "x", "time_s": NOW_S}
        connection.execute(insert(t.order_units), row)
    world.compact()
    assert [row["unit"] for row in rows(world, "order_units")] == ["v:u1"]
    manifest = world.folder / "tables" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(TENANT, "other"))
    with pytest.raises(TablesError, match="the tables of 'other'"):
        world.compact()


async def test_a_manifest_that_cannot_be_read_says_what_to_do(world: World) -> None:
    with pytest.raises(TablesError, match="no tables") as refused:
        world.rows(DecisionProfit)
    assert "proffer tables compact" in refused.value.help
    world.compact()
    (world.folder / "tables" / "manifest.json").write_text("{")
    with pytest.raises(TablesError, match=r"manifest\.json cannot be read"):
        world.rows(DecisionProfit)


async def test_an_empty_database_has_empty_tables(world: World) -> None:
    assert world.compact().files == 0
    assert world.rows(DecisionProfit) == world.rows(OfferDay) == []


async def test_a_file_that_is_gone_is_told(world: World, tmp_path: Path) -> None:
    await world.visit("u1")
    world.compact()
    for path in (world.folder / "tables" / "decisions").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(TablesError, match="cannot be read"):
        world.rows(DecisionProfit)
