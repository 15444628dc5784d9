"""The drills of beacons, short: kills, faults at forty calls, the order of calls, overload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drills import beacon_calls, beacons
from drills.beacons import Home
from drills.counting import Count, count
from drills.load import Sender, decision_of
from tests.support.postgres import Cluster

FORTY = 40


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Home]:
    with beacons.sqlite(tmp_path) as home:
        yield home


def test_a_killed_server_loses_nothing_and_doubles_nothing(sqlite: Home):
    counts = beacons.killed(sqlite, 2, 150)
    assert counts["acknowledged"] >= 450
    assert (counts["kills"], counts["lost"], counts["doubled"]) == (2, 0, 0)


def test_a_kill_at_any_of_forty_calls_loses_nothing(sqlite: Home):
    counts = beacon_calls.killed(sqlite.settings, None, range(1, FORTY, 2))
    assert counts["killed at pwrite64"] + counts["killed at fdatasync"] == FORTY


def test_a_full_or_broken_disk_is_never_a_false_2xx_and_heals_without_a_restart(sqlite: Home):
    counts = beacon_calls.refused(sqlite.settings, None, range(1, 8, 6))
    assert counts["refused"] > 0
    assert counts["failed at pwrite64 ENOSPC"] == counts["failed at fdatasync EIO"] == 2


def test_every_202_comes_after_its_sync(sqlite: Home):
    assert beacons.order(sqlite, 20)["202 after its sync"] >= 20


def test_four_times_too_many_are_told_503_and_memory_stays_bounded(sqlite: Home):
    counts = beacons.overload(sqlite, 2)
    assert counts["told_503"] > 0
    assert counts["acknowledged"] > 500


def test_on_postgres_every_202_comes_after_its_sync(tmp_path: Path, postgres: Cluster):
    """Of a cluster of its own: the run's does not sync."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if "pytest" in parent.as_posix():
            parent.chmod(0o755)
    with beacons.postgres(tmp_path) as home:
        assert beacons.order(home, 10)["202 after its sync"] >= 10


# --- the counting itself ------------------------------------------------------


def test_what_is_lost_doubled_halved_or_foreign_is_found(sqlite: Home):
    sender = Sender("x", size=2)
    sender.sent, sender.acked = 4, {0, 1, 2}
    names = [name for number in range(4) for name in sender.names(number)]
    assert _counted(sqlite, sender, names) == Count(acknowledged=6, unsure=2)
    assert _counted(sqlite, sender, names[1:]).lost == 1
    assert _counted(sqlite, sender, names[2:]).lost == 2
    assert _counted(sqlite, sender, names[:-1]).halved == 1
    assert _counted(sqlite, sender, names, twice=names[0]).doubled == 1
    assert _counted(sqlite, sender, [*names, "y-1-1"]).foreign == 1


def _counted(home: Home, sender: Sender, names: list[str], twice: str = "") -> Count:
    from sqlalchemy import delete, insert

    from control_plane.storage import tables as t
    from control_plane.storage.opening import open_database

    database, tenant = open_database(home.settings), home.settings.tenant
    common = {"tenant": tenant, "bot": False, "track": "shown", "time_s": 1, "kind": "exposure"}
    try:
        with database.writing() as connection:
            connection.execute(delete(t.events))
            connection.execute(delete(t.touches))
            for name in names:
                row = {"tenant": tenant, "trust": "page", "source": "/", "type": "x"}
                connection.execute(insert(t.events), row | {"id": name, "received_s": 1})
                count_ = 2 if name == twice else 1
                touch = common | {"decision": decision_of(name), "count": count_}
                connection.execute(insert(t.touches), touch)
        return count(database, tenant, [sender])
    finally:
        database.close()
