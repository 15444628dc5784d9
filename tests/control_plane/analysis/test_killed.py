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
        step += 1
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
