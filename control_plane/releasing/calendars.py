"""The calendar of a channel: what will happen when, on the clock of the shop.

    schedules   planned, and done, failed or missed within the span
    offers      when the live policy's own windows open and close
    ramp        when the open ramp will take its next steps, if no guardrail stops it

A preview: nobody has promised that the live policy of then is the one of now.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from control_plane.releasing.local_time import local_text
from control_plane.releasing.ramp_book import Ramp
from control_plane.releasing.schedules import (
    Action,
    PauseThen,
    PromoteThen,
    PublishThen,
    ResumeThen,
    Schedule,
    SwitchThen,
)
from edge.decision.bundle import Bundle

Kind = Literal["schedule", "offer-opens", "offer-closes", "ramp-step", "ramp-end"]


class Event(Struct, frozen=True, kw_only=True):
    """Something at an instant: `local` is what the shop's clock shows, with its offset.

    `subject`: the schedule's id, the offer, or the ramp's id; `state` that of a schedule.
    """

    at_s: int
    local: str
    kind: Kind
    subject: str
    what: str
    state: str = ""


def calendar(
    zone: str,
    from_s: int,
    until_s: int,
    *,
    schedules: list[Schedule],
    bundle: Bundle | None,
    ramp: Ramp | None,
) -> list[Event]:
    """Everything in [from_s, until_s), in its order."""
    events = [
        *(_of_schedule(schedule, zone) for schedule in schedules),
        *(_of_offers(bundle, zone) if bundle else ()),
        *(_of_ramp(ramp, zone) if ramp else ()),
    ]
    inside = [event for event in events if from_s <= event.at_s < until_s]
    return sorted(inside, key=lambda event: (event.at_s, event.kind, event.subject))


def told(action: Action) -> str:
    """An action for people."""
    match action:
        case PublishThen(revision=revision):
            return f"publish revision {revision[:12]}"
        case SwitchThen(bundle=bundle):
            return f"switch to policy {bundle[:12]}"
        case PromoteThen(source=source, bundle=bundle):
            return f"promote policy {bundle[:12]} from {source}"
        case PauseThen(what=what):
            return f"pause {what.told}"
        case ResumeThen(what=what):
            return f"resume {what.told}"


def _of_schedule(schedule: Schedule, zone: str) -> Event:
    return Event(
        at_s=schedule.at_s,
        local=local_text(schedule.at_s, zone),
        kind="schedule",
        subject=schedule.id,
        what=told(schedule.action),
        state=schedule.state,
    )


def _of_offers(bundle: Bundle, zone: str) -> list[Event]:
    kinds: tuple[tuple[Kind, list[int]], ...] = (
        ("offer-opens", list(bundle.tables.offer_from_s)),
        ("offer-closes", list(bundle.tables.offer_until_s)),
    )
    return [
        Event(
            at_s=at_s,
            local=local_text(at_s, zone),
            kind=kind,
            subject=bundle.text(bundle.tables.offer_name[row]),
            what=bundle.notes.offers[row].title,
        )
        for kind, times in kinds
        for row, at_s in enumerate(times)
        if 0 < at_s < FAR_S
    ]


FAR_S = 4_000_000_000
"""Windows without an end end there or later."""


def _of_ramp(ramp: Ramp, zone: str) -> list[Event]:
    at_s, events = ramp.due_s, list[Event]()
    for number in range(ramp.step + 1, len(ramp.steps) + 1):
        if at_s is None:
            break
        is_last = number == len(ramp.steps)
        kind: Kind = "ramp-end" if is_last else "ramp-step"
        what = "for everybody" if is_last else f"{100 * ramp.steps[number].share:g} % of units"
        local = local_text(at_s, zone)
        events.append(Event(at_s=at_s, local=local, kind=kind, subject=ramp.id, what=what))
        at_s += 0 if is_last else ramp.steps[number].hold_s
    return events
