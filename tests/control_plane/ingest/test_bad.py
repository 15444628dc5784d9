"""What is wrong in the formats of others is kept, in its format, with its reason."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import Any

import msgspec
import pytest

from control_plane.errors import Refused
from control_plane.ingest.reading import read
from control_plane.ingest.splitting import why_whole
from control_plane.ingest.typed import Format, Reason, Rejected, Trust
from control_plane.quarantine import Quarantined, put_away
from control_plane.storage import tables as t
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS
from tests.control_plane.conftest import Running
from tests.control_plane.ingest.telling import NOW_S, called, counts, ga4, ingest
from tests.control_plane.test_collecting import quarantined, rows

pytestmark = pytest.mark.anyio


def bought(**changes: Any) -> dict[str, Any]:
    return ga4(("purchase", {"transaction_id": "1", "value": 5, "currency": "EUR"} | changes))


def ordered(**told: Any) -> dict[str, Any]:
    return called("Order Completed", {"order_id": "1", "currency": "EUR"} | told)


BAD: list[tuple[str, str, Any]] = [
    ("ga4", "UNREADABLE_BODY", {"client_id": "x"}),
    ("ga4", "UNREADABLE_BODY", [1]),
    ("ga4", "UNREADABLE_BODY", b"\xff"),
    ("ga4", "UNREADABLE_BODY", ga4(("page_view", {}), client_id="x" * 5000)),
    ("ga4", "UNREADABLE", {"events": [7]}),
    ("ga4", "UNKNOWN_TYPE", ga4(("view_promo", {}))),
    ("ga4", "BAD_DATA", ga4(("view_promotion", {}))),
    ("ga4", "BAD_DATA", ga4(("view_promotion", {"promotion_id": "x"}), client_id="")),
    ("ga4", "BAD_DATA", ga4(("view_promotion", {"proffer_decision": "A" * 32}))),
    ("ga4", "BAD_DATA", ga4(("view_promotion", {}), timestamp_micros="-1")),
    ("ga4", "BAD_DATA", ga4(("purchase", {"transaction_id": "1", "currency": "EUR"}))),
    ("ga4", "BAD_DATA", ga4(("purchase", {"transaction_id": "1", "value": 5}))),
    ("ga4", "BAD_DATA", bought(value=1e9)),
    ("ga4", "BAD_DATA", bought(transaction_id="")),
    ("ga4", "WRONG_CURRENCY", bought(currency="USD")),
    ("ga4", "BAD_TIME", ga4(("purchase", {}), timestamp_micros=(NOW_S + 9000) * 10**6)),
    ("ga4", "TOO_OLD", ga4(("view_promotion", {}), timestamp_micros=(NOW_S - 8 * 86400) * 10**6)),
    ("ga4", "TOO_LARGE", ga4(("view_promotion", {"x": "x" * 70_000}))),
    ("segment", "UNREADABLE_BODY", [1]),
    ("segment", "UNREADABLE_BODY", {"batch": {}}),
    ("segment", "UNREADABLE", {"batch": [1]}),
    ("segment", "UNREADABLE", called("Promotion Viewed", {}, timestamp="yesterday")),
    ("segment", "UNKNOWN_TYPE", called("Promotion Seen", {})),
    ("segment", "UNKNOWN_TYPE", {"type": "trick"}),
    ("segment", "BAD_DATA", ordered(revenue="NaN")),
    ("segment", "BAD_DATA", ordered(total=1, tax=2)),
    ("segment", "BAD_DATA", ordered(total=1, tax="Infinity")),
    ("ga4", "BAD_DATA", bought(value="1e1000000")),
    ("ga4", "BAD_DATA", bought(value="-1e1000000")),
    ("ga4", "BAD_DATA", bought(proffer_margin="1e1000000")),
    ("segment", "BAD_DATA", ordered(total="1e1000000")),
    ("segment", "BAD_DATA", ordered(total=1, shipping="1e1000000")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format", "reason", "body"), BAD, ids=[f"{n}-{b[1]}" for n, b in enumerate(BAD)]
)
async def test_what_is_wrong_is_kept_with_its_reason(
    plane: Running, format: str, reason: str, body: Any
):
    assert await counts(plane, format, body, shop=True) == (0, 0, 1)
    (row,) = rows(plane, t.quarantine)
    assert (row.reason, row.trust) == (reason, "shop")
    assert row.format == (f"{format}-body" if reason == "UNREADABLE_BODY" else format)
    if row.format.endswith("-body"):
        assert row.event == (body if isinstance(body, bytes) else msgspec.json.encode(body))
    plane.services.collector.replay_quarantine()
    assert quarantined(plane) == [reason]


async def test_bodies_that_are_too_large_are_the_only_ones_refused(plane: Running):
    many = {"events": [1] * (BATCH_LIMIT_EVENTS + 1)}
    large = b" " * (BATCH_LIMIT_BYTES + 1)
    for body in (many, large):
        assert (await ingest(plane, "ga4", body)).status_code == 413
    assert quarantined(plane) == []


def test_events_are_counted_before_each_is_given_a_head():
    head, events = b"x" * 4000, b",".join([b"0"] * 20_000)
    body = b'{"client_id":"%s","events":[%s]}' % (head, events)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="20000 events"):
            read(body, from_shop=False, received_s=NOW_S, format="ga4")
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 20 << 20


HALVES: list[tuple[Format, Any, Any]] = [
    ("ga4", lambda good, bad: ga4(good, bad), lambda n: ("purchase", bought_alone(n))),
    ("segment", lambda *calls: {"batch": calls}, lambda n: ordered_alone(n)),
]


def bought_alone(name: str) -> dict[str, Any]:
    return {"transaction_id": name, "value": 5, "currency": "EUR"}


def ordered_alone(name: str) -> dict[str, Any]:
    return ordered(order_id=name, revenue=5) | {"messageId": "m" * len(name)}


@pytest.mark.parametrize(("format", "both", "order"), HALVES, ids=["ga4", "segment"])
async def test_half_of_a_surrogate_pair_costs_its_own_event_alone(
    plane: Running, format: Format, both: Any, order: Any
):
    # beside it a whole pair, and an escaped backslash that only looks like a half
    good, bad = order("\\ud83d PAIR"), order("HALF")
    body = msgspec.json.encode(both(good, bad))
    body = body.replace(b"PAIR", rb"\ud83d\ude00").replace(b"HALF", rb"\ud83d")
    assert await counts(plane, format, body, shop=True) == (1, 0, 1)
    assert [row.order_id for row in rows(plane, t.orders)] == ["\\ud83d \N{GRINNING FACE}"]
    (row,) = rows(plane, t.quarantine)
    assert (row.reason, row.format) == ("UNREADABLE", format)
    assert rb'"\ud83d"' in row.event


async def test_a_batch_of_ours_that_was_kept_as_a_whole_is_taken_apart_by_a_replay(
    plane: Running,
):
    halves = rb'[{"id":"\ud83d"},{"id":"\\","x":"\udE00"}]'
    no = Rejected(Reason.UNREADABLE_BODY, "as an older version said")
    kept = Quarantined(halves, no, Trust.PAGE, "cloudevents-body")
    plane.services.writer.run(lambda c: put_away(c, "tinyshop", [kept], NOW_S))
    assert plane.services.collector.replay_quarantine().quarantined == 2
    events = [(row.format, row.event) for row in rows(plane, t.quarantine)]
    assert events == [
        ("cloudevents", rb'{"id":"\ud83d"}'),
        ("cloudevents", rb'{"id":"\\","x":"\udE00"}'),
    ]


async def test_a_body_of_too_many_that_was_kept_stays_whole(plane: Running):
    many = msgspec.json.encode([1] * (BATCH_LIMIT_EVENTS + 1))
    no = Rejected(Reason.UNREADABLE_BODY, "as an older version said")
    kept = Quarantined(many, no, Trust.PAGE, "cloudevents-body")
    plane.services.writer.run(lambda c: put_away(c, "tinyshop", [kept], NOW_S))
    assert plane.services.collector.replay_quarantine().quarantined == 1
    assert [row.event for row in rows(plane, t.quarantine)] == [many]


@pytest.mark.parametrize(
    ("body", "why"),
    [(gzip.compress(b"[]"), "without Content-Encoding"), (b"\xef\xbb\xbf[]", "byte order mark")],
    ids=["gzip", "byte order mark"],
)
def test_bodies_of_senders_who_mean_well_are_told_what_is_wrong(body: bytes, why: str):
    batch = read(body, from_shop=True, received_s=NOW_S)
    assert batch.events == (body,)
    assert why in why_whole(body, batch.format).detail
