"""Beacons through a Python Worker: safe in a queue or at the control plane before it says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.edges import a_shown, assert_problem, until
from tests.support.workers import Fleet


def exposed(f: Fleet, member: str) -> tuple[Any, dict[str, Any]]:
    visitor = f.visitor(member)
    (decided,) = visitor.decide("hero")["decisions"]
    return visitor, a_shown(decided)


def arrived(f: Fleet, event: dict[str, Any]) -> bool:
    return event["id"] in {one["id"] for one in f.control.events("exposure")}


@pytest.mark.parametrize("member", ["address", "bucket"])
def test_an_exposure_is_passed_on_and_moves_the_state(current: Fleet, member: str) -> None:
    visitor, event = exposed(current, member)
    before = visitor.cookies["__Host-ps"]
    answer = visitor.beacon(event)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"accepted": 1, "duplicates": 0, "quarantined": 0, "refused": []}
    assert visitor.cookies["__Host-ps"] != before
    until(lambda: arrived(current, event))


def test_a_control_plane_that_is_away_is_a_503_without_a_queue(current: Fleet) -> None:
    visitor, event = exposed(current, "address")
    current.control.status = 503
    answer = visitor.beacon(event)
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    current.control.status = 200
    assert visitor.beacon(event).status_code == 200


def test_a_queue_keeps_events_while_the_control_plane_is_away(current: Fleet) -> None:
    visitor, event = exposed(current, "bucket")
    current.control.status = 503
    assert visitor.beacon(event).status_code == 200
    until(lambda: "events stay in the queue" in current.workers.output())
    assert not arrived(current, event)
    current.control.status = 200
    until(lambda: arrived(current, event))


def test_records_wait_in_the_isolate_while_the_control_plane_is_away(current: Fleet) -> None:
    current.control.status = 503
    visitor, event = exposed(current, "address")
    decision = event["data"]["decision"]
    until(lambda: current.health("address")["queued"])
    current.control.status = 200
    # Any request takes them along.
    until(lambda: visitor.get("/_proffer/healthz") and decision in current.control.records())
    until(lambda: current.health("address")["queued"] == 0)


def test_a_large_batch_goes_through_the_queue_in_parts(current: Fleet) -> None:
    visitor, event = exposed(current, "bucket")
    long = "x" * 20_000
    batch = [event | {"id": f"part-{n}", "subject": long} for n in range(20)]
    answer = visitor.beacon(*batch)
    assert answer.json()["accepted"] == 20, answer.text
    until(lambda: all(arrived(current, one) for one in batch))


def test_what_the_control_plane_never_takes_is_told_at_once(current: Fleet) -> None:
    visitor, event = exposed(current, "address")
    current.control.status = 422
    assert_problem(visitor.beacon(event), 502, "refused")
