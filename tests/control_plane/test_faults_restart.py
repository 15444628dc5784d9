"""PostgreSQL restarts in mid-flight: a short run of the drill (`make drill` has the long one)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.settings import Settings
from drills import restarts
from tests.support.postgres import Cluster


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_publishes_and_beacons_survive_a_restart_and_a_crash_of_the_database(
    postgres: Cluster, postgres_url: str, tmp_path: Path, quiet: None
):
    settings = Settings(data=tmp_path, database_url=postgres_url, require_approval=False)
    counts = restarts.drill(settings, postgres, rounds=2)
    assert counts["restarts"] == 2
    assert counts["publishes"] >= 12 and counts["batches"] >= 12
