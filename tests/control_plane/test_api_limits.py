"""How often one may call: a bucket each, and a bounded number of buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.requests import Request

from control_plane.accounts.actor import LOCAL
from control_plane.api.limits import BUCKETS_MAX, BURST_S, Buckets, address_of
from control_plane.errors import Refused
from control_plane.services import Services
from tests.control_plane.conftest import Running
from tests.control_plane.notes_api import Notes, serving
from tests.control_plane.test_app import assert_canonical

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def taken(buckets: Buckets, who: str) -> int:
    """How many calls go through, one after the other."""
    for number in range(10_000):
        try:
            buckets.take(who)
        except Refused:
            return number
    return 10_000


def test_a_burst_goes_through_and_then_the_rate():
    clock = Clock()
    buckets = Buckets(5, clock)
    assert taken(buckets, "ann") == 5 * BURST_S
    assert taken(buckets, "bob") == 5 * BURST_S
    clock.now_s += 1
    assert taken(buckets, "ann") == 5
    clock.now_s += 3600
    assert taken(buckets, "ann") == 5 * BURST_S


def test_the_refusal_says_when_there_is_one_again():
    buckets = Buckets(5, Clock())
    taken(buckets, "ann")
    with pytest.raises(Refused) as refused:
        buckets.take("ann")
    assert (refused.value.name, refused.value.headers) == ("rate-limited", {"Retry-After": "1"})


@given(st.lists(st.floats(0, 5, allow_nan=False), max_size=60), st.integers(1, 9))
def test_no_more_than_burst_and_rate_ever_go_through(waits: list[float], rate: int):
    clock = Clock()
    buckets, through = Buckets(rate, clock), 0
    for wait_s in waits:
        clock.now_s += wait_s
        through += taken(buckets, "ann")
    assert through <= rate * (BURST_S + sum(waits)) + 1


def test_rate_0_is_no_limit_and_costs_nothing():
    buckets = Buckets(0, Clock())
    assert taken(buckets, "ann") == 10_000
    assert len(buckets) == 0


def test_the_table_is_bounded_and_those_who_call_often_stay():
    clock = Clock()
    buckets = Buckets(1, clock)
    taken(buckets, "ann")
    for number in range(2 * BUCKETS_MAX):
        buckets.take(f"stranger-{number}")
        with pytest.raises(Refused):
            buckets.take("ann")
    assert len(buckets) == BUCKETS_MAX


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::/64"),
        ("2001:db8:1:2:ffff::1", "20010db800010002::/64"),
        ("unix", "unix"),
    ],
)
def test_of_ipv6_a_network_counts_as_one(host: str, counted: str):
    assert address_of(Request({"type": "http", "headers": [], "client": (host, 1)})) == counted


async def test_known_callers_are_counted_by_who_they_are_and_strangers_by_address(
    services: Services,
):
    key = services.accounts.keys.add(LOCAL, "other", ["read"], None).secret
    few = replace(services.settings, calls_per_s=1, public_calls_per_s=1)
    slow = replace(services, settings=few)
    async with serving(Notes(), slow) as client:
        statuses = [(await client.get("/v1/notes")).status_code for _ in range(BURST_S + 2)]
        assert statuses[:BURST_S] == [200] * BURST_S
        limited = await client.get("/v1/notes")
        assert_canonical(limited, "rate-limited")
        assert int(limited.headers["retry-after"]) >= 1
        other = {"Authorization": f"Bearer {key}"}
        assert (await client.get("/v1/notes", headers=other)).status_code == 200
        wrong = {"Authorization": "Bearer wrong"}
        tried = [
            (await client.get("/v1/notes", headers=wrong)).status_code for _ in range(BURST_S + 1)
        ]
    assert tried == [401] * BURST_S + [429]


async def test_health_is_told_to_whoever_does_not_overdo_it(plane: Running):
    for _ in range(50):
        assert (await plane.client.get("/healthz")).status_code == 200
