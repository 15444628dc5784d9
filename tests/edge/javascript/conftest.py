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
    shared_fleet.control.status = 200
    shared_fleet.control.slow_s = 0
    shared_fleet.shop.pages.clear()
    shared_fleet.shop.requests.clear()
    shared_fleet.shop.bodies.clear()
    return shared_fleet


@pytest.fixture
def current(f: Fleet) -> Fleet:
    """With an honest policy everywhere, newer than any before, that all members have seen."""
    if not f.is_honest:
        f.publish(f.next_sequence())
        f.settle()
        f.is_honest = True
    return f
