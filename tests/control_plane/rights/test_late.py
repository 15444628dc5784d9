"""What comes late: tokens and events of somebody who was erased, and for how long."""

from __future__ import annotations

import asyncio
import re
import time

import msgspec
import pytest
from sqlalchemy import select

from control_plane.errors import Refused
from control_plane.redemption import Reserve
from control_plane.rights.forgotten import LATE_S, REDEEMED_S, Forgotten, dropped_ever
from control_plane.rights.subjects import Subject
from control_plane.storage import tables as t
from control_plane.storage.tables_rights import forgotten
from tests.control_plane.analysis.world import TENANT
from tests.control_plane.rights.person import CART, CUSTOMER, ORDER, PERSON, VISITOR, Story
from tests.control_plane.shop import event, order_event

pytestmark = pytest.mark.anyio


async def erased(story: Story, subject: Subject = PERSON) -> None:
    await asyncio.to_thread(story.rights.erase, "local", subject)


async def refused(story: Story, token: str, **who: str) -> str:
    try:
        await story.services.redemptions.reserve(Reserve(token, "o-new", CART, **who))
    except Refused as no:
        return no.name
    return ""


async def test_a_token_that_was_redeemed_stays_spent(story: Story):
    visit = (await story.live())[0]
    await erased(story)
    again = story.edge.token(
        "once-each/a3", CUSTOMER, int(time.time()) + 60, id=visit.slots[0].id,
        placement="checkout", subject_kind="customer",
    )  # fmt: skip
    assert await refused(story, again, customer=CUSTOMER) == "token-spent"


async def test_tokens_of_before_are_void_and_those_of_after_are_good(story: Story):
    now_s = int(time.time())
    before = story.edge.token("five-off/a5", VISITOR, now_s - 9)
    await erased(story)
    assert await refused(story, before, visitor=VISITOR) == "token-expired"
    after = story.edge.token("five-off/a5", VISITOR, int(time.time()) + 1)
    assert await refused(story, after, visitor=VISITOR) == ""


async def test_a_decision_that_comes_late_takes_its_touches_with_it(story: Story):
    """The click overtook its decision, and the erasure overtook both."""
    decided = story.edge.decide(VISITOR, story.now_s)
    slot = decided.slots[0]
    await story.tell(story.edge.shown_event(slot, story.now_s, "click"))
    await erased(story)
    receipt = await story.tell(story.edge.decision_event(decided))
    assert receipt.duplicates == 1
    await story.tell(story.edge.shown_event(slot, story.now_s))
    with story.services.database.reading() as connection:
        assert connection.execute(select(t.touches)).all() == []
        assert dropped_ever(connection, TENANT) == 2


async def test_late_bad_events_and_late_returns_are_dropped(story: Story):
    await story.live()
    await erased(story)
    collector = story.services.collector
    bad = [
        msgspec.json.encode([order_event("o9", VISITOR, story.now_s)]),  # not from the shop
        msgspec.json.encode([event("unknown", "e", {"customer": CUSTOMER})]),
        b'{"broken": "%s", ' % VISITOR.encode(),
    ]
    for body in bad:
        assert (await collector.accept(body, from_shop=False)).quarantined == 0
    other = msgspec.json.encode([order_event("o9", "somebody", story.now_s)])
    assert (await collector.accept(other, from_shop=False)).quarantined == 1
    data = {
        "return_id": "r2", "order_id": ORDER, "refund": "1.00", "margin": "1.00",
        "currency": "EUR", "time_s": story.now_s,
    }  # fmt: skip
    receipt = await story.tell(event("shop.proffer.return", "r2", data, source="/shop"))
    assert (receipt.accepted, receipt.duplicates) == (0, 1)


async def test_the_hashes_tell_no_name_and_go_when_nothing_can_be_late_any_more(story: Story):
    await story.live()
    await erased(story)
    assert len(hashes(story)) > 5
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in hashes(story))
    secrets = story.services.keys.edge_secrets
    for life_s, left in ((LATE_S, 1), (REDEEMED_S, 0)):  # the token that was redeemed
        at_s = int(time.time()) + life_s + 1
        later = Forgotten(TENANT, lambda: secrets, lambda at_s=at_s: at_s)
        story.services.writer.run(later.prune)
        assert len(hashes(story)) == left


async def test_a_name_is_known_in_its_shop_while_its_secret_is_believed(story: Story):
    await erased(story)
    (old,) = story.services.keys.edge_secrets
    believed = [(TENANT, (old,)), (TENANT, (bytes(32), old))]
    others = [("other-shop", (old,)), (TENANT, (bytes(32),))]
    with story.services.database.reading() as connection:
        for tenant, secrets in believed:
            found = Forgotten(tenant, lambda some=secrets: some).known(connection, PERSON.units)
            assert set(found) == set(PERSON.units)
        for tenant, secrets in others:
            found = Forgotten(tenant, lambda some=secrets: some).known(connection, PERSON.units)
            assert found == {}


def hashes(story: Story) -> set[str]:
    with story.services.database.reading() as connection:
        return set(connection.scalars(select(forgotten.c.name)))
