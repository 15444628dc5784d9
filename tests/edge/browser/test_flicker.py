"""No flicker, in a real Chromium with a slow processor and network.

`python -m bench.flicker` measures the same pages often enough for numbers; here each way is
loaded once, and nothing depends on how fast the machine is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.edge.browser import paint_pages
from tests.edge.browser.frames import Throttle, new_context, watch
from tests.edge.browser.paint_pages import FAILURES, WAYS, Way
from tests.edge.browser.site import Site, serving, wait_until
from tests.support.edges import World, world
from tests.support.parts import ROOT

SLOW = Throttle()


@pytest.fixture(scope="module")
def shop() -> Iterator[Site]:
    with serving(None) as made:
        yield made


@pytest.fixture(scope="module")
def edge(shop: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("edge"), origin_url=shop.url) as made:
        shop.edge = made
        yield made


@pytest.fixture
def context(browser: Browser, shop: Site, edge: World) -> Iterator[BrowserContext]:
    shop.reset()
    paint_pages.install(shop, wait_ms=20_000)
    made = new_context(browser)
    yield made
    made.close()


def url_of(way: Way, shop: Site, edge: World) -> str:
    return (edge.url if way.by_edge else shop.url) + way.path


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_no_frame_shows_the_default_before_the_offer(
    context: BrowserContext, shop: Site, edge: World, way: Way
) -> None:
    url = url_of(way, shop, edge)
    if way.warm:
        first, _ = watch(context, url, film=False)
        if way.path == "/stored":
            first.wait_for_timeout(500)
            while first.evaluate("!localStorage['proffer.bundle']"):
                first.wait_for_timeout(50)
    page, seen = watch(context, url, SLOW)
    assert seen.story == ("offer",)
    assert set(seen.frames) == {"offer"}
    assert seen.shift == 0
    page.click("#own")
    assert page.title() == "usable"


@pytest.mark.parametrize("way", FAILURES, ids=lambda way: way.name)
def test_whatever_fails_the_page_shows_its_default_and_stays_usable(
    context: BrowserContext, shop: Site, edge: World, way: Way
) -> None:
    paint_pages.install(shop)
    if way.before:
        way.before(shop)
    page, seen = watch(context, url_of(way, shop, edge), SLOW)
    page.click("#own")
    assert page.title() == "usable"
    assert seen.story == ("default",)
    assert set(seen.frames) == {"default"}
    assert seen.shift == 0
    page.wait_for_timeout(1000)
    assert page.evaluate("window.story.length") <= 2  # nothing before the first frame, then it


def test_what_comes_after_the_page_gave_up_changes_nothing(
    context: BrowserContext, shop: Site, edge: World
) -> None:
    paint_pages.install(shop)
    shop.slow_s["/s/hung.js"] = 1.5
    page, seen = watch(context, f"{shop.url}/hung")
    wait_until(page, "document[Symbol.for('proffer.page')].policy")
    page.wait_for_timeout(300)
    assert [state for state, _ in page.evaluate("story") if state] == ["default"]
    assert seen.shift == 0


def test_with_the_control_plane_down_the_edges_page_is_the_shops(
    context: BrowserContext, shop: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("down")
    with world(data, published=False, origin_url=shop.url, control_url="http://127.0.0.1:9") as w:
        page, seen = watch(context, f"{w.url}/plain", SLOW)
        page.click("#own")
        assert page.title() == "usable"
    assert seen.story == ("default",)
    assert set(seen.frames) == {"default"}


def test_the_bench_measures_and_says_what_it_saw() -> None:
    """A smoke of `python -m bench.flicker`, in a process of its own: a browser is running here."""
    asked = ["--rounds", "1", "--film", "1", "--cpu", "1", "--ways", "kernel inline, cold"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.flicker", *asked], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("kernel inline, cold")]
    assert " 0 of 4 " in line  # two timed, one filmed, one unhindered
