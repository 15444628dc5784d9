"""What speaks against an arm besides its rule: in words, with numbers, and what would help.

The numbers are those of `guardrails`, `state` and the bundle; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from . import tables as t
from .arbitration import Page, exclusion
from .beacon import KEPT, Track
from .bundle import Bundle
from .candidacy import score_of
from .facts import RequestFacts, decimal_text
from .guardrails import ceiling_of, floor_of
from .hashing import T
from .reasons import ArmReason
from .repair import Change
from .state import window_index
from .visit import Slot, Visit

LAST_S = 253_402_300_799
"""The last second of the year 9999."""


class Objection(Struct, frozen=True):
    """Why an arm is out, and the smallest change that would remove this, if there is one;
    `changes`: what to send for that."""

    because: str
    flips: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


class Place(Struct, frozen=True):
    """Where an arm is asked about: a slot of a visit, with what is on the page by then."""

    visit: Visit
    facts: RequestFacts
    slot: Slot
    page: Page


SENTENCES = {
    ArmReason.NOT_OFFERED_HERE: "The offer is not made at this placement.",
    ArmReason.ARM_PAUSED: "It is paused.",
    ArmReason.CAP_UNKNOWN: "Its strict cap cannot be checked: the state is missing or shortened.",
    ArmReason.NEEDS_IDENTITY: "It is capped or worth money, and there is no identity to hold it.",
    ArmReason.TAKEN_UNKNOWN: "An earlier call took an offer that this policy does not know.",
}
FLIPS = {
    ArmReason.ARM_PAUSED: "it must be resumed",
    ArmReason.CAP_UNKNOWN: "the state must be sent whole",
    ArmReason.NEEDS_IDENTITY: "consent must be full",
    ArmReason.TAKEN_UNKNOWN: "that offer must not be on the page",
}


def offer_objected(place: Place, offer: int, reason: ArmReason) -> Objection:
    """In words what `candidacy.offer_objection` says."""
    told = TOLD.get(reason)
    if told is not None:
        return told(place, offer)
    flip = FLIPS.get(reason)
    return Objection(SENTENCES[reason], (flip,) if flip else ())


def _window(place: Place, offer: int) -> Objection:
    tables, now_s = place.visit.bundle.tables, place.visit.request.now_s
    first, last = tables.offer_from_s[offer], tables.offer_until_s[offer]
    if first >= last:
        return Objection("The offer is paused in its catalog.", ("it must be resumed",))
    begins = f" from {instant(first)}" if first >= 0 else ""
    ends = f" until {instant(last)}" if last <= LAST_S else ""
    because = (
        f"Now is outside the offer's window: it is made{begins}{ends}, now is {instant(now_s)}."
    )
    flip = f"now must be {instant(first)} or later" if now_s < first else ""
    return Objection(because, (flip or f"now must be before {instant(last)}",))


def _age(place: Place, offer: int) -> Objection:
    age_s = place.visit.request.now_s - place.visit.manifest.issued_s
    most_s = place.visit.bundle.tables.offer_max_age_s[offer]
    because = f"The policy is {age_s} s old, older than the {most_s} s that the offer allows."
    return Objection(because, (f"the policy must be signed {age_s - most_s} s later",))


def _capped(place: Place, offer: int) -> Objection:
    tables, now_s = place.visit.bundle.tables, place.visit.request.now_s
    state = place.visit.state
    for cap in tables.limit_cap[tables.offer_limit[offer] : tables.offer_limit[offer + 1]]:
        period_s, most = tables.cap_period_s[cap], tables.cap_count[cap]
        window = window_index(now_s, period_s)
        seen = state.count(tables.cap_key[cap], window) if state else 0
        if tables.cap_placement[cap] in (-1, place.slot.placement) and seen >= most:
            often = f"This unit has seen it {seen} times; its cap allows {most}"
            if not period_s:
                return Objection(f"{often}.")
            ends = instant((window + 1) * period_s)
            return Objection(f"{often} in {period_s} s.", (f"now must be {ends} or later",))
    return Objection("This unit has seen it as often as its cap allows.")


def _excluded(place: Place, offer: int) -> Objection:
    bundle = place.visit.bundle
    reason = exclusion(bundle, place.page, offer)
    first = next(a for a in place.page.arms if exclusion(bundle, Page([a]), offer) == reason)
    name = bundle.arm_name(first)
    what = {
        ArmReason.OFFER_TAKEN: f"The same offer is on this page already, as {name}.",
        ArmReason.GROUP_TAKEN: f"{name}, of the same exclusivity group, is on this page already.",
    }.get(reason, f"It does not combine with {name}, which is on this page already.")
    return Objection(what, (f"{name} must not be on the page",))


TOLD: dict[ArmReason, Callable[[Place, int], Objection]] = {
    ArmReason.OUTSIDE_WINDOW: _window,
    ArmReason.POLICY_TOO_OLD: _age,
    ArmReason.CAP_REACHED: _capped,
    ArmReason.OFFER_TAKEN: _excluded,
    ArmReason.GROUP_TAKEN: _excluded,
    ArmReason.NOT_STACKABLE: _excluded,
}


# --- single arms ------------------------------------------------------------------


def arm_objected(place: Place, arm: int, reason: ArmReason) -> Objection:
    """In words what `candidacy.arm_objection` says."""
    incentive = place.visit.incentive(arm)
    if reason == ArmReason.COST_UNKNOWN or incentive is None:
        return _unknown(place, arm)
    if reason == ArmReason.OVER_CEILING:
        return _over_ceiling(place, arm, incentive)
    if reason == ArmReason.UNDER_FLOOR:
        return _under_floor(place, arm, incentive)
    return Objection(SENTENCES[reason], (FLIPS[reason],))


def _over_ceiling(place: Place, arm: int, incentive: int) -> Objection:
    ceiling = ceiling_of(place.visit.bundle.tables, place.visit.cart, arm) or 0
    because = f"It costs {micros(incentive)}; at most {micros(ceiling)} is allowed."
    return Objection(because, (f"it must cost {micros(incentive - ceiling)} less",))


def _under_floor(place: Place, arm: int, incentive: int) -> Objection:
    visit, page = place.visit, place.page
    floor = max(floor_of(visit.bundle.tables, visit.cart, arm), page.floor)
    taken, margin = page.micros or 0, visit.cart.margin or 0
    left = margin - incentive - taken
    because = (
        f"The cart's margin of {micros(margin)} less {micros(incentive)} for this and "
        f"{micros(taken)} for what is taken leaves {micros(left)}; "
        f"at least {micros(floor)} must be left."
    )
    flip = f"the margin must be {micros(floor - left)} more"
    return Objection(because, (flip,), _more_margin(place, floor - left))


def _more_margin(place: Place, lacking: int) -> tuple[Change, ...]:
    """What to send for the margin, where it is sent and may be so much."""
    bundle, tables = place.visit.bundle, place.visit.bundle.tables
    row = tables.head[t.HEAD_MARGIN]
    if row < 0 or tables.attribute_op[row] != t.NO_OP:
        return ()
    now, step = place.visit.situation.number(row), 10 ** (6 - tables.attribute_scale[row])
    if now is None or (more := now - -lacking // step) > tables.attribute_high[row]:
        return ()
    return (Change(name_of(bundle, row), decimal_text(more, tables.attribute_scale[row])),)


def _unknown(place: Place, arm: int) -> Objection:
    """Which of the attributes that a cost and a margin are computed from has no value."""
    bundle, facts = place.visit.bundle, place.facts
    tables = bundle.tables
    offer, table = tables.rung_offer[arm - 1], tables.rung_cost[arm - 1]
    order, margin = tables.head[t.HEAD_VALUE], tables.head[t.HEAD_MARGIN]
    absent = [row < 0 or facts.absent(name_of(bundle, row)) for row in (order, margin)]
    stands_in = [row for row, gone in zip((order, margin), absent, strict=True) if gone]
    scope = tables.offer_scope[offer]
    if absent[0] and scope >= 0 and facts.absent(name_of(bundle, scope)):
        stands_in.append(scope)
    asked = [order, scope, margin, *([tables.cost_attribute[table]] if table >= 0 else [])]
    names = [name_of(bundle, row) for row in asked if row >= 0 and row not in stands_in]
    lacking = [name for name in dict.fromkeys(names) if facts.value(name) is None]
    because = "Its cost or the cart's margin cannot be computed"
    states = [f"{name} is {facts.state(name)}" for name in lacking]
    flips = [f"{name} must be known" for name in lacking]
    for taken in place.page.arms if not lacking else ():
        if place.visit.incentive(taken) is None:
            known = taken <= bundle.rows["rung"]
            name = bundle.arm_name(taken) if known else "what an earlier call took"
            states.append(f"nobody knows the cost of {name}")
            flips.append(f"{name} must not be on the page")
    if not states and table >= 0:
        name = name_of(bundle, tables.cost_attribute[table])
        states, flips = [f"there is no cost for this {name}"], [f"{name} must have a cost"]
    return Objection(f"{because}: {', '.join(states)}.", tuple(flips))


def name_of(bundle: Bundle, attribute: int) -> str:
    return bundle.text(bundle.tables.attribute_name[attribute])


def below_nothing(value: int, loss: int, unit: int) -> Objection:
    """It scores worse than showing nothing by more than the placement may lose."""
    because = (
        f"It scores {micros(value * unit)}, worse than showing nothing by more than "
        f"{micros(loss * unit)} that may be lost here."
    )
    return Objection(because, (f"its score must be {micros((-loss - value) * unit)} more",))


def not_among_best(value: int, least: int, unit: int) -> Objection:
    """`least`: the score of the last one that could be drawn."""
    because = (
        f"It scores {micros(value * unit)}; 31 others score better, or as well and come first."
    )
    return Objection(because, (f"its score must be above {micros(least * unit)}",))


def not_shown(place: Place, track: Track, arm: int, value: int) -> Objection:
    """Why a candidate is not what its slot shows; nothing if it is."""
    bundle, share = place.visit.bundle, dict(track.listed).get(arm, 0)
    name = bundle.arm_name(track.arm) if track.arm else "showing nothing"
    if track.arm == arm:
        return Objection("")
    if track.draw == KEPT:
        return Objection(f"{name} was drawn earlier in this epoch, and is kept.")
    if share:
        return Objection(f"The draw fell on {name}; of {T} tickets this had {share}.")
    tables = bundle.tables
    if tables.placement_policy[place.slot.placement] == t.ALLOCATION:
        return Objection(
            "The allocation gives it no weight.", ("the allocation must give it weight",)
        )
    other = score_of(place.visit, place.slot, track.arm) if track.arm else 0
    unit = bundle.head(t.HEAD_SCORE_UNIT)
    more = f"{micros((other - value) * unit)} more" if other > value else "as much, and comes first"
    flip = f"its score must be above {micros(other * unit)}"
    who = name if track.arm else "Showing nothing"
    return Objection(f"{who} scores {more}.", (flip,))


def instant(seconds: int) -> str:
    """Unix seconds as a date and time of day, UTC.

    The core has no calendar; a year that begins in March ends with the leap day, so its
    months have fixed lengths (Hinnant, "chrono-compatible low-level date algorithms").
    """
    days, rest = divmod(seconds, 86400)
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    date = day - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year += 400 * era + (month < 3)
    hour, minute = divmod(rest // 60, 60)
    return f"{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{rest % 60:02}Z"


def micros(amount_micros: int) -> str:
    """An amount of money to its last digit, at least to cents."""
    text = decimal_text(amount_micros, 6)
    return text[:-4] + text[-4:].rstrip("0")
