"""One workerd with the JavaScript edge for all tests here: `tests/edge/worker` has its like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.javascript import javascript_fleet
from tests.support.workers import Fleet


@pytest.fixture(scope="session")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with javascript_fleet(tmp_path_factory.mktemp("javascript")) as made:
        yield made


@pytest.fixture
def f(shared_fleet: Fleet) -> Fleet:
    return shared_fleet.calm()


@pytest.fixture
def current(f: Fleet) -> Fleet:
    return f.make_current()
