"""Erasing: new names, the audit log, ids that are alike, and what is finished later."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from control_plane.rights.desk import Erased
from control_plane.rights.subjects import Subject
from control_plane.storage import tables as t
from control_plane.storage.tables_audit import audit
from control_plane.storage.tables_rights import erasures
from tests.control_plane.rights.person import PERSON, Story, is_in

pytestmark = pytest.mark.anyio


async def erased(story: Story, subject: Subject = PERSON) -> Erased:
    return await asyncio.to_thread(story.rights.erase, "local", subject)


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
