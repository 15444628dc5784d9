"""GA4 and Segment lead to the same facts as our own events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from control_plane.ingest import again
from control_plane.storage import tables as t
from tests.control_plane.conftest import Running
from tests.control_plane.homes import BOTH
from tests.control_plane.ingest.telling import NOW_S, called, counts, ga4
from tests.control_plane.shop import BROWSER, Decided
from tests.control_plane.test_collecting import quarantined, rows, sent, shown_slot

pytestmark = pytest.mark.anyio
HOMES = BOTH
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


async def decided(plane: Running, name: str = "u") -> tuple[str, Decided]:
    """A visitor who was shown an offer, and the decision."""
    found = shown_slot(plane, name)
    await sent(plane, plane.edge.decision_event(found))
    (row,) = [r for r in rows(plane, t.decisions) if r.id == found.slots[0].id]
    return row.unit.removeprefix("v:"), found


def touched(plane: Running) -> list[tuple[str, str]]:
    return [(row.decision, row.kind) for row in rows(plane, t.touches)]


PROMOTIONS: list[Any] = [
    ("ga4", lambda p: ga4(("view_promotion", p)), "promotion_id", "creative_slot"),
    ("segment", lambda p: called("Promotion Viewed", p), "promotion_id", "position"),
]


@pytest.mark.parametrize(("format", "of", "offer", "place"), PROMOTIONS, ids=["ga4", "segment"])
async def test_a_promotion_names_its_decision(
    plane: Running, format: str, of: Any, offer: str, place: str
):
    assert await counts(plane, format, of({"proffer_decision": "a" * 32})) == (1, 0, 0)
    assert touched(plane) == [("a" * 32, "exposure")]


@pytest.mark.parametrize(("format", "of", "offer", "place"), PROMOTIONS, ids=["ga4", "segment"])
async def test_a_promotion_is_about_the_newest_decision_of_its_visitor_offer_and_placement(
    plane: Running, format: str, of: Any, offer: str, place: str
):
    visitor, found = await decided(plane)
    newer = plane.edge.decide(visitor, NOW_S - 1)
    older = plane.edge.decide(visitor, NOW_S - 1000)
    await sent(plane, plane.edge.decision_event(newer), plane.edge.decision_event(older))
    arm = found.slots[0].arm
    told = {offer: arm.split("/")[0], place: "hero", "proffer_visitor": visitor}
    assert await counts(plane, format, of(told)) == (1, 0, 0)
    assert touched(plane) == [(found.slots[0].id, "exposure")]


async def test_a_promotion_without_its_decision_waits_and_counts_when_that_comes(
    plane: Running,
):
    visitor, found = await decided(plane)
    good = {"promotion_id": found.slots[0].arm, "creative_slot": "hero", "proffer_visitor": visitor}
    for wrong in ({"promotion_id": "ten"}, {"creative_slot": "checkout"}, {"proffer_visitor": "x"}):
        assert await counts(plane, "ga4", ga4(("select_promotion", good | wrong))) == (0, 0, 1)
    assert quarantined(plane) == ["NO_DECISION"] * 3
    late = plane.edge.decide("late", NOW_S - 5)
    arm = late.slots[0].arm
    early = {"promotion_id": arm, "creative_slot": "hero"}
    assert await counts(plane, "ga4", ga4(("view_promotion", early), client_id="late")) == (0, 0, 1)
    await sent(plane, plane.edge.decision_event(late))
    healed = plane.services.collector.replay_late()
    assert (healed.accepted, healed.quarantined) == (1, 3)
    assert touched(plane) == [(late.slots[0].id, "exposure")]
    again = plane.services.collector.replay_late()
    assert (again.accepted, again.quarantined) == (0, 3)


async def test_the_items_of_a_promotion_count_each_and_the_same_body_counts_once(plane: Running):
    items = [{"proffer_decision": "a" * 32}, {"item_id": "SKU"}, {"proffer_decision": "b" * 32}]
    body = ga4(("view_promotion", {"items": items}), ("page_view", {"page_title": "x"}))
    assert await counts(plane, "ga4", body) == (2, 0, 0)
    assert await counts(plane, "ga4", body) == (0, 2, 0)
    assert sorted(touched(plane)) == [("a" * 32, "exposure"), ("b" * 32, "exposure")]


async def test_purchases_become_orders_of_the_same_shape(plane: Running):
    told = {"currency": "EUR", "proffer_discount": 6}
    purchase = told | {"transaction_id": 7, "value": 54.1, "proffer_margin": "24.000001"}
    completed = told | {"order_id": "s", "total": 70, "tax": 10.5, "shipping": "5.5"}
    assert await counts(plane, "ga4", ga4(("purchase", purchase), user_id=9), shop=True) == (
        1,
        0,
        0,
    )
    assert await counts(plane, "segment", called("Order Completed", completed), shop=True) == (
        1,
        0,
        0,
    )
    first, second = sorted(rows(plane, t.orders), key=lambda row: row.order_id)
    assert (first.order_id, first.visitor, first.customer, first.time_s) == (
        "7",
        "ga-1",
        "9",
        NOW_S,
    )
    assert (first.revenue_micros, first.margin_micros) == (54_100_000, 24_000_001)
    assert (second.order_id, second.visitor, second.customer) == ("s", "seg-1", "")
    assert (second.revenue_micros, second.margin_micros) == (54_000_000, 24_000_000)  # 0.4 of 60
    assert second.discount_micros == 6_000_000


async def test_money_of_others_counts_with_the_shops_key_alone(plane: Running):
    purchase = ("purchase", {"transaction_id": "1", "value": 5, "currency": "EUR"})
    refund = ("refund", {"transaction_id": "1"})
    assert await counts(plane, "ga4", ga4(purchase, refund)) == (0, 0, 2)
    assert quarantined(plane) == ["NOT_FROM_SHOP"] * 2
    plane.services.collector.replay_quarantine()
    assert quarantined(plane) == ["NOT_FROM_SHOP"] * 2
    assert rows(plane, t.orders) == rows(plane, t.returns) == []


@pytest.mark.parametrize("share", [""])
async def test_a_margin_is_never_made_up_and_setting_its_share_heals(plane: Running, share: str):
    purchase = {"transaction_id": "1", "value": 10, "currency": "EUR"}
    assert await counts(plane, "ga4", ga4(("purchase", purchase)), shop=True) == (0, 0, 1)
    assert quarantined(plane) == ["NO_MARGIN"]


@pytest.mark.parametrize(
    ("told", "refund", "margin"),
    [
        ({}, 60_000_000, 18_000_000),
        ({"value": 15, "currency": "EUR"}, 15_000_000, 4_500_000),
        ({"value": 15, "currency": "EUR", "proffer_margin": -3}, 15_000_000, -3_000_000),
        ({"value": 72, "currency": "EUR"}, 72_000_000, 18_000_000),
        ({"value": -72, "currency": "EUR"}, -72_000_000, -18_000_000),
    ],
    ids=["all of it", "in proportion", "as told", "with shipping", "paid again with shipping"],
)
async def test_a_refund_takes_its_part_of_the_orders_profit(
    plane: Running, told: dict[str, Any], refund: int, margin: int
):
    purchase = {"transaction_id": "1", "value": 60, "currency": "EUR"}
    purchase |= {"proffer_margin": 20, "proffer_discount": 2}
    both = ga4(("refund", {"transaction_id": "1"} | told), ("purchase", purchase))
    assert await counts(plane, "ga4", both, shop=True) == (2, 0, 0)
    (row,) = rows(plane, t.returns)
    assert (row.order_id, row.refund_micros, row.margin_micros) == ("1", refund, margin)
    assert await counts(plane, "ga4", both, shop=True) == (0, 2, 0)


async def test_strangers_that_wait_keep_nobody_waiting(
    plane: Running, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(again, "TRIES_LIMIT", 2)
    for number in range(5):
        early = {"promotion_id": "ten", "creative_slot": "hero", "proffer_visitor": f"s{number}"}
        await counts(plane, "ga4", ga4(("view_promotion", early)))
    found = plane.edge.decide("late", NOW_S - 5)
    told = {"promotion_id": found.slots[0].arm, "creative_slot": "hero"}
    await counts(plane, "ga4", ga4(("view_promotion", told), client_id="late"))
    refund = called("Order Refunded", {"order_id": "1", "total": 5, "currency": "EUR"})
    await counts(plane, "segment", refund, shop=True)
    order = called("Order Completed", {"order_id": "1", "revenue": 10, "currency": "EUR"})
    await counts(plane, "segment", {"batch": [order]}, shop=True)
    await sent(plane, plane.edge.decision_event(found))
    assert plane.services.collector.replay_late().accepted == 1  # the shop's, at once
    assert sum(plane.services.collector.replay_late().accepted for _ in range(2)) == 1


async def test_a_refund_of_an_unknown_order_waits_for_it(plane: Running):
    refund = called("Order Refunded", {"order_id": "1", "total": 5, "currency": "EUR"})
    assert await counts(plane, "segment", refund, shop=True) == (0, 0, 1)
    assert quarantined(plane) == ["NO_ORDER"]
    order = called("Order Completed", {"order_id": "1", "revenue": 10, "currency": "EUR"})
    assert await counts(plane, "segment", {"batch": [order]}, shop=True) == (1, 0, 0)
    assert plane.services.collector.replay_late().accepted == 1
    assert [row.margin_micros for row in rows(plane, t.returns)] == [2_000_000]


async def test_a_huge_refund_of_a_tiny_order_stays_within_what_a_column_holds(plane: Running):
    purchase = {"transaction_id": "1", "value": 0.000001, "currency": "EUR"}
    purchase |= {"proffer_margin": 999_999_999}
    refund = {"transaction_id": "1", "value": 999_999_999, "currency": "EUR"}
    both = ga4(("purchase", purchase), ("refund", refund))
    assert await counts(plane, "ga4", both, shop=True) == (2, 0, 0)
    assert [row.margin_micros for row in rows(plane, t.returns)] == [999_999_999_000_000]


async def test_google_senders_put_secrets_into_the_address_and_nobody_looks(plane: Running):
    url = "/v1/ingest/ga4?measurement_id=G-1&api_secret=s"
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    content = msgspec.json.encode(ga4(("purchase", {"transaction_id": "1", "value": 1})))
    answer = await plane.client.post(url, content=content, headers=headers)
    assert answer.json()["quarantined"] == 1
    assert quarantined(plane) == ["NOT_FROM_SHOP"]


# --- robots -------------------------------------------------------------------


async def test_robots_are_told_by_whose_browser_it_was(plane: Running):
    def seen(name: str) -> tuple[str, dict[str, Any]]:
        return "view_promotion", {"proffer_decision": name * 32}

    await counts(plane, "ga4", ga4(seen("a"), user_agent=GOOGLEBOT))
    await counts(plane, "ga4", ga4(seen("b")), agent=GOOGLEBOT)
    await counts(plane, "ga4", ga4(seen("c")), agent="python-requests/2", shop=True)
    await counts(plane, "ga4", ga4(seen("d"), user_agent=BROWSER), agent="python-requests/2")
    call = called("Promotion Viewed", seen("e")[1], context={"userAgent": GOOGLEBOT})
    await counts(plane, "segment", call)
    bots = {row.decision[0]: row.bot for row in rows(plane, t.touches)}
    assert bots == {"a": True, "b": True, "c": False, "d": False, "e": True}


async def test_what_a_person_saw_too_counts(plane: Running):
    for agent, bot in ((GOOGLEBOT, True), (BROWSER, False), (GOOGLEBOT, False)):
        touch = {"proffer_decision": "a" * 32}
        await counts(plane, "ga4", ga4(("view_promotion", touch), user_agent=agent))
        assert [row.bot for row in rows(plane, t.touches)] == [bot]
