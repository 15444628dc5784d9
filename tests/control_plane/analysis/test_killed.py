"""kill -9 at every step of a compaction: the tables are those of before or of after."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from control_plane.analysis.compaction import compact
from control_plane.analysis.layout import Tables
from control_plane.analysis.parquet import PartWriter, rows_in
from control_plane.analysis.queries import DecisionProfit
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from tests.control_plane.analysis.world import DAY_S, NOW_S, TENANT, World
from tests.control_plane.dying import Steps, in_fork

pytestmark = pytest.mark.anyio


def compact_and_die(settings_database: Path, folder: Path, step: int) -> None:
    database = Database(settings_database, TENANT)
    steps = Steps(step)
    steps.around(os, "fsync")
    steps.around(Path, "replace")
    steps.around(Path, "unlink")
    steps.around(PartWriter, "write")
    compact(database, folder, TENANT)


async def test_killed_at_any_step_the_tables_are_those_of_before_or_after(world: World) -> None:
    """Each round adds a decision and dies one step later; the next run brings all of it."""
    await world.visit("u0")
    world.compact()
    database = world.services.settings.database
    step, outcomes = 0, set()
    while True:
        step += 2  # after a call is before the next
        before = ids(world)
        await world.visit(f"u{step + 2}", NOW_S + step)
        after = in_database(world)
        status = in_fork(lambda step=step: compact_and_die(database, world.folder, step))
        assert status in (0, -signal.SIGKILL)
        found = ids(world)
        assert found in (before, after)
        outcomes.add(found == after)
        if status == 0:
            break
        if step % 6 == 0:
            world.compact()
            assert ids(world) == after
            assert leftovers(world) == set()
    assert step > 20
    assert outcomes == {True, False}
    assert leftovers(world) == set()


def ids(world: World) -> set[str]:
    """Of the decisions in the tables, each of which has its touch there."""
    tables = Tables(world.folder)
    manifest = tables.manifest()
    assert manifest is not None
    decided = rows_in("decisions", tables.paths(manifest.tables["decisions"]))
    touched = rows_in("touches", tables.paths(manifest.tables["touches"]))
    found = {row["id"] for row in decided}
    assert found == {row["decision"] for row in touched}
    return found


def in_database(world: World) -> set[str]:
    with world.services.database.reading() as connection:
        return set(connection.scalars(select(t.decisions.c.id)))


def leftovers(world: World) -> set[str]:
    """Files that no manifest names."""
    tables = Tables(world.folder)
    manifest = tables.manifest()
    assert manifest is not None
    kept = {path.relative_to(tables.root).as_posix() for path in tables.root.rglob("*")}
    named = manifest.files | {"manifest.json", ".lock"}
    return {name for name in kept - named if (tables.root / name).is_file()}


async def test_whoever_reads_meanwhile_sees_one_state_of_all_tables(world: World) -> None:
    """Every round renames the day's files; a decision and its touch come and go together."""
    await world.visit("u0")
    world.compact()
    with ThreadPoolExecutor(1) as pool:
        compacting = pool.submit(compact_often, world)
        reads = 0
        while not compacting.done():
            assert len(ids_at_once(world)) in (0, 1)
            reads += 1
        compacting.result()
    assert reads > 1


def ids_at_once(world: World) -> set[str]:
    found = world.rows(DecisionProfit)
    assert [row.exposures for row in found] == [1] * len(found)
    return {row.decision for row in found}


def compact_often(world: World) -> None:
    database = world.services.database
    with database.reading() as connection:
        kept = {
            table: connection.execute(table.select()).all() for table in (t.decisions, t.touches)
        }
    for _ in range(10):
        with database.writing() as connection:
            for table in kept:
                connection.execute(table.delete())
        world.compact()
        with database.writing() as connection:
            for table, rows in kept.items():
                connection.execute(table.insert(), [dict(row._mapping) for row in rows])
        world.compact()


async def test_two_compactions_at_once_take_turns(world: World) -> None:
    for number in range(5):
        await world.visit(f"u{number}", NOW_S + number * DAY_S)
    database = world.services.settings.database
    assert at_once(3, lambda: compact(Database(database, TENANT), world.folder, TENANT)) == [0] * 3
    assert ids(world) == in_database(world)
    assert leftovers(world) == set()


def at_once(count: int, act: Callable[[], object]) -> list[int]:
    """Runs it in so many processes; how each ended."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: in_fork(act), range(count)))
