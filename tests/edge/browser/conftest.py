"""A running site for the tests of a module: `s`, as it was in the beginning, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge.browser.site import Site, site


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def s(shared_site: Site) -> Site:
    shared_site.reset()
    assert shared_site.edge is not None
    shared_site.edge.reset()
    shared_site.edge.control.batches.clear()
    return shared_site
