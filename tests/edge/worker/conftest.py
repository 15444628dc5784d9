"""One workerd for all tests here: `f`, its shop and control plane as in the beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.workers import Fleet, fleet
from tests.support.workers_snapshot import snapshot


@pytest.fixture(scope="package")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet"), snapshot=snapshot()) as made:
        yield made


@pytest.fixture
def f(shared_fleet: Fleet) -> Fleet:
    return shared_fleet.calm()


@pytest.fixture
def current(f: Fleet) -> Fleet:
    return f.make_current()
