"""Erasing: no byte of a person is left in any file, and every sum is what it was."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from control_plane.rights.subjects import Subject
from control_plane.storage import tables as t
from control_plane.storage.tables_audit import audit
from control_plane.storage.tables_rights import erasures
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
    done = await erased(story)
    assert done.left == []
    assert done.rows["decisions"] == 3 and done.rows["redemptions"] == 1
    assert done.rows["quarantine"] == 4 and done.rows["replays"] == 1
    assert story.rows_holding() == {}
    assert story.holding() == []
    if not is_sqlite:
        cluster: Cluster = request.getfixturevalue("postgres")
        assert _in_heaps(cluster, story) == []
    assert story.sums() == before
    assert story.reported() == reported


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


async def test_an_id_that_begins_like_another_is_another(story: Story):
    for visitor in ("u1", "u10", "u2"):
        await story.visit(visitor)
        await story.buy(visitor)
    done = await erased(story, Subject(visitors=["u1"]))
    assert (done.rows["decisions"], done.rows["records"], done.rows["orders"]) == (1, 1, 1)
    with story.services.database.reading() as connection:
        units = set(connection.scalars(select(t.order_units.c.unit)))
    assert {"v:u10", "v:u2"} < units and "v:u1" not in units


async def test_the_new_names_are_the_same_everywhere_and_random(story: Story):
    await story.live()
    await erased(story)
    with story.services.database.reading() as connection:
        (unit,) = set(connection.scalars(select(t.decisions.c.unit)))
        order = connection.execute(select(t.orders)).one()
        units = set(connection.scalars(select(t.order_units.c.unit)))
        redeemed = connection.execute(select(t.redemptions)).one()
        cap = connection.execute(select(t.redemption_counts.c.cap)).scalar_one()
        tokens = set(connection.scalars(select(t.decisions.c.id)))
    assert unit == order.visitor and unit.startswith("x:") and len(unit) == 34
    assert units == {order.visitor, order.customer}
    assert redeemed.subject == order.customer and redeemed.order_id == order.order_id
    assert cap.endswith(f"/{order.customer}") and cap in redeemed.caps
    assert redeemed.token in tokens and order.decisions == f'["{redeemed.token}"]'


async def test_erasing_twice_is_erasing_once(story: Story):
    await story.live()
    await erased(story)
    sums = story.sums()
    again = await erased(story)
    assert sum(again.rows.values()) == 0 and again.left == []
    assert story.sums() == sums


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


async def test_the_audit_log_names_nobody_and_can_be_asked(story: Story):
    await story.live()
    done = await erased(story)
    with story.services.database.reading() as connection:
        rows = connection.execute(select(audit).where(audit.c.action == "subject.erase")).all()
    (row,) = rows
    assert row.subject == f"subject/{done.audited[0]}"
    assert len(done.audited) == 2 and not is_in(repr(row).encode())


async def test_what_is_left_is_finished_later(story: Story):
    """The tables for analysis cannot be written: the erasure stays open until they can."""
    await story.crowd(2)
    await story.live()
    await asyncio.to_thread(story.compact)
    manifest = story.folder / "tables" / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{")
    done = await erased(story)
    assert len(done.left) == 1 and "cannot be read" in done.left[0]
    manifest.write_bytes(whole)
    assert story.holding() != []
    assert await asyncio.to_thread(story.rights.finish) == []
    assert story.holding() == []
    with story.services.database.reading() as connection:
        assert set(connection.scalars(select(erasures.c.state))) == {"done"}
