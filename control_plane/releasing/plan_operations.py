"""Ramps, schedules and the calendar over HTTP."""

from __future__ import annotations

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Link, Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.releasing import shapes as s
from control_plane.releasing.calendars import calendar
from control_plane.releasing.local_time import zone_of
from control_plane.releasing.operations import (
    CHANGES,
    CHANNEL,
    PUBLISHES,
    chosen,
    publisher_of,
    ramps_of,
    work,
)
from control_plane.releasing.ramp_book import Ramp
from control_plane.releasing.schedules import Schedule, Schedules

RAMPS, SCHEDULES = "ramps", "schedules"
RAMP = f"{CHANNEL}/ramps/{{ramp}}"
OF_RAMP = (*CHANGES, "unknown-ramp")
OF_SCHEDULE = (*CHANGES, "unknown-schedule")


# --- ramps --------------------------------------------------------------------


async def start_ramp(call: Call) -> Answer:
    ramps, publisher, asked = ramps_of(call), publisher_of(call), call.body

    def start() -> s.RampView:
        data, origin, _ = chosen(call.services, asked, publisher)
        ramp = ramps.start(
            data,
            actor=call.actor,
            origin=origin,
            steps=asked.steps,
            guard=asked.guard,
            note=asked.note,
        )
        return s.ramp_view(ramp)

    answer = await work(start)
    return Answer(answer.body, 201)


async def list_ramps(call: Call) -> Answer:
    ramps, query = ramps_of(call), call.query
    key = key_of(query.after, int, str)

    def look() -> Page[Ramp]:
        found = ramps.newest(query.limit + 1, None if key is None else (key[0], key[1]))
        return page_of(found, query.limit, lambda ramp: (ramp.started_s, ramp.id))

    return await work(look)


async def get_ramp(call: Call) -> Answer:
    ramps, id = ramps_of(call), call.params.ramp

    def look() -> s.RampView:
        ramp = ramps.get(id)
        return s.ramp_view(ramp, ramps.metrics(ramp))

    return await work(look)


async def pause_ramp(call: Call) -> Answer:
    ramps, id = ramps_of(call), call.params.ramp
    return await work(lambda: s.ramp_view(ramps.pause(id, actor=call.actor)))


async def resume_ramp(call: Call) -> Answer:
    ramps, id = ramps_of(call), call.params.ramp
    return await work(lambda: s.ramp_view(ramps.resume(id, actor=call.actor)))


async def finish_ramp(call: Call) -> Answer:
    ramps, id = ramps_of(call), call.params.ramp
    return await work(lambda: s.ramp_view(ramps.finish(id, actor=call.actor)))


async def abort_ramp(call: Call) -> Answer:
    ramps, id = ramps_of(call), call.params.ramp
    return await work(lambda: s.ramp_view(ramps.abort(id, actor=call.actor)))


# --- schedules ----------------------------------------------------------------


def _schedules(call: Call) -> Schedules:
    return Schedules(call.services, publisher_of(call))


def _zone(call: Call, named: str) -> str:
    """The zone that is named, or that of the live policy's shop."""
    publisher = publisher_of(call)
    live = publisher.live()
    shop = publisher.gatehouse.candidates.zone_of(live.bundle) if live else "UTC"
    return zone_of(named or shop).key


async def add_schedule(call: Call) -> Answer:
    schedules, asked = _schedules(call), call.body

    def add() -> Schedule:
        return schedules.add(
            asked.action,
            asked.local,
            _zone(call, asked.zone),
            actor=call.actor,
            occurrence=asked.occurrence,
            grace_s=asked.grace_s,
        )

    answer = await work(add)
    return Answer(answer.body, 201)


async def list_schedules(call: Call) -> Answer:
    schedules, query = _schedules(call), call.query
    key = key_of(query.after, int, str)

    def look() -> Page[Schedule]:
        after = None if key is None else (key[0], key[1])
        found = schedules.soonest(query.limit + 1, after, since_s=query.since_s)
        return page_of(found, query.limit, lambda schedule: (schedule.at_s, schedule.id))

    return await work(look)


async def get_schedule(call: Call) -> Answer:
    schedules, id = _schedules(call), call.params.schedule
    return await work(lambda: schedules.get(id))


async def cancel_schedule(call: Call) -> Answer:
    schedules, id = _schedules(call), call.params.schedule
    return await work(lambda: schedules.cancel(id, actor=call.actor))


async def get_calendar(call: Call) -> Answer:
    publisher, query = publisher_of(call), call.query

    def look() -> s.CalendarView:
        zone = _zone(call, query.zone)
        from_s = publisher.signings.now_s() if query.from_s is None else query.from_s
        until_s = from_s + s.SPAN_S if query.until_s is None else query.until_s
        events = calendar(
            zone,
            from_s,
            until_s,
            schedules=_schedules(call).between(from_s, until_s),
            bundle=publisher.live_bundle(),
            ramp=ramps_of(call).open_one(),
        )
        return s.CalendarView(zone=zone, from_s=from_s, until_s=until_s, events=events)

    return await work(look)


SEE_RAMP = Link(to="get_ramp", parameters={"channel": "path.channel", "ramp": "ramp.id"})
SEE_SCHEDULE = Link(to="get_schedule", parameters={"channel": "path.channel", "schedule": "id"})


def _of_ramp(verb: str, handler: object, summary: str, problems: tuple[str, ...]) -> Operation:
    return Operation(
        method="POST", path=f"{RAMP}/{verb}", name=f"{verb}_ramp", summary=summary, tag=RAMPS,
        permission="publish", handler=handler, params=s.OfRamp,  # type: ignore[arg-type]
        answers={200: s.RampView}, problems=problems, takes_idempotency_key=True,
    )  # fmt: skip


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST", path=f"{CHANNEL}/ramps", name="start_ramp",
        summary="Try a policy on a share of the visitors that grows, and goes back by itself.",
        tag=RAMPS, permission="publish", handler=start_ramp, params=s.OfChannel, body=s.Ramping,
        answers={201: s.RampView}, problems=PUBLISHES, takes_idempotency_key=True,
        links=(SEE_RAMP,),
    ),
    Operation(
        method="GET", path=f"{CHANNEL}/ramps", name="list_ramps",
        summary="The ramps of a channel, newest first.",
        tag=RAMPS, permission="read", handler=list_ramps, params=s.OfChannel, query=Pages,
        answers={200: Page[Ramp]}, problems=("unknown-channel",),
    ),
    Operation(
        method="GET", path=RAMP, name="get_ramp",
        summary="A ramp, and how its canary does against the live policy.",
        tag=RAMPS, permission="read", handler=get_ramp, params=s.OfRamp,
        answers={200: s.RampView}, problems=("unknown-channel", "unknown-ramp"),
    ),
    _of_ramp("pause", pause_ramp, "Hold the share as it is; guardrails go on watching.", OF_RAMP),
    _of_ramp("resume", resume_ramp, "Let a paused ramp go on.", OF_RAMP),
    _of_ramp("finish", finish_ramp, "Make the canary the live policy now.", OF_RAMP),
    _of_ramp("abort", abort_ramp, "The old policy for everybody, at once.", OF_RAMP),
    Operation(
        method="POST", path=f"{CHANNEL}/schedules", name="add_schedule",
        summary="Plan a publish, switch, promotion, pause or resume for a local time.",
        tag=SCHEDULES, permission="publish", handler=add_schedule, params=s.OfChannel,
        body=s.Planning, answers={201: Schedule}, problems=(*PUBLISHES, "unknown-schedule"),
        takes_idempotency_key=True, links=(SEE_SCHEDULE,),
    ),
    Operation(
        method="GET", path=f"{CHANNEL}/schedules", name="list_schedules",
        summary="What is planned, and what became of it, by time.",
        tag=SCHEDULES, permission="read", handler=list_schedules, params=s.OfChannel,
        query=s.FromTime, answers={200: Page[Schedule]}, problems=("unknown-channel",),
    ),
    Operation(
        method="GET", path=f"{CHANNEL}/schedules/{{schedule}}", name="get_schedule",
        summary="A schedule, and what became of it.",
        tag=SCHEDULES, permission="read", handler=get_schedule, params=s.OfSchedule,
        answers={200: Schedule}, problems=("unknown-channel", "unknown-schedule"),
    ),
    Operation(
        method="DELETE", path=f"{CHANNEL}/schedules/{{schedule}}", name="cancel_schedule",
        summary="Cancel what waits.",
        tag=SCHEDULES, permission="publish", handler=cancel_schedule, params=s.OfSchedule,
        answers={200: Schedule}, problems=OF_SCHEDULE,
    ),
    Operation(
        method="GET", path=f"{CHANNEL}/calendar", name="get_calendar",
        summary="What happens when, on the shop's clock: schedules, offers' windows, ramp steps.",
        tag=SCHEDULES, permission="read", handler=get_calendar, params=s.OfChannel, query=s.Span,
        answers={200: s.CalendarView}, problems=CHANGES,
    ),
)  # fmt: skip
