"""Beacons: good events are stored once and durably, bad ones kept with a reason."""

from __future__ import annotations

import base64
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select

from control_plane.errors import Refused
from control_plane.ingest.checking import micros_of
from control_plane.ingest.reading import read
from control_plane.ingest.typed import Arrival, Fact, Reason, Rejected
from control_plane.storage import tables as t
from edge.decision.beacon import FRESH
from edge.decision.events import (
    BATCH_LIMIT_BYTES,
    BATCH_LIMIT_EVENTS,
    EVENT_LIMIT_BYTES,
)
from tests.control_plane.conftest import Running
from tests.control_plane.homes import BOTH
from tests.control_plane.shop import Slot, event, order_event, send

pytestmark = pytest.mark.anyio
HOMES = BOTH
NOW_S = int(time.time())


def rows(plane: Running, table: Any) -> list[Any]:
    with plane.services.database.reading() as connection:
        return list(connection.execute(select(table)))


async def sent(plane: Running, *events: Any, shop: bool = False) -> dict[str, int]:
    answer = await send(plane.client, list(events), plane.shop_key if shop else "")
    assert answer.status_code == 202, answer.text
    return answer.json()


def quarantined(plane: Running) -> list[str]:
    return [row.reason for row in rows(plane, t.quarantine)]


def shown_slot(plane: Running, name: str = "u") -> Any:
    """A decision that shows an offer to a visitor in no holdout."""
    for number in range(100):
        decided = plane.edge.decide(f"{name}{number}", NOW_S)
        if decided.slots[0].arm != "none" and not decided.slots[0].row.flags & 3:
            return decided
    raise AssertionError("no visitor was shown an offer")


# --- what counts --------------------------------------------------------------


async def test_a_decision_is_stored_with_its_arms_by_name(plane: Running):
    decided = shown_slot(plane)
    counts = await sent(plane, plane.edge.decision_event(decided))
    assert counts == {"accepted": 1, "duplicates": 0, "quarantined": 0}
    (slot,), (row,) = decided.slots, rows(plane, t.decisions)
    assert (row.id, row.placement, row.slot) == (slot.id, "hero", 0)
    assert (row.shown_arm, row.shown_draw, row.attested) == (slot.arm, FRESH, True)
    assert (row.segment, row.bundle) == ("known", plane.edge.live.bundle)
    listed = msgspec.msgpack.decode(row.listed)
    assert listed[0][0] == "none"
    assert sum(tickets for _, tickets in listed) == 1 << 20
    assert [slot.arm, row.shown_tickets] in listed
    (record,) = rows(plane, t.records)
    assert record.record == decided.record


async def test_units_are_told_apart_by_kind(plane: Running):
    decided = plane.edge.decide("someone", NOW_S, customer="someone")
    await sent(plane, plane.edge.decision_event(decided))
    (row,) = rows(plane, t.decisions)
    assert row.unit == row.holdout_unit == row.global_unit == "v:someone"


async def test_a_page_session_is_no_unit(plane: Running):
    decided = plane.edge.decide("", NOW_S, consent="contextual")
    await sent(plane, plane.edge.decision_event(decided))
    (row,) = rows(plane, t.decisions)
    assert row.unit.startswith("s:")


async def test_an_event_counts_once_however_often_it_is_sent(plane: Running):
    decided = plane.edge.decide("u", NOW_S)
    batch = [
        plane.edge.decision_event(decided),
        plane.edge.shown_event(decided.slots[0], NOW_S),
        order_event("o1", "u", NOW_S),
    ]
    assert (await sent(plane, *batch, *batch, shop=True)) == {
        "accepted": 3,
        "duplicates": 3,
        "quarantined": 0,
    }
    assert (await sent(plane, *batch, shop=True))["duplicates"] == 3
    assert len(rows(plane, t.decisions)) == len(rows(plane, t.orders)) == 1


@pytest.mark.parametrize("mac", [None, ""], ids=["attested", "made by a page"])
async def test_a_page_cannot_use_up_the_names_of_others(plane: Running, mac: str | None):
    """Names can be guessed: an order's id, an edge's source."""
    decided, order = plane.edge.decide("u", NOW_S), order_event("o1", "u", NOW_S)
    record = plane.edge.decision_event(decided, mac=mac)
    guessed = [
        plane.edge.shown_event(Slot("a" * 32, None, "", ""), NOW_S)  # type: ignore[arg-type]
        | {"source": each["source"], "id": each["id"]}
        for each in (record, order)
    ]
    assert (await sent(plane, *guessed))["accepted"] == 2
    counts = await sent(plane, plane.edge.decision_event(decided), order, shop=True)
    assert counts == {"accepted": 2, "duplicates": 0, "quarantined": 0}
    assert [row.attested for row in rows(plane, t.decisions)] == [True]
    assert [row.order_id for row in rows(plane, t.orders)] == ["o1"]


async def test_a_page_cannot_tell_an_edges_decision_under_its_name_first(plane: Running):
    """The same record without its MAC, as anybody could send who saw it."""
    decided = plane.edge.decide("u", NOW_S)
    await sent(plane, plane.edge.decision_event(decided, mac=""))
    await sent(plane, plane.edge.decision_event(decided))
    assert [row.attested for row in rows(plane, t.decisions)] == [True]


async def test_the_name_of_an_event_is_source_and_id_together(plane: Running):
    slot = Slot("a" * 32, None, "", "")  # type: ignore[arg-type]
    one = plane.edge.shown_event(slot, NOW_S)
    counts = await sent(plane, one, one | {"source": "/other"}, one | {"id": "other"})
    assert counts["accepted"] == 3
    (touch,) = rows(plane, t.touches)
    assert touch.count == 3


async def test_the_first_time_that_a_slot_was_seen_counts(plane: Running):
    slot = Slot("a" * 32, None, "", "")  # type: ignore[arg-type]
    for name, time_s in (("one", NOW_S), ("two", NOW_S - 5), ("three", NOW_S - 2)):
        await sent(plane, plane.edge.shown_event(slot, time_s, name=name))
    (touch,) = rows(plane, t.touches)
    assert (touch.kind, touch.time_s, touch.count) == ("exposure", NOW_S - 5, 3)


async def test_an_order_is_kept_in_whole_micros_under_all_of_its_units(plane: Running):
    order = order_event("o", "v", NOW_S, customer="c", revenue="12.345678", margin="-0.5")
    await sent(plane, order, shop=True)
    (row,) = rows(plane, t.orders)
    assert (row.revenue_micros, row.margin_micros) == (12_345_678, -500_000)
    assert sorted(u.unit for u in rows(plane, t.order_units)) == ["c:c", "v:v"]


async def test_the_same_order_by_another_event_is_a_duplicate_and_another_content_a_conflict(
    plane: Running,
):
    first = order_event("o", "v", NOW_S)
    await sent(plane, first, shop=True)
    again = first | {"id": "again"}
    assert (await sent(plane, again, shop=True))["duplicates"] == 1
    other = order_event("o", "v", NOW_S, revenue="99.00") | {"id": "other"}
    assert (await sent(plane, other, shop=True))["quarantined"] == 1
    assert quarantined(plane) == ["CONFLICT"]
    (row,) = rows(plane, t.orders)
    assert row.revenue_micros == 60_000_000


# --- whom to believe ----------------------------------------------------------


async def test_an_order_without_the_shops_key_does_not_count(plane: Running):
    assert (await sent(plane, order_event("o", "v", NOW_S)))["quarantined"] == 1
    assert quarantined(plane) == ["NOT_FROM_SHOP"]
    assert rows(plane, t.orders) == []


async def test_a_wrong_key_is_refused_and_nothing_stored(plane: Running):
    answer = await send(plane.client, [order_event("o", "v", NOW_S)], "wrong")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert quarantined(plane) == []


async def test_a_record_with_a_wrong_mac_does_not_count(plane: Running):
    decided = plane.edge.decide("u", NOW_S)
    await sent(plane, plane.edge.decision_event(decided, mac="0" * 64))
    assert quarantined(plane) == ["BAD_MAC"]
    assert rows(plane, t.decisions) == []


async def test_a_record_without_a_mac_is_kept_unattested_until_the_edge_tells_it(plane: Running):
    decided = plane.edge.decide("u", NOW_S)
    unattested = plane.edge.decision_event(decided, mac="") | {"source": "/page"}
    await sent(plane, unattested)
    assert [row.attested for row in rows(plane, t.decisions)] == [False]
    await sent(plane, plane.edge.decision_event(decided))
    assert [row.attested for row in rows(plane, t.decisions)] == [True]
    await sent(plane, unattested | {"id": "later"})
    assert [row.attested for row in rows(plane, t.decisions)] == [True]


async def test_a_record_whose_verdict_was_changed_keeps_no_mac(plane: Running):
    decided = plane.edge.decide("u", NOW_S)
    changed = decided.record[:-1] + bytes([decided.record[-1] ^ 1])
    data = {"record": base64.b64encode(changed).decode(), "mac": plane.edge.mac(decided.record)}
    await sent(plane, event("shop.proffer.decision", "x", data))
    assert quarantined(plane) == ["BAD_MAC"]


# --- quarantine ---------------------------------------------------------------

SHOWN = {"decision": "a" * 32, "placement": "hero", "time_s": NOW_S}
BAD: dict[str, tuple[str, Any]] = {
    "no object": ("UNREADABLE", 7),
    "no id": ("UNREADABLE", {"specversion": "1.0", "type": "x", "source": "/", "data": {}}),
    "another version": ("UNREADABLE", event("x", "a", {}) | {"specversion": "0.3"}),
    "an empty id": ("UNREADABLE", event("shop.proffer.click", "", SHOWN)),
    "control bytes in the source": ("UNREADABLE", event("x", "a", SHOWN, source="a\nb")),
    "too large": ("TOO_LARGE", event("shop.proffer.click", "a", "x" * EVENT_LIMIT_BYTES)),
    "unknown type": ("UNKNOWN_TYPE", event("com.example.other", "a", {})),
    "other data": ("BAD_DATA", event("shop.proffer.click", "a", {"decision": 7})),
    "no decision": ("BAD_DATA", event("shop.proffer.click", "a", SHOWN | {"decision": "zz"})),
    "tomorrow": ("BAD_TIME", event("shop.proffer.click", "a", SHOWN | {"time_s": NOW_S + 86400})),
    "no base64": ("BAD_DATA", event("shop.proffer.decision", "a", {"record": "%", "mac": ""})),
    "no record": ("BAD_RECORD", event("shop.proffer.decision", "a", {"record": "AAAA", "mac": ""})),
    "no amount": ("BAD_DATA", order_event("a", "v", NOW_S, revenue="1e3")),
    "negative": ("BAD_DATA", order_event("a", "v", NOW_S, discount="-1.00")),
    "a float": ("BAD_DATA", order_event("a", "v", NOW_S, revenue=12.5)),
    "another currency": ("WRONG_CURRENCY", order_event("a", "v", NOW_S, currency="USD")),
    "no order id": ("BAD_DATA", order_event("", "v", NOW_S) | {"id": "a"}),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_event_goes_to_quarantine_as_it_came_and_the_good_ones_count(
    plane: Running, name: str
):
    reason, bad = BAD[name]
    good = event("shop.proffer.exposure", "good", SHOWN)
    counts = await sent(plane, bad, good, shop=True)
    assert counts == {"accepted": 1, "duplicates": 0, "quarantined": 1}
    (row,) = rows(plane, t.quarantine)
    assert row.reason == reason
    assert row.detail
    assert msgspec.json.decode(row.event) == bad
    assert len(rows(plane, t.touches)) == 1


async def test_a_record_of_an_unknown_bundle_counts_once_the_bundle_is_known(plane: Running):
    decided = plane.edge.decide("u", NOW_S)
    path = plane.services.settings.objects / "bundles" / plane.edge.live.bundle
    aside = path.rename(path.with_suffix(".away"))
    plane.services.policies._kept.clear()
    await sent(plane, plane.edge.decision_event(decided))
    assert quarantined(plane) == ["UNKNOWN_BUNDLE"]
    still = plane.services.collector.replay_quarantine()
    assert (still.accepted, still.quarantined) == (0, 1)
    aside.rename(path)
    healed = plane.services.collector.replay_quarantine()
    assert (healed.accepted, healed.quarantined) == (1, 0)
    assert quarantined(plane) == []
    assert [row.id for row in rows(plane, t.decisions)] == [decided.slots[0].id]


async def test_replaying_does_not_make_a_strangers_order_count(plane: Running):
    await sent(plane, order_event("o", "v", NOW_S))
    plane.services.collector.replay_quarantine()
    assert quarantined(plane) == ["NOT_FROM_SHOP"]


async def test_the_same_bad_event_is_kept_once(plane: Running):
    for _ in range(3):
        await sent(plane, 7)
    assert quarantined(plane) == ["UNREADABLE"]


# --- batches ------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1,", b"\xff", b"[" * 100_000],
    ids=["empty", "object", "cut", "no UTF-8", "deep"],
)
async def test_a_batch_that_cannot_be_read_is_kept_whole_and_nobody_has_to_send_it_again(
    plane: Running, body: bytes
):
    answer = await send(plane.client, body)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 0, "duplicates": 0, "quarantined": 1}
    (row,) = rows(plane, t.quarantine)
    assert (row.reason, row.format) == ("UNREADABLE_BODY", "cloudevents-body")
    assert row.event == body


@pytest.mark.parametrize(
    "body",
    [b"[" + b"0," * BATCH_LIMIT_EVENTS + b"0]", b"[" + b" " * BATCH_LIMIT_BYTES + b"]"],
    ids=["too many", "too large"],
)
async def test_a_batch_that_is_too_large_is_refused_whole(plane: Running, body: bytes):
    answer = await send(plane.client, body)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert rows(plane, t.events) == rows(plane, t.quarantine) == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
async def test_another_content_type_is_refused(plane: Running, kind: str):
    answer = await send(plane.client, [], content_type=kind)
    assert answer.status_code == 415


async def test_an_empty_batch_is_accepted(plane: Running):
    assert await sent(plane) == {"accepted": 0, "duplicates": 0, "quarantined": 0}


async def test_a_server_that_stops_takes_nothing_more(plane: Running):
    plane.services.writer.close()
    answer = await send(plane.client, [event("shop.proffer.exposure", "a", SHOWN)])
    assert answer.status_code == 503


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_batch_or_too_large(data: bytes):
    refused, batch = None, None
    try:
        batch = read(data, from_shop=False, received_s=NOW_S)
    except Refused as error:
        refused = error
    if batch is None:
        assert refused is not None and refused.name == "too-large"
    else:
        assert batch.format == "cloudevents" or batch.events == (data,)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.just("1.0") | st.text(max_size=4),
        "id": st.text(max_size=8),
        "source": st.text(max_size=8),
        "type": st.sampled_from(
            [f"shop.proffer.{k}" for k in ("decision", "exposure", "click", "order", "return")]
        ),
        "data": json_values
        | st.fixed_dictionaries({"record": st.binary(max_size=200).map(base64.b64encode)}),
    },
)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(value=json_values | envelopes, from_shop=st.booleans())
def test_any_event_is_a_fact_or_is_rejected_with_a_reason(
    services: Any, value: Any, from_shop: bool
):
    raw = msgspec.json.encode(value)
    try:
        arrival = Arrival(from_shop=from_shop, now_s=NOW_S, currency="EUR")
        (found,) = services.collector._admission.admit(raw, arrival)
    except Rejected as rejected:
        found = rejected.reason if rejected.detail else None
    assert isinstance(found, Fact | Reason)


@given(st.integers(-(10**9) + 1, 10**9 - 1), st.integers(0, 6), st.data())
def test_money_is_read_exactly(whole: int, digits: int, data: st.DataObject):
    fraction = data.draw(st.text("0123456789", min_size=digits, max_size=digits))
    text = f"{whole}.{fraction}" if fraction else str(whole)
    expected = abs(whole) * 10**6 + int((fraction or "0").ljust(6, "0"))
    assert micros_of(text, "x", negative=True) == (-expected if whole < 0 else expected)
