"""A running edge for the tests of a module: `w`, as it was in the beginning, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.edges import World, world


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("edge")) as made:
        yield made


@pytest.fixture
def w(shared_world: World) -> World:
    shared_world.reset()
    return shared_world
