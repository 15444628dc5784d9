"""Local times: what a clock on the wall says, and the instant that is meant.

Clocks are turned.  Some local times never come (02:30 of the night in spring), some come
twice (02:30 of the night in autumn).  The rule: a time that never comes is refused, with the
times around it; one that comes twice is refused, too, unless it is said which is meant.
Nothing is guessed, since what depends on it are prices.  Zones are those of the pinned
`tzdata`, by which offers' own windows are compiled.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from control_plane.issuing import PublishRefused
from policy_compiler import zones

Occurrence = Literal["first", "second"]
YEARS = (1970, 9998)
LOOK_AHEAD_S = 86_400
"""No zone has turned its clocks by more than a day."""


def zone_of(name: str) -> ZoneInfo:
    """Raises `PublishRefused` for a zone that tzdata does not have."""
    try:
        return zones.zone(name)
    except ValueError:  # an unknown name, or a file of tzdata that is no zone
        raise PublishRefused(
            f"there is no time zone {name[:80]!r}", "Name an IANA zone such as Europe/Berlin."
        ) from None


def instant_of(local: str, zone: str, occurrence: Occurrence | None = None) -> int:
    """Unix seconds of a local time such as `2026-11-27T08:00`.  Raises `PublishRefused`."""
    place, moment = zone_of(zone), moment_of(local)
    found = instants(moment, place)
    if not found:
        raise PublishRefused(
            f"{local} never comes in {zone}: clocks skip it",
            f"Choose {_told(_after(moment, place), place)} or another time.",
        )
    if len(found) == 1:
        return found[0]
    if occurrence is None:
        both = " and at ".join(f"{_utc(instant)} UTC" for instant in found)
        raise PublishRefused(
            f"{local} comes twice in {zone}: at {both}",
            "Say which one is meant: `occurrence` first or second.",
        )
    return found[occurrence == "second"]


def instants(moment: datetime, zone: ZoneInfo) -> list[int]:
    """The instants at which the zone's clocks show this: none, one or two."""
    tries = {int(moment.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)}
    return sorted(at_s for at_s in tries if _shown(at_s, zone) == moment)


def local_text(at_s: int, zone: str) -> str:
    """What clocks show at an instant, with their offset: `2026-11-27T08:00:00+01:00`."""
    return datetime.fromtimestamp(at_s, zones.zone(zone)).isoformat()


def moment_of(local: str) -> datetime:
    """What a clock would show.  Raises `PublishRefused`."""
    try:
        moment = datetime.fromisoformat(local)
    except ValueError:
        raise PublishRefused(
            f"{local[:40]!r} is no local time", "Write it like 2026-11-27T08:00."
        ) from None
    if moment.tzinfo is not None:
        raise PublishRefused(
            f"{local[:40]!r} has an offset of its own", "Leave it out; `zone` says whose clock."
        )
    if not YEARS[0] <= moment.year <= YEARS[1] or moment.microsecond:
        raise PublishRefused(
            f"{local[:40]!r} is no whole second of the years 1970 to 9998", "Correct the time."
        )
    return moment


def _shown(at_s: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at_s, zone).replace(tzinfo=None)


def _after(moment: datetime, zone: ZoneInfo) -> int:
    """The first instant whose clock shows a later time than the one that is skipped."""
    low = int((moment - timedelta(days=1)).replace(tzinfo=zone).timestamp())
    high = low + 2 * LOOK_AHEAD_S
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _shown(middle, zone) < moment else (low, middle)
    return high


def _told(at_s: int, zone: ZoneInfo) -> str:
    return _shown(at_s, zone).isoformat(timespec="minutes")


def _utc(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M")
