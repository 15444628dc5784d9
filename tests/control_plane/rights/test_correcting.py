"""Correcting an order: its figures and whose it is, with what follows for every sum."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from control_plane.analysis.queries import OrderWorth
from control_plane.errors import Refused
from control_plane.rights.correcting import Corrected, Correction
from control_plane.storage import tables as t
from control_plane.storage.tables_audit import audit
from tests.control_plane.rights.person import CUSTOMER, ORDER, VISITOR, Story, is_in

pytestmark = pytest.mark.anyio


async def corrected(story: Story, order_id: str = ORDER, **fields: str) -> Corrected:
    asked = Correction(order_id=order_id, **fields)
    return await asyncio.to_thread(story.rights.correct, "local", asked)


def units(story: Story) -> set[str]:
    with story.services.database.reading() as connection:
        return set(connection.scalars(select(t.order_units.c.unit)))


async def test_figures_count_as_corrected_in_the_tables_too(story: Story):
    visit = await story.visit("ann")
    order = await story.buy("ann")
    await asyncio.to_thread(story.compact)
    before = story.sums()["all"]
    done = await corrected(story, order, margin="-4.5", revenue="10.00")
    assert sorted(done.changed) == ["margin_micros", "revenue_micros"]
    assert (done.order.margin_micros, done.left) == (-4_500_000, [])
    after = story.sums()["all"]
    side = "holdout" if before.holdout.units else "treated"
    if visit.slots[0].ghost != "none":
        gained = getattr(after, side).total - getattr(before, side).total
        assert gained == pytest.approx(-24.5)
    (worth,) = [row for row in story.rows(OrderWorth) if row.order_id == order]
    assert worth.profit_micros == -4_500_000


async def test_an_order_is_given_to_another_and_taken_from_somebody(story: Story):
    await story.live()
    assert units(story) == {f"v:{VISITOR}", f"c:{CUSTOMER}"}
    done = await corrected(story, visitor="", customer="right")
    assert sorted(done.changed) == ["customer", "visitor"]
    assert units(story) == {"c:right"}
    with story.services.database.reading() as connection:
        rows = connection.execute(select(audit).where(audit.c.action == "subject.correct")).all()
    (row,) = rows
    assert row.after == '{"changed":["visitor","customer"]}' and not is_in(repr(row).encode())


REFUSED = [
    ("unknown-order", "never", {"margin": "1"}),
    ("malformed-request", ORDER, {}),
    ("malformed-request", ORDER, {"revenue": "-1"}),
    ("malformed-request", ORDER, {"margin": "much"}),
    ("malformed-request", ORDER, {"visitor": "", "customer": ""}),
    ("malformed-request", ORDER, {"visitor": "a\0"}),
]


async def test_what_cannot_be_is_refused_and_what_is_so_already_changes_nothing(story: Story):
    await story.live()
    for problem, order, fields in REFUSED:
        with pytest.raises(Refused) as refused:
            await corrected(story, order, **fields)
        assert refused.value.name == problem
    assert (await corrected(story, visitor=VISITOR)).changed == []
