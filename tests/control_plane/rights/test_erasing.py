"""Erasing: no byte of a person is left in any file, and every sum is what it was."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from control_plane.rights.subjects import Subject
from control_plane.storage import tables as t
from tests.control_plane.homes import BOTH
from tests.control_plane.rights.person import CUSTOMER, ORDER, PERSON, VISITOR, Story, is_in
from tests.control_plane.shop import order_event
from tests.support.postgres import Cluster

pytestmark = pytest.mark.anyio
HOMES = BOTH
EVERYWHERE = {
    "broken_promises", "decisions", "events", "order_units", "orders", "quarantine", "records",
    "redemption_counts", "redemptions", "returns",
}  # fmt: skip


async def erased(story: Story, subject: Subject = PERSON):
    return await asyncio.to_thread(story.rights.erase, "local", subject)


async def test_nothing_of_a_person_is_left_and_every_sum_is_what_it_was(
    story: Story, request: pytest.FixtureRequest
):
    await story.crowd()
    await story.live()
    await asyncio.to_thread(story.compact)
    before, reported = story.sums(), story.reported()
    assert before["units"] > 5 and before["all"].treated.orders
    assert set(story.rows_holding()) == EVERYWHERE
    is_sqlite = not story.services.settings.database_url
    assert story.holding() != []
    if not is_sqlite:
        cluster: Cluster = request.getfixturevalue("postgres")
        with story.services.database.engine.connect() as plain:
            alone = plain.execution_options(isolation_level="AUTOCOMMIT")
            alone.exec_driver_sql("ANALYZE")
        assert _in_heaps(cluster, story) != []
    await all_is_exported(story)
    done = await erased(story)
    assert done.left == []
    assert done.rows["decisions"] == 3 and done.rows["redemptions"] == 1
    assert done.rows["quarantine"] == 4 and done.rows["replays"] == 1
    assert story.rows_holding() == {}
    assert story.holding() == []
    if not is_sqlite:
        cluster = request.getfixturevalue("postgres")
        assert _in_heaps(cluster, story) == []
    assert story.sums() == before
    assert story.reported() == reported


async def all_is_exported(story: Story) -> None:
    """Whatever a search for the person's bytes finds."""
    document = await asyncio.to_thread(story.rights.export, "local", PERSON)
    found = {each.where.removeprefix("table "): each.found for each in document.looked}
    holding = story.rows_holding()
    holding["quarantine"] += 1  # whose id is escaped: no search for bytes finds it
    holding["events"] = found["events"]  # most are named by hashes
    assert {name: found[name] for name in holding} == holding
    assert found["touches"] == 3 and found["replays"] == 1


def _in_heaps(cluster: Cluster, story: Story) -> list[str]:
    """Files of this database that hold the canary; the WAL keeps its own time."""
    with story.services.database.reading() as connection:
        number = connection.exec_driver_sql(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).scalar()
    cluster.execute("CHECKPOINT")
    folder = cluster.folder / "base" / str(number)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert len(paths) > 100
    return [path.name for path in paths if is_in(path.read_bytes())]


async def test_nobody_else_is_touched(story: Story):
    await story.crowd(4)
    await story.live()
    with story.services.database.reading() as connection:
        others = select(t.decisions).where(t.decisions.c.unit.like("v:other%"))
        before = connection.execute(others.order_by(t.decisions.c.id)).all()
        records = len(connection.execute(select(t.records.c.digest)).all())
    await erased(story)
    with story.services.database.reading() as connection:
        assert connection.execute(others.order_by(t.decisions.c.id)).all() == before
        assert len(connection.execute(select(t.records.c.digest)).all()) == records - 3
    assert len(before) == 4


async def test_events_that_keep_coming_do_not_bring_anybody_back(story: Story):
    """Everything that the person's browser and the shop ever sent, again and again."""
    visits = await story.live()
    late = [story.edge.decision_event(visit) for visit in visits]
    late += [story.edge.shown_event(visit.slots[0], story.now_s, "click") for visit in visits]
    late += [order_event(ORDER, VISITOR, story.now_s, customer=CUSTOMER)]
    stop = asyncio.Event()

    async def keep_sending() -> None:
        while not stop.is_set():
            await story.tell(*late)

    sending = [asyncio.create_task(keep_sending()) for _ in range(3)]
    await erased(story)
    stop.set()
    await asyncio.gather(*sending)
    assert (await story.tell(*late)).duplicates == len(late)
    assert story.rows_holding() == {}
    with story.services.database.reading() as connection:
        touched = set(connection.scalars(select(t.touches.c.decision)))
        known = set(connection.scalars(select(t.decisions.c.id)))
    assert touched <= known
