"""The trust vectors outside of CPython: every home does what every vector says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conformance.trust.elsewhere import Told, in_node, in_page, in_pyodide, in_workerd
from tests.conformance.trust.generate import stored
from tests.conformance.trust.lying import lying
from tests.conformance.trust.stories import expected
from tests.support.parts import ROOT

VECTORS = stored()
EXPECTED = {vector.id: [expected(step) for step in vector.steps] for vector in VECTORS.vectors}
HOMES: dict[str, Callable[[str, Path], Told]] = {
    "Pyodide under Node": in_pyodide,
    "a Python Worker in workerd": in_workerd,
    "JavaScript in Node": in_node,
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with lying(VECTORS, ROOT) as url:
        yield url


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES.keys())
def test_every_home_does_what_every_vector_says(
    home: Callable[[str, Path], Told], address: str, tmp_path: Path
) -> None:
    agree(home(address, tmp_path))


def test_a_browsers_page_does_what_every_vector_says(page: Page, address: str) -> None:
    agree(in_page(page, address))


def agree(told: Told) -> None:
    assert set(told) == set(EXPECTED)
    assert {name: told[name] for name in EXPECTED if told[name] != EXPECTED[name]} == {}
