"""Local hours and weekdays from the bundle's tables, against zoneinfo."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.request import Request
from edge.decision.situation import INVALID_CELL, local_time_s, situate
from policy_compiler import zones
from policy_compiler.catalog import Offer, Rung, Window
from tests.support.policies import a_catalog, bundle_of

ZONES = ("America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Berlin", "UTC")
FROM_S, UNTIL_S = zones.horizon(3)
CHANGES_2026 = {
    "Europe/Berlin": ("2026-03-29T01:00+00:00", "2026-10-25T01:00+00:00"),
    "America/New_York": ("2026-03-08T07:00+00:00", "2026-11-01T06:00+00:00"),
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """An offer per zone, with hours and weekdays."""
    rung = Rung(id="r", amount=Decimal(1))
    offers = [
        Offer(
            id=f"o{i}", title="", kind="fixed", placements=["list"], rungs=[rung],
            window=Window(zone=name, hours=[(8, 12)], weekdays=[1, 7]),
        )
        for i, name in enumerate(ZONES)
    ]  # fmt: skip
    return bundle_of(a_catalog(offers=offers))


def zone_rows(bundle: Bundle) -> dict[str, int]:
    """Row of each zone, from the derived attributes that read them."""
    tables = bundle.tables
    return {
        bundle.text(name)[len("hour(") : -1]: tables.attribute_zone[row]
        for row, name in enumerate(tables.attribute_name)
        if tables.attribute_op[row] == t.HOUR
    }


def instants(zone: str) -> list[int]:
    """Around every change of the horizon, and many others."""
    random = Random(zone)
    near = [at + d for at, _ in zones.shifts(zone, FROM_S, UNTIL_S) for d in (-1, 0, 1, 3600)]
    return [x for x in near if FROM_S <= x < UNTIL_S] + [
        random.randrange(FROM_S, UNTIL_S) for _ in range(1500)
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_what_zoneinfo_says(bundle: Bundle, zone: str) -> None:
    row = zone_rows(bundle)[zone]
    for now_s in [FROM_S, UNTIL_S - 1, *instants(zone)]:
        local = datetime.fromtimestamp(now_s, zones.zone(zone))
        expected = int(local.replace(tzinfo=UTC).timestamp())
        assert local_time_s(bundle.tables, row, now_s) == expected, (zone, now_s)


@pytest.mark.parametrize("zone", CHANGES_2026)
def test_the_changes_of_2026_are_where_the_law_puts_them(zone: str) -> None:
    found = [at for at, _ in zones.shifts(zone, FROM_S, UNTIL_S)]
    for text in CHANGES_2026[zone]:
        assert int(datetime.fromisoformat(text).timestamp()) in found


@pytest.mark.parametrize("zone", ZONES)
def test_hours_and_weekdays_are_the_local_ones(bundle: Bundle, zone: str) -> None:
    names = [bundle.text(x) for x in bundle.tables.attribute_name]
    hour, weekday = names.index(f"hour({zone})"), names.index(f"weekday({zone})")
    for now_s in instants(zone)[:400]:
        request = Request(consent=0, now_s=now_s, visitor="ada", nonce="n", placements=(0,))
        situation = situate(bundle, request)
        local = datetime.fromtimestamp(now_s, zones.zone(zone))
        assert situation.number(hour) == local.hour
        assert situation.number(weekday) == local.isoweekday()


@pytest.mark.parametrize("now_s", [0, FROM_S - 1, UNTIL_S, 2**32 - 1])
def test_outside_the_horizon_local_time_is_invalid(bundle: Bundle, now_s: int) -> None:
    request = Request(consent=0, now_s=now_s, visitor="ada", nonce="n", placements=(0,))
    assert set(situate(bundle, request).cells) >= {INVALID_CELL}
    assert all(local_time_s(bundle.tables, row, now_s) is None for row in range(len(ZONES)))


def test_a_local_time_that_clocks_skip_or_repeat_is_read_the_same_way_always() -> None:
    skipped = zones.instant_of("2026-03-29T02:30", "Europe/Berlin")
    assert skipped == int(datetime.fromisoformat("2026-03-29T02:30+01:00").timestamp())
    repeated = zones.instant_of("2026-10-25T02:30", "Europe/Berlin")
    assert repeated == int(datetime.fromisoformat("2026-10-25T02:30+02:00").timestamp())


@pytest.mark.parametrize("name", ["", "Europe", "../../etc", "Europe/Atlantis", ".", "a//b"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(zones.UnknownZone):
        zones.zone(name)
