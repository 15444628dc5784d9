"""What the JavaScript edge still knows when its isolate is a new one, and the network is down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge.worker.test_restart import *  # noqa: F403 -- in their order, which matters
from tests.support.javascript import javascript_fleet
from tests.support.workers import Fleet


@pytest.fixture(scope="module")
def f(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with javascript_fleet(tmp_path_factory.mktemp("few"), "mindful", "address") as made:
        made.publish(4)
        yield made
