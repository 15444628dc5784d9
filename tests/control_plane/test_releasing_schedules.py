"""Schedules: at a local time, once, or told why not; and the calendar that shows them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from control_plane.accounts.actor import LOCAL
from control_plane.drafting.revisions import Made as MadeHow
from control_plane.drafting.revisions import store
from control_plane.issuing import PublishRefused
from control_plane.releasing.calendars import calendar
from control_plane.releasing.local_time import instant_of, instants, local_text
from control_plane.releasing.ramps import Ramps
from control_plane.releasing.schedules import (
    Action,
    PauseThen,
    PromoteThen,
    PublishThen,
    ResumeThen,
    Schedule,
    Schedules,
    SwitchThen,
)
from control_plane.releasing.switches import Switch
from control_plane.releasing.watch import Watch
from control_plane.services import Services
from control_plane.storage.failures import StorageUnavailable
from tests.control_plane.homes import BOTH
from tests.control_plane.ramping import DEARER, STEPS, Clock, clock, dearer, ramps, start
from tests.control_plane.shop import CATALOG

HOMES = BOTH
__all__ = ["clock", "dearer", "ramps"]
ZONE = "Europe/Berlin"
PAUSE = PauseThen(what=Switch(offers=("five-off",)))
RESUME = ResumeThen(what=Switch(offers=("five-off",)))


@pytest.fixture
def schedules(services: Services, clock: Clock) -> Schedules:
    return Schedules(services, services.publisher)


def at(clock: Clock, seconds: int) -> str:
    """So many seconds from now, on the shop's clock."""
    moment = datetime.fromtimestamp(clock.now_s + seconds, ZoneInfo(ZONE))
    return moment.replace(tzinfo=None).isoformat()


def plan(schedules: Schedules, clock: Clock, action: Action, in_s: int, **more: Any) -> Schedule:
    return schedules.add(action, at(clock, in_s), ZONE, actor=LOCAL, **more)


def revision(services: Services, text: str, author: str = "user:ann") -> str:
    made = MadeHow(parent="", author=author, message="", at_s=1)
    files = {"catalog.yaml": text.encode()}
    return services.writer.run(lambda c: store(c, services.settings.tenant, files, made))


def paused(services: Services) -> tuple[str, ...]:
    live = services.publisher.live()
    assert live is not None
    return live.manifest.paused.offers


# --- doing --------------------------------------------------------------------


def test_a_pause_and_its_end_happen_at_their_times(
    services: Services, schedules: Schedules, clock: Clock
):
    first, second = plan(schedules, clock, PAUSE, 60), plan(schedules, clock, RESUME, 120)
    assert schedules.run_due() == []
    clock.now_s += 60
    (done,) = schedules.run_due()
    assert (done.id, done.state, paused(services)) == (first.id, "done", ("five-off",))
    clock.now_s += 60
    (done,) = schedules.run_due()
    assert (done.id, done.state, paused(services)) == (second.id, "done", ())
    live = services.publisher.live()
    assert live is not None and live.actor == "process:schedules"
    assert done.outcome == f"sequence {live.sequence}"


def test_a_revision_is_compiled_and_published_and_the_old_policy_comes_back(
    services: Services, schedules: Schedules, clock: Clock
):
    before = services.publisher.live()
    assert before is not None
    plan(schedules, clock, PublishThen(revision=revision(services, DEARER)), 60)
    plan(schedules, clock, SwitchThen(bundle=before.bundle), 120)
    clock.now_s += 60
    schedules.run_due()
    live = services.publisher.live()
    assert live is not None and live.bundle != before.bundle and "schedule" in live.note
    clock.now_s += 60
    schedules.run_due()
    live = services.publisher.live()
    assert live is not None and (live.bundle, live.reason) == (before.bundle, "roll-back")


def test_what_is_due_happens_once_however_many_look(
    services: Services, schedules: Schedules, clock: Clock
):
    plan(schedules, clock, PAUSE, 60)
    clock.now_s += 61
    before = services.publisher.live()
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: schedules.run_due(), range(6)))
    after = services.publisher.live()
    assert before is not None and after is not None
    assert after.sequence == before.sequence + 1


def test_after_a_downtime_it_runs_late_with_a_note_or_is_told_as_missed(
    services: Services, schedules: Schedules, clock: Clock
):
    late = plan(schedules, clock, PAUSE, 60, grace_s=3600)
    missed = plan(schedules, clock, RESUME, 90, grace_s=600)
    clock.now_s += 3000
    schedules.run_due()
    assert schedules.get(late.id).state == "done"
    assert schedules.get(late.id).outcome.endswith("2940 s after its time")
    told = schedules.get(missed.id)
    assert (told.state, told.outcome) == ("missed", "2910 s after its time; not done")
    assert paused(services) == ("five-off",)
    assert schedules.run_due() == []


def test_what_is_refused_at_its_time_has_failed_and_says_why(
    services: Services, schedules: Schedules, clock: Clock, dearer: bytes
):
    schedule = plan(schedules, clock, PublishThen(revision=revision(services, DEARER)), 60)
    start(Ramps(services.settings, services.publisher, services.database), dearer)
    clock.now_s += 60
    schedules.run_due()
    told = schedules.get(schedule.id)
    assert (told.state, told.outcome) == ("failed", "a ramp is open on this channel")


def test_while_nothing_can_be_stored_it_waits_and_is_tried_again(
    services: Services, schedules: Schedules, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    schedule = plan(schedules, clock, PAUSE, 60)
    clock.now_s += 60

    def down(*_: object, **__: object) -> None:
        raise StorageUnavailable("the bucket is away")

    with monkeypatch.context() as patch:
        patch.setattr(services.publisher, "sign", down)
        assert [each.state for each in schedules.run_due()] == ["waiting"]
    assert [each.state for each in schedules.run_due()] == ["done"]
    assert schedules.get(schedule.id).state == "done"


def test_cancelled_ones_do_not_happen(services: Services, schedules: Schedules, clock: Clock):
    schedule = plan(schedules, clock, PAUSE, 60)
    schedules.cancel(schedule.id, actor=LOCAL)
    clock.now_s += 60
    assert schedules.run_due() == [] and paused(services) == ()
    with pytest.raises(PublishRefused, match="is cancelled"):
        schedules.cancel(schedule.id, actor=LOCAL)


def test_the_watch_does_what_is_due_in_one_process_at_a_time(
    services: Services, schedules: Schedules, clock: Clock
):
    schedule = plan(schedules, clock, PAUSE, 60)
    clock.now_s += 60
    mine, other = Watch(services), Watch(services)
    assert mine._is_mine() and not other._is_mine()
    other.look()
    assert schedules.get(schedule.id).state == "waiting"
    mine.end()
    other.look()
    assert schedules.get(schedule.id).state == "done"


def test_what_cannot_be_is_refused_when_it_is_planned(
    services: Services, schedules: Schedules, clock: Clock
):
    broken = revision(services, CATALOG + FAILING)
    for action, what in (
        (SwitchThen(bundle="0" * 64), "never published here"),
        (PromoteThen(source="staging", bundle="0" * 64), "no channel 'staging'"),
        (PauseThen(what=Switch()), "nothing is named"),
        (PublishThen(revision=broken), "self-test 'never'"),
    ):
        with pytest.raises(PublishRefused, match=what):
            plan(schedules, clock, action, 60)
    with pytest.raises(PublishRefused, match="is over"):
        plan(schedules, clock, PAUSE, -60)


FAILING = "tests:\n  never: {expect: {hero: ten-off/p20}}\n"


# --- approval -----------------------------------------------------------------


def test_the_approval_is_asked_for_again_when_the_time_has_come(
    services: Services, schedules: Schedules, clock: Clock
):
    strict = replace(services.settings, require_approval=True)
    services.publisher.gatehouse._settings = strict
    schedule = plan(schedules, clock, PublishThen(revision=revision(services, DEARER)), 60)
    clock.now_s += 60
    schedules.run_due()
    told = schedules.get(schedule.id)
    assert told.state == "failed" and "is not approved" in told.outcome


# --- local times --------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "occurrence", "expected"),
    [
        ("2026-03-29T01:59", None, 1774745940),
        ("2026-03-29T03:00", None, 1774746000),
        ("2026-10-25T02:30", "first", 1792888200),
        ("2026-10-25T02:30", "second", 1792891800),
        ("2026-10-25T03:00", None, 1792893600),
    ],
)
def test_a_local_time_is_an_instant(local: str, occurrence: Any, expected: int):
    assert instant_of(local, ZONE, occurrence) == expected


def test_a_time_that_never_comes_is_refused_with_the_next_one():
    with pytest.raises(PublishRefused, match=r"02:30 never comes in Europe/Berlin") as caught:
        instant_of("2026-03-29T02:30", ZONE)
    assert caught.value.help.startswith("Choose 2026-03-29T03:00")


def test_a_time_that_comes_twice_is_refused_until_one_is_chosen():
    with pytest.raises(PublishRefused, match=r"comes twice .* 00:30 UTC and at 01:30 UTC"):
        instant_of("2026-10-25T02:30", ZONE)


@pytest.mark.parametrize(
    ("local", "zone", "what"),
    [
        ("tomorrow", ZONE, "no local time"),
        ("2026-11-27T08:00+01:00", ZONE, "offset of its own"),
        ("2026-11-27T08:00:00.5", ZONE, "no whole second"),
        ("2026-11-27T08:00", "Europe/Nowhere", "no time zone"),
        ("2026-11-27T08:00", "tzdata.zi", "no time zone"),
        ("2026-11-27T08:00", "../Europe/Berlin", "no time zone"),
    ],
)
def test_what_is_no_time_is_refused(local: str, zone: str, what: str):
    with pytest.raises(PublishRefused, match=what):
        instant_of(local, zone)


@given(
    st.integers(0, 4_000_000_000),
    st.sampled_from([ZONE, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
)
def test_every_instant_is_found_again_from_what_clocks_show(at_s: int, zone: str):
    shown = datetime.fromisoformat(local_text(at_s, zone)).replace(tzinfo=None)
    assert at_s in instants(shown, ZoneInfo(zone))


# --- the calendar -------------------------------------------------------------

WINDOWED = CATALOG.replace(
    "    kind: percent\n",
    "    kind: percent\n    window: {start: 2027-03-28T00:00, until: 2027-03-29T00:00}\n",
)


def test_the_calendar_shows_schedules_windows_and_the_ramp_on_the_shops_clock(
    services: Services, schedules: Schedules, clock: Clock, ramps: Ramps, dearer: bytes,
    tmp_path: Path,
):  # fmt: skip
    (tmp_path / "catalog" / "catalog.yaml").write_text(WINDOWED)
    services.catalog.publish(actor="test")
    plan(schedules, clock, PAUSE, 60)
    ramp = start(ramps, dearer)
    year_s = clock.now_s + 366 * 86400
    events = calendar(
        ZONE,
        clock.now_s,
        year_s,
        schedules=schedules.between(clock.now_s, year_s),
        bundle=services.publisher.live_bundle(),
        ramp=ramp,
    )
    assert [(event.kind, event.at_s - clock.now_s) for event in events[:3]] == [
        ("schedule", 60),
        ("ramp-step", STEPS[0].hold_s),
        ("ramp-end", STEPS[0].hold_s + STEPS[1].hold_s),
    ]
    assert [(event.kind, event.subject, event.local) for event in events[3:]] == [
        ("offer-opens", "ten-off", "2027-03-28T00:00:00+01:00"),
        ("offer-closes", "ten-off", "2027-03-29T00:00:00+02:00"),
    ]
    assert events[0].what == "pause offer 'five-off'"
