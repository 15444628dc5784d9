"""Learning in a control plane: from beacons to a published policy."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from control_plane.app import keep_learning
from control_plane.learning.lease import Lease
from control_plane.learning.loop import LEASE_LEAST_S, Learner
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import CATALOG, order_event, send, write_catalog

pytestmark = pytest.mark.anyio

NOW_S = int(time.time()) - 600
BUYS = {"none": 0.1, "ten-off/p10": 0.1, "five-off/a5": 0.1, "a-mug/one": 0.6}
ALIKE = dict.fromkeys(BUYS, 0.3)


async def visit(
    plane: Running, count: int, buys: Mapping[str, float] = BUYS, seed: int = 1, start: int = 0
) -> None:
    """Visitors see the hero; some buy, as the arm that they see makes them."""
    chance, events, orders = random.Random(seed), [], []
    for number in range(start, start + count):
        visitor = f"visitor-{number}"
        decided = plane.edge.decide(visitor, NOW_S + number % 60)
        (slot,) = decided.slots
        events += [plane.edge.decision_event(decided), plane.edge.shown_event(slot, NOW_S + 61)]
        if chance.random() < buys[slot.arm]:
            orders.append(order_event(f"order-{number}", visitor, NOW_S + 120))
    for first in range(0, len(events), 400):
        assert (await send(plane.client, events[first : first + 400])).status_code == 202
    for first in range(0, len(orders), 400):
        told = await send(plane.client, orders[first : first + 400], plane.shop_key)
        assert told.json()["quarantined"] == 0


def shares(services: Services, segment: str = "*") -> dict[str, float]:
    """Of the live policy."""
    weights = services.catalog.weights().allocations["hero"][segment]
    return {arm: weight / sum(weights.values()) for arm, weight in weights.items()}


async def learn(plane: Running) -> object:
    learner = Learner(plane.services)
    return await asyncio.to_thread(learner.learn_once, int(time.time()))


async def test_what_visitors_buy_becomes_the_next_policy(plane: Running):
    await visit(plane, 600)
    before = plane.edge.live
    assert await learn(plane) is not None
    after = plane.edge.live
    assert (after.reason, after.actor) == ("learn", "learner")
    assert after.sequence == before.sequence + 1 and after.bundle != before.bundle
    assert max(shares(plane.services).items(), key=lambda item: item[1])[0] == "a-mug/one"
    # and the next visitors see more of it
    arms = [plane.edge.decide(f"later-{n}", NOW_S).slots[0].arm for n in range(300)]
    assert arms.count("a-mug/one") > 120


async def test_the_history_says_with_what_it_can_be_learned_again(plane: Running):
    await visit(plane, 300)
    await learn(plane)
    note = plane.edge.live.note
    assert "seed 170702038, 20000 draws" in note and "rows of [" in note


async def test_learning_twice_from_the_same_rows_publishes_once(plane: Running):
    await visit(plane, 400)
    learner = Learner(plane.services)
    now_s = int(time.time())
    assert await asyncio.to_thread(learner.learn_once, now_s) is not None
    assert await asyncio.to_thread(learner.learn_once, now_s) is None


async def test_too_few_orders_leave_the_catalogs_weights_alone(plane: Running):
    await visit(plane, 40)
    assert await learn(plane) is None
    assert plane.edge.live.sequence == 1


async def test_held_out_and_kept_rows_are_not_even_read(plane: Running):
    await visit(plane, 300)
    found = await asyncio.to_thread(Learner(plane.services).find, int(time.time()))
    (hero,) = found.placements
    rows = sum(segment.rows for segment in hero.segments)
    # a fifth is held out here, another fifth everywhere
    assert 150 < rows < 230
    assert sum(segment.left_out for segment in hero.segments) == 0


async def test_orders_without_an_exposure_teach_nothing(plane: Running):
    decided = [plane.edge.decide(f"v{n}", NOW_S) for n in range(100)]
    await send(plane.client, [plane.edge.decision_event(each) for each in decided])
    orders = [order_event(f"o{n}", f"v{n}", NOW_S + 9) for n in range(100)]
    await send(plane.client, orders, plane.shop_key)
    found = await asyncio.to_thread(Learner(plane.services).find, int(time.time()))
    assert found.rows == 0


async def test_records_that_no_edge_attested_teach_nothing(plane: Running):
    decided = [plane.edge.decide(f"v{n}", NOW_S) for n in range(50)]
    events = [plane.edge.decision_event(each, mac="") for each in decided]
    events += [plane.edge.shown_event(each.slots[0], NOW_S) for each in decided]
    await send(plane.client, events)
    found = await asyncio.to_thread(Learner(plane.services).find, int(time.time()))
    assert found.rows == 0


async def test_learning_waits_after_a_roll_back(plane: Running):
    first = plane.edge.live.bundle
    learner, now_s = Learner(plane.services), int(time.time())
    await visit(plane, 300, ALIKE)
    assert await asyncio.to_thread(learner.learn_once, now_s) is not None
    plane.services.publisher.roll_back(first, actor="somebody")
    await visit(plane, 300, start=300)
    with pytest.raises(PublishRefused, match="rolled back"):
        await asyncio.to_thread(learner.learn_once, now_s)
    assert plane.edge.live.bundle == first


async def test_learning_goes_on_from_what_is_live_whatever_lies_in_the_folder(
    plane: Running, settings: Settings
):
    live = plane.services.desk.live()
    assert settings.catalog is not None
    for unpublished in ("shop: [", CATALOG.replace("Tiny Shop", "Tiny Shop, next year")):
        write_catalog(settings.catalog, unpublished)
        await visit(plane, 300, start=plane.edge.live.sequence * 300)
        await learn(plane)
    assert plane.edge.live.reason == "learn"
    assert plane.services.desk.live() == live
    bundle = plane.services.publisher.live_bundle()
    assert bundle is not None and bundle.notes.title == "Tiny Shop"


# --- beside the server --------------------------------------------------------


async def test_the_loop_learns_by_itself_and_survives_trouble(settings: Settings):
    async with running(replace(settings, learn_every_s=1)) as plane:
        publisher = plane.services.publisher
        publisher.roll_back(plane.edge.live.bundle, actor="somebody")
        await visit(plane, 300)
        await asyncio.sleep(1.5)
        assert plane.edge.live.reason == "roll-back"
        await asyncio.to_thread(plane.services.catalog.publish, actor="somebody")
        for _ in range(200):
            if plane.edge.live.reason == "learn":
                break
            await asyncio.sleep(0.1)
        assert plane.edge.live.reason == "learn"


async def test_without_an_interval_the_loop_ends_at_once(services: Services):
    async with asyncio.timeout(1):
        await keep_learning(services)


# --- one at a time ------------------------------------------------------------


def test_only_the_holder_of_the_lease_learns(services: Services):
    one, two = (Lease("tinyshop", "learning", holder) for holder in ("one", "two"))

    def take(lease: Lease, now_s: int) -> bool:
        return services.writer.run(lambda c: lease.take(c, now_s=now_s, life_s=LEASE_LEAST_S))

    assert take(one, 1000) and take(one, 1030)
    assert not take(two, 1030 + LEASE_LEAST_S - 1)
    assert take(two, 1030 + LEASE_LEAST_S), "a lease that is not renewed runs out"
    assert not take(one, 1030 + LEASE_LEAST_S)
    services.writer.run(one.release)
    assert not take(one, 1030 + LEASE_LEAST_S), "nobody gives back what another holds"
    services.writer.run(two.release)
    assert take(one, 1030 + LEASE_LEAST_S)


async def test_a_second_process_does_not_learn_what_the_first_one_does(plane: Running):
    await visit(plane, 300, ALIKE)
    first, second, now_s = Learner(plane.services), Learner(plane.services), int(time.time())
    assert await asyncio.to_thread(first.learn_once, now_s) is not None
    await visit(plane, 300, start=300)
    assert await asyncio.to_thread(second.learn_once, now_s) is None
    first.end()
    assert await asyncio.to_thread(second.learn_once, now_s) is not None


# --- asking -------------------------------------------------------------------


async def test_programs_can_ask_what_was_found(plane: Running):
    await visit(plane, 400)
    headers = {"Authorization": f"Bearer {plane.shop_key}"}
    found = (await plane.client.get("/v1/learning", headers=headers)).json()
    arms = next(s for s in found["placements"][0]["segments"] if s["segment"] == "*")["arms"]
    assert [arm["arm"] for arm in arms] == ["none", "ten-off/p10", "five-off/a5", "a-mug/one"]
    assert sum(arm["share"] for arm in arms) == 1 << 20
    profit = (await plane.client.get("/v1/profit/hero", headers=headers)).json()
    assert profit["low"] < profit["per_unit"] < profit["high"]
    assert profit["currency"] == "EUR"


@pytest.mark.parametrize("path", ["/v1/learning", "/v1/profit/hero"])
async def test_nobody_may_ask_without_a_key_or_a_login(settings: Settings, path: str):
    async with running(replace(settings, open_console=False)) as plane:
        answer = await plane.client.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_profit_of_a_place_that_does_not_exist_is_not_found(plane: Running):
    headers = {"Authorization": f"Bearer {plane.shop_key}"}
    assert (await plane.client.get("/v1/profit/nowhere", headers=headers)).status_code == 404
