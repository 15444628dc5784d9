"""The shop's signed webhook: whom it believes, and what becomes of an order and its returns."""

from __future__ import annotations

import base64
import hmac
import time
from typing import Any

import pytest

from control_plane.outcomes import order_worth
from control_plane.storage import tables as t
from tests.control_plane.conftest import Running
from tests.control_plane.ingest.conftest import NEW, OLD
from tests.control_plane.ingest.telling import NOW_S, placed, returned, webhook
from tests.control_plane.shop import event
from tests.control_plane.test_collecting import quarantined, rows, sent

pytestmark = pytest.mark.anyio


def profits(plane: Running) -> list[int]:
    with plane.services.database.reading() as connection:
        worth = order_worth("tinyshop")
        return [int(row.profit_micros) for row in connection.execute(worth.select())]


async def test_a_signed_order_counts_once_however_often_it_is_delivered(plane: Running):
    for accepted in (1, 0, 0):
        answer = await webhook(plane, placed())
        assert (answer.status_code, answer.json()["accepted"]) == (202, accepted)
    assert [row.order_id for row in rows(plane, t.orders)] == ["o1"]


async def test_all_secrets_are_believed_while_they_are_in_the_file(plane: Running):
    assert (await webhook(plane, placed(), secret=OLD)).status_code == 202
    both = f"v1,{base64.b64encode(b'x' * 32).decode()} v1a,abc "
    name, at, body = "m", str(int(time.time())), b"{}"
    mac = hmac.digest(NEW, f"{name}.{at}.".encode() + body, "sha256")
    signed = f"{both}v1,{base64.b64encode(mac).decode()}"
    assert (await webhook(plane, body, name=name, sent=signed)).status_code == 202
    file = plane.services.settings.webhook_secret_file
    assert file is not None
    file.write_text(base64.b64encode(NEW).decode())
    plane.services.keys._webhook_secrets.__self__._looked_s = 0  # type: ignore[attr-defined]
    assert (await webhook(plane, placed(order_id="o2"), secret=OLD)).status_code == 401
    assert (await webhook(plane, placed(order_id="o2"), secret=NEW)).status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": b"w" * 32},
        {"signed_body": b"{}"},
        {"sent": ""},
        {"sent": "v1,"},
        {"sent": "v2,abc"},
        {"name": ""},
        {"time_s": "soon"},
        {"time_s": NOW_S - 86400},  # of when the run began
        {"time_s": NOW_S + 86400},
    ],
    ids=lambda changes: str(changes)[:40],
)
async def test_what_is_not_signed_here_and_now_is_refused_and_nothing_kept(
    plane: Running, changes: dict[str, Any]
):
    answer = await webhook(plane, placed(), **changes)
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/unauthorized"
    assert rows(plane, t.orders) == rows(plane, t.quarantine) == []


async def test_a_signed_body_that_cannot_be_read_is_kept_as_the_shops(plane: Running):
    for body, reason in ((b"{", "UNREADABLE"), (placed(revenue="x"), "BAD_DATA")):
        answer = await webhook(plane, body)
        assert (answer.status_code, answer.json()["quarantined"]) == (202, 1)
        assert quarantined(plane)[-1] == reason
    assert {(row.trust, row.format) for row in rows(plane, t.quarantine)} == {("shop", "webhook")}


async def test_returns_take_from_the_orders_profit_and_repayments_add(plane: Running):
    await webhook(plane, placed(discount="5.00"))
    assert profits(plane) == [15_000_000]
    await webhook(plane, returned())
    assert profits(plane) == [5_000_000]
    await webhook(plane, returned(return_id="r2", refund="-3.00", margin="-1.00"))
    assert profits(plane) == [6_000_000]
    for _ in range(2):
        await webhook(plane, returned())
    assert profits(plane) == [6_000_000]


async def test_a_return_is_told_by_our_own_event_too_and_late_ones_count(plane: Running):
    data = returned(time_s=NOW_S - 400 * 86400)["data"]
    told = event("shop.proffer.return", "r1", data)
    assert (await sent(plane, told))["quarantined"] == 1
    assert quarantined(plane) == ["NOT_FROM_SHOP"]
    assert (await sent(plane, told, shop=True))["accepted"] == 1
    assert (await sent(plane, told, shop=True))["duplicates"] == 1


async def test_a_return_of_the_same_id_with_other_content_is_a_conflict_that_stays_one(
    plane: Running,
):
    await webhook(plane, returned())
    for _ in range(2):
        answer = await webhook(plane, returned(refund="31.00"))
        assert answer.json()["quarantined"] == 1
    for _ in range(2):
        plane.services.collector.replay_quarantine()
        assert quarantined(plane) == ["CONFLICT"]
    assert [row.refund_micros for row in rows(plane, t.returns)] == [30_000_000]
