"""Redemption: a token becomes money once, for its own subject, within caps and guardrails."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from control_plane.appraisal import CartFacts
from control_plane.errors import Refused
from control_plane.redemption import Redemptions, Reserve
from control_plane.services import Services
from control_plane.storage import tables as t
from tests.control_plane.conftest import Running
from tests.control_plane.homes import BOTH
from tests.control_plane.shop import CATALOG, Edge, write_catalog

pytestmark = pytest.mark.anyio
HOMES = BOTH
NOW_S = int(time.time())
LAMPS = {"cart.categories": ["lamps"]}


class Shop:
    """The shop's server, as it calls the control plane."""

    def __init__(self, plane: Running) -> None:
        self.plane = plane
        self.edge = plane.edge
        self.headers = {"Authorization": f"Bearer {plane.shop_key}"}

    async def post(self, step: str, body: Any) -> httpx.Response:
        url = f"/v1/redemptions/{step}"
        return await self.plane.client.post(url, json=body, headers=self.headers)

    async def reserve(self, token: str, **changes: Any) -> httpx.Response:
        body = {"token": token, "order_id": "q1", "subject": "ann", "cart": cart()} | changes
        return await self.post("reserve", body)

    async def held(self, token: str, **changes: Any) -> dict[str, Any]:
        answer = await self.reserve(token, **changes)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, name: str, token: str, **changes: Any) -> str:
        answer = await self.reserve(token, **changes)
        assert answer.json()["type"] == f"/problems/{name}", answer.text
        return answer.json()["detail"]

    async def move(self, step: str, reservation: str) -> httpx.Response:
        return await self.post(step, {"reservation": reservation})

    def token(self, arm: str, **changes: Any) -> str:
        return self.edge.token(arm, changes.pop("subject", "ann"), NOW_S, **changes)

    def uses(self, cap: str) -> int:
        query = select(t.redemption_counts.c.count).where(t.redemption_counts.c.cap == cap)
        with self.plane.services.database.reading() as connection:
            return connection.scalar(query) or 0


def cart(value: str = "60.00", margin: str = "20.00", /, **attributes: Any) -> dict[str, Any]:
    return {"order_value": value, "margin": margin, "attributes": attributes or LAMPS}


@pytest.fixture
async def shop(plane: Running) -> Shop:
    return Shop(plane)


# --- what an offer is worth ---------------------------------------------------


async def test_a_reserved_offer_tells_its_discount_for_this_cart(shop: Shop):
    held = await shop.held(shop.token("ten-off/p10"))
    assert held["state"] == "reserved"
    assert (held["discount"], held["currency"]) == ("6.00", "EUR")
    assert (held["offer"], held["rung"], held["order_id"]) == ("ten-off", "p10", "q1")
    assert len(held["decision"]) == 32


async def test_the_discount_is_that_of_the_cart_at_checkout_and_rounded_to_the_cent(shop: Shop):
    held = await shop.held(shop.token("ten-off/p10"), cart=cart("33.35"))
    assert held["discount"] == "3.34"


async def test_a_gift_costs_the_shop_and_takes_nothing_off_the_total(shop: Shop):
    held = await shop.held(shop.token("a-mug/one"))
    assert held["discount"] == "0.00"
    with shop.plane.services.database.reading() as connection:
        assert connection.scalar(select(t.redemptions.c.cost_micros)) == 4_000_000


async def test_handling_is_part_of_the_cost_and_not_of_the_discount(shop: Shop):
    held = await shop.held(shop.token("once-each/a3"))
    assert held["discount"] == "3.00"
    with shop.plane.services.database.reading() as connection:
        assert connection.scalar(select(t.redemptions.c.cost_micros)) == 3_400_000


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (cart("400.00", "200.00"), "more than it may"),
        (cart("60.00", "10.00"), "less margin than it must"),
        (cart("60.00", "20.00", **{"cart.categories": ["rugs"]}), "conditions do not hold"),
        (cart("60.00", "20.00", **{"cart.items": 3}), "conditions do not hold"),
        (cart("lots"), "cannot be computed"),
        (cart("9999.00"), "cannot be computed"),
    ],
    ids=["ceiling", "floor", "recheck", "recheck not told", "no number", "above its maximum"],
)
async def test_an_offer_that_does_not_fit_the_cart_is_refused(
    shop: Shop, changed: dict[str, Any], why: str
):
    detail = await shop.refused("not-redeemable", shop.token("ten-off/p10"), cart=changed)
    assert detail.startswith("offer ten-off/p10: ")
    assert why in detail


async def test_a_margin_floor_needs_the_margin_of_this_cart(shop: Shop):
    """The typical margin stands in on pages; for money the shop has to tell the real one."""
    untold = {"order_value": "60.00", "attributes": LAMPS}
    detail = await shop.refused("not-redeemable", shop.token("ten-off/p10"), cart=untold)
    assert "the cart's margin was not told" in detail
    await shop.held(shop.token("five-off/a5"), cart=untold)  # has no floor


async def test_the_floor_of_another_offer_of_the_order_needs_the_margin_too(
    shop: Shop, tmp_path: Path
):
    text = CATALOG.replace("kind: percent\n", "kind: percent\n    stackable: true\n")
    write_catalog(tmp_path / "catalog", text)
    shop.plane.services.catalog.publish(actor="test")
    await shop.held(shop.token("ten-off/p10"))
    untold = {"order_value": "60.00", "attributes": LAMPS}
    detail = await shop.refused("not-redeemable", shop.token("a-mug/one"), cart=untold)
    assert "the cart's margin was not told" in detail


@pytest.mark.parametrize("value", ["0.00", "0", "-5.00"])
async def test_an_empty_cart_redeems_nothing(shop: Shop, value: str):
    changed = cart(value, "0.00")
    await shop.refused("not-redeemable", shop.token("five-off/a5"), cart=changed)
    await shop.refused("not-redeemable", shop.token("a-mug/one"), cart=changed)


async def test_what_time_may_change_is_not_asked_again(shop: Shop):
    """The rule wants an abandoned cart; at the checkout it no longer is one."""
    attributes = LAMPS | {"cart.updated_at": NOW_S}
    await shop.held(shop.token("ten-off/p10"), cart=cart(**attributes))


async def test_the_shops_order_value_wins_over_an_attribute_of_the_same_name(shop: Shop):
    attributes = LAMPS | {"cart.total": "1000.00"}
    held = await shop.held(shop.token("ten-off/p10"), cart=cart("60.00", **attributes))
    assert held["discount"] == "6.00"


async def test_offers_that_do_not_combine_are_refused_on_one_order(shop: Shop):
    await shop.held(shop.token("five-off/a5"))
    detail = await shop.refused("not-redeemable", shop.token("once-each/a3"))
    assert "another offer of its group" in detail
    detail = await shop.refused("not-redeemable", shop.token("a-mug/one"))
    assert "does not combine" in detail
    await shop.held(shop.token("once-each/a3"), order_id="another")


# --- whose it is --------------------------------------------------------------


async def test_a_token_is_for_its_own_subject(shop: Shop):
    await shop.refused("wrong-subject", shop.token("ten-off/p10"), subject="bob")


async def test_a_token_that_was_changed_or_is_of_another_shop_is_refused(shop: Shop):
    token = shop.token("ten-off/p10")
    await shop.refused("token-invalid", token[:-2] + ("AA" if token[-2:] != "AA" else "BB"))
    await shop.refused("token-invalid", shop.token("ten-off/p10", tenant="other"))
    await shop.refused("token-invalid", shop.token("ten-off/p10", bundle="0" * 64))
    await shop.refused("token-invalid", shop.token("ten-off/p99"))
    await shop.refused("token-invalid", shop.token("nothing/p10"))
    await shop.refused("token-invalid", shop.token("ten-off/p10", placement="nowhere"))
    await shop.refused("token-invalid", "no token")


async def test_an_expired_token_is_refused(shop: Shop):
    await shop.refused("token-expired", shop.token("ten-off/p10", expires_s=NOW_S))


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"Authorization": "x"}])
async def test_without_the_shops_key_nothing_is_done(shop: Shop, headers: dict[str, str]):
    shop.headers = headers
    for step in ("reserve", "commit", "release", "reverse"):
        assert (await shop.post(step, {})).status_code == 401


async def test_a_body_that_is_none_is_refused_with_the_field(shop: Shop):
    answer = await shop.post("reserve", {"token": "x", "order_id": "q", "subject": "s", "cart": 1})
    assert answer.status_code == 400
    assert "$.cart" in answer.json()["detail"]


# --- once ---------------------------------------------------------------------


async def test_asking_again_for_the_same_order_is_the_same_reservation(shop: Shop):
    token = shop.token("ten-off/p10")
    first = await shop.held(token)
    assert await shop.held(token) == first
    bigger = await shop.held(token, cart=cart("80.00"))
    assert bigger == first | {"discount": "8.00"}


async def test_a_token_is_good_for_one_order(shop: Shop):
    token = shop.token("ten-off/p10")
    held = await shop.held(token)
    await shop.refused("token-spent", token, order_id="q2")
    await shop.move("commit", held["reservation"])
    await shop.refused("token-spent", token, order_id="q2")


async def test_two_tokens_of_one_decision_are_one(shop: Shop):
    await shop.held(shop.token("ten-off/p10", id="f" * 32))
    await shop.refused("token-spent", shop.token("ten-off/p10", id="f" * 32), order_id="q2")


async def test_every_step_can_be_repeated_with_the_same_answer(shop: Shop):
    token = shop.token("five-off/a5")
    name = (await shop.held(token))["reservation"]
    for step, state in (("commit", "committed"), ("reverse", "reversed")):
        for _ in range(2):
            answer = await shop.move(step, name)
            assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert shop.uses("total/five-off") == 0
    await shop.refused("token-spent", token)


async def test_a_committed_offer_is_answered_again_and_its_amount_stays(shop: Shop):
    token = shop.token("ten-off/p10")
    held = await shop.held(token)
    await shop.move("commit", held["reservation"])
    again = await shop.held(token, cart=cart("80.00"))
    assert again == held | {"state": "committed"}


async def test_a_released_token_can_be_reserved_again(shop: Shop):
    token = shop.token("five-off/a5")
    first = await shop.held(token)
    assert shop.uses("total/five-off") == 1
    await shop.move("release", first["reservation"])
    await shop.move("release", first["reservation"])
    assert shop.uses("total/five-off") == 0
    second = await shop.held(token, order_id="q2")
    assert second["reservation"] != first["reservation"]
    assert shop.uses("total/five-off") == 1


@pytest.mark.parametrize(
    ("steps", "last"),
    [(["release"], "commit"), (["commit"], "release"), ([], "reverse"), (["release"], "reverse")],
)
async def test_a_reservation_moves_in_one_direction(shop: Shop, steps: list[str], last: str):
    name = (await shop.held(shop.token("ten-off/p10")))["reservation"]
    for step in steps:
        assert (await shop.move(step, name)).status_code == 200
    answer = await shop.move(last, name)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/reservation-closed"


async def test_an_unknown_reservation_is_told(shop: Shop):
    assert (await shop.move("commit", "nothing")).status_code == 404


async def test_a_reservation_that_nobody_commits_is_released_in_time(shop: Shop):
    services = shop.plane.services
    name = (await shop.held(shop.token("five-off/a5")))["reservation"]
    later = Redemptions(
        services.settings,
        lambda: services.keys.edge_secrets,
        services.writer,
        services.policies,
        services.publisher,
        now_s=lambda: int(time.time()) + services.settings.reservation_life_s,
    )
    assert await services.redemptions.release_expired() == 0
    assert await later.release_expired() == 1
    assert shop.uses("total/five-off") == 0
    assert (await shop.move("commit", name)).status_code == 409


# --- caps ---------------------------------------------------------------------


async def test_a_customer_gets_an_offer_as_often_as_its_cap_says(shop: Shop):
    held = await shop.held(shop.token("once-each/a3"))
    detail = await shop.refused("cap-reached", shop.token("once-each/a3"), order_id="q2")
    assert "1 for one customer" in detail
    bob = shop.edge.token("once-each/a3", "bob", NOW_S)
    await shop.held(bob, subject="bob", order_id="q3")
    await shop.move("reverse", held["reservation"])
    await shop.move("release", held["reservation"])
    await shop.held(shop.token("once-each/a3"), order_id="q4")


async def test_a_refused_redemption_counts_under_no_cap(shop: Shop):
    low = cart("60.00", **{"cart.total": "60.00"})
    await shop.held(shop.token("five-off/a5"), cart=low)
    await shop.refused("not-redeemable", shop.token("five-off/a5"), cart=low)
    assert shop.uses("total/five-off") == 1


async def test_the_cap_of_today_binds_tokens_of_yesterday(shop: Shop, tmp_path: Path):
    token = shop.token("five-off/a5")
    await shop.held(shop.token("five-off/a5"), order_id="q2")
    write_catalog(tmp_path / "catalog", CATALOG.replace("total: 10", "total: 1"))
    shop.plane.services.catalog.publish(actor="test")
    await shop.refused("cap-reached", token)


async def test_an_offer_that_left_the_catalog_is_honoured_as_promised(shop: Shop, tmp_path: Path):
    token = shop.token("a-mug/one")
    start, end = CATALOG.index("  - id: a-mug"), len(CATALOG)
    smaller = (CATALOG[:start] + CATALOG[end:]).replace(", a-mug/one: 1", "")
    write_catalog(tmp_path / "catalog", smaller)
    shop.plane.services.catalog.publish(actor="test")
    assert (await shop.held(token))["offer"] == "a-mug"


async def test_a_paused_offer_is_not_redeemed_until_it_is_resumed(shop: Shop):
    token = shop.token("ten-off/p10")
    publisher = shop.plane.services.publisher
    publisher.pause("ten-off", actor="test")
    await shop.refused("offer-paused", token)
    publisher.resume("ten-off", actor="test")
    await shop.held(token)


def test_fifty_threads_that_want_the_last_ten_get_exactly_ten(services: Services):
    edge = Edge(services)
    tokens = [edge.token("five-off/a5", f"u{n}", NOW_S) for n in range(50)]
    together = threading.Barrier(50)

    def reserve(number: int) -> str:
        facts = msgspec.convert(cart(), CartFacts)
        asked = Reserve(tokens[number], f"q{number}", facts, visitor=f"u{number}")
        together.wait(10)
        try:
            return asyncio.run(services.redemptions.reserve(asked)).state
        except Refused as refused:
            return refused.name

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(reserve, range(50)))
    assert sorted(answers) == ["cap-reached"] * 40 + ["reserved"] * 10
    with services.database.reading() as connection:
        assert connection.scalar(select(t.redemption_counts.c.count)) == 10


def test_fifty_threads_with_one_token_get_one_reservation(services: Services):
    token = Edge(services).token("ten-off/p10", "ann", NOW_S)
    together = threading.Barrier(50)

    def reserve(number: int) -> str:
        asked = Reserve(token, f"q{number}", msgspec.convert(cart(), CartFacts), visitor="ann")
        together.wait(10)
        try:
            return asyncio.run(services.redemptions.reserve(asked)).reservation
        except Refused as refused:
            return refused.name

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(reserve, range(50)))
    assert answers.count("token-spent") == 49
