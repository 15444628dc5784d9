"""Local time as data: offsets of IANA zones over the bundle's horizon, from `tzdata`.

The package is pinned and its version is in the bundle, so the same input gives the
same bytes wherever it is compiled.  The horizon begins with the year before that of
the tzdata release and lasts `horizon_years` after it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata

VERSION: str = tzdata.IANA_VERSION


class UnknownZone(ValueError):
    """There is no IANA zone of this name in tzdata."""


@cache
def zone(name: str) -> ZoneInfo:
    """The zone from tzdata itself, never from the machine.  Raises `UnknownZone`."""
    parts = name.split("/")
    path = resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not all(part and part[0] != "." for part in parts) or not path.is_file():
        raise UnknownZone(name)
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def horizon(years: int) -> tuple[int, int]:
    """From (inclusive) and until (exclusive), Unix seconds."""
    year = int(VERSION[:4])
    first = datetime(year - 1, 1, 1, tzinfo=UTC)
    return int(first.timestamp()), int(first.replace(year=year + years).timestamp())


@cache
def shifts(name: str, from_s: int, until_s: int) -> tuple[tuple[int, int], ...]:
    """(instant, offset in seconds): the offset at `from_s`, then every change."""
    found = [(from_s, _offset(name, from_s))]
    day = 86400
    for instant in range(from_s, until_s, day):
        before, after = _offset(name, instant), _offset(name, instant + day)
        if before != after:
            found.append(_change(name, instant, instant + day, before))
    return tuple(found)


def _change(name: str, low: int, high: int, before: int) -> tuple[int, int]:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(name, middle) == before else (low, middle)
    return high, _offset(name, high)


def _offset(name: str, instant: int) -> int:
    offset = datetime.fromtimestamp(instant, zone(name)).utcoffset() or timedelta()
    return int(offset.total_seconds())


def instant_of(local: str, name: str) -> int:
    """Unix seconds of a local time such as `2026-11-01T00:00` in a zone.

    Raises `ValueError` for text that is no ISO 8601 time.  A time that occurs twice
    is the first; a time that the clocks skip is read with the offset before.
    """
    moment = datetime.fromisoformat(local)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone(name))
    return int(moment.timestamp())
