"""Ramps: a canary grows by the clock, and goes back at once where it does harm."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from control_plane.accounts.actor import LOCAL
from control_plane.issuing import PublishRefused
from control_plane.publishing import RampIsOpen
from control_plane.releasing.ramps import Ramps
from control_plane.releasing.steps import Step, check_steps
from control_plane.releasing.switches import Switch
from control_plane.services import Services
from control_plane.storage.tables_audit import audit
from edge.decision.hashing import T
from tests.control_plane.homes import BOTH
from tests.control_plane.ramping import CanaryEdge, Clock, clock, dearer, ramps, shares, start

HOMES = BOTH
__all__ = ["clock", "dearer", "ramps"]


# --- the way of a ramp --------------------------------------------------------


def test_it_grows_by_the_clock_and_ends_as_the_live_policy(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    publisher, base = services.publisher, services.publisher.live()
    ramp = start(ramps, dearer, note="dearer mugs")
    assert base is not None and (ramp.base, ramp.state) == (base.bundle, "running")
    tenth = T // 10
    assert shares(publisher) == [tenth, T - tenth]
    clock.now_s += 599
    assert ramps.look() is not None and shares(publisher) == [tenth, T - tenth]
    clock.now_s += 1
    ramps.look()
    assert shares(publisher) == [T // 2, T // 2]
    clock.now_s += 1200
    seen = ramps.look()
    assert seen is not None and seen.ramp.state == "finished"
    assert seen.ramp.note.endswith("harm; too few to tell: profit, withheld, refused")
    live = publisher.live()
    assert live is not None and (live.bundle, live.reason) == (ramp.bundle, "publish")
    assert shares(publisher) == [T] and live.manifest.ramp == "all"
    assert ramps.look() is None
    assert not publisher.is_rolled_back()


def test_whoever_has_the_canary_keeps_it_while_it_grows(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    ramp, edge = start(ramps, dearer), CanaryEdge(services)

    def with_canary() -> set[str]:
        found = set()
        for number in range(400):
            edge.visitor = f"v{number}"
            if edge.bundle.digest.hex() == ramp.bundle:
                found.add(edge.visitor)
        return found

    few = with_canary()
    clock.now_s += 600
    ramps.look()
    many = with_canary()
    assert few < many and 20 <= len(few) <= 65 and 160 <= len(many) <= 240


def test_a_paused_ramp_stands_still_and_goes_on_where_it_stood(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    ramp = start(ramps, dearer)
    clock.now_s += 400
    ramps.pause(ramp.id, actor=LOCAL)
    clock.now_s += 100_000
    ramps.look()
    assert shares(services.publisher)[0] == T // 10
    resumed = ramps.resume(ramp.id, actor=LOCAL)
    assert resumed.due_s == clock.now_s + 200
    clock.now_s += 200
    ramps.look()
    assert shares(services.publisher)[0] == T // 2
    with pytest.raises(PublishRefused, match="is not paused: it is running"):
        ramps.resume(ramp.id, actor=LOCAL)


@pytest.mark.parametrize("end", ["finish", "abort"])
def test_people_end_it_at_any_time(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes, end: str
):
    ramp = start(ramps, dearer)
    ended = getattr(ramps, end)(ramp.id, actor=LOCAL)
    live = services.publisher.live()
    assert live is not None
    assert live.bundle == (ramp.bundle if end == "finish" else ramp.base)
    assert (ended.state, shares(services.publisher)) == (f"{end}ed", [T])
    assert services.publisher.is_rolled_back() is (end == "abort")
    with pytest.raises(PublishRefused, match=f"is not open: it is {end}ed"):
        getattr(ramps, end)(ramp.id, actor=LOCAL)


def test_nobody_publishes_over_it_and_neither_does_learning(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    ramp = start(ramps, dearer)
    weights = services.catalog.weights()
    for publish in (
        lambda: services.catalog.publish(actor="test"),
        lambda: services.catalog.publish_weights(weights, note=""),
        lambda: start(ramps, dearer),
    ):
        with pytest.raises(RampIsOpen):
            publish()
    ramps.abort(ramp.id, actor=LOCAL)
    with pytest.raises(PublishRefused, match="rolled back; learning waits"):
        services.catalog.publish_weights(weights, note="")
    services.catalog.publish(actor="test")


def test_rolling_back_by_hand_ends_it(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    ramp = start(ramps, dearer)
    services.publisher.roll_back(ramp.base, actor="test")
    assert shares(services.publisher) == [T]
    assert ramps.get(ramp.id).state == "aborted"
    assert start(ramps, dearer).id != ramp.id


def test_switches_and_resignings_keep_the_canary(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    start(ramps, dearer)
    services.publisher.switch_off(Switch(placements=("hero",)), actor="test")
    services.publisher.resign()
    live = services.publisher.live()
    assert live is not None and live.manifest.paused.placements == ("hero",)
    assert shares(services.publisher)[0] == T // 10
    clock.now_s += 600
    ramps.look()
    live = services.publisher.live()
    assert live is not None and live.manifest.paused.placements == ("hero",)


def test_two_processes_that_look_at_once_take_one_step(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    start(ramps, dearer)
    clock.now_s += 600
    before = services.publisher.live()
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: ramps.look(), range(4)))
    after = services.publisher.live()
    assert before is not None and after is not None
    assert after.sequence == before.sequence + 1
    assert {each.ramp.step for each in seen if each} == {1}


def test_every_step_is_in_the_audit_log(
    services: Services, ramps: Ramps, clock: Clock, dearer: bytes
):
    ramp = start(ramps, dearer)
    ramps.pause(ramp.id, actor=LOCAL)
    ramps.resume(ramp.id, actor=LOCAL)
    clock.now_s += 600
    ramps.look()
    ramps.abort(ramp.id, actor=LOCAL)
    with services.database.reading() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action).order_by(audit.c.number))
        told = [tuple(row) for row in rows][-5:]
    assert told == [
        ("local", "channel.ramp"),
        ("local", "ramp.pause"),
        ("local", "ramp.resume"),
        ("process:ramps", "channel.ramp"),
        ("local", "channel.roll-back"),
    ]


@pytest.mark.parametrize("shares", [(), (0.5, 0.5), (0.5, 0.1), (1e-9,), (0.2, float("nan"))])
def test_steps_that_do_not_grow_are_none(shares: tuple[float, ...]):
    with pytest.raises(PublishRefused, match="no steps of a ramp"):
        check_steps(tuple(Step(share=share, hold_s=60) for share in shares))
