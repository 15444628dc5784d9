"""A real Chromium, driven by Playwright: fixtures `browser` (one per session) and `page`.

Tests that use them run last; `groups.py` says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support import parts

QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
"""A test's browser talks to the test's servers and to nobody else."""

PATIENCE_MS = 15_000


def arguments() -> list[str]:
    """Chromium refuses to run as root inside its sandbox."""
    return [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else QUIET


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; fails the test with what to install when there is none."""
    try:
        path = parts.chromium()
    except parts.MissingPart as problem:
        pytest.fail(str(problem), pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments())
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a visitor who was never here: own cookies, own storage."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()
