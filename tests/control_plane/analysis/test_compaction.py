"""From the database to Parquet: what is written, when, and what a crash leaves behind."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from control_plane.analysis.layout import TablesError
from control_plane.analysis.queries import DecisionProfit, OfferDay
from control_plane.storage import tables as t
from tests.control_plane.analysis.world import DAY_S, NOW_S, TENANT, World, day, files, rows
from tests.control_plane.shop import order_event

pytestmark = pytest.mark.anyio


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


async def test_writing_days_anew_without_a_change_gives_the_same_files(world: World) -> None:
    for number in range(20):
        await world.visit(f"u{number}")
    world.compact()
    before = files(world)
    assert world.compact([day(NOW_S), date(1999, 1, 1)]).days == [day(NOW_S).isoformat()]
    assert files(world) == before


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
