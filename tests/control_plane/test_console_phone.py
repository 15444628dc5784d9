"""The console on a phone, in a real Chromium: nothing to scroll sideways, and text to read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, Page

from control_plane.services import Services
from control_plane.settings import Settings
from edge.decision.events import BATCH_TYPE
from tests.control_plane.shop import Edge, order_event
from tests.control_plane.test_durability import COMMAND, environment
from tests.support.processes import Server, serving

SIZES = ((390, 844), (320, 640), (1280, 900))
CONTRAST = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, below) => top.slice(0, 3).map((c, i) => {
    const a = top[3] ?? 1;
    return c * a + below[i] * (1 - a);
  });
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const stops = style.backgroundImage.match(/rgba?\\([^)]+\\)/g);
      if (stops) return stops.map(rgb);
      if ((rgb(style.backgroundColor)[3] ?? 1) > 0.99) return [rgb(style.backgroundColor)];
    }
    return [[255, 255, 255]];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("svg, script, :disabled, option")) continue;
    const style = getComputedStyle(element);
    let alpha = 1;
    for (let at = element; at; at = at.parentElement) alpha *= getComputedStyle(at).opacity;
    for (const ground of behind(element)) {
      const ink = over([...rgb(style.color).slice(0, 3), alpha], ground);
      const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
      const ratio = (high + 0.05) / (low + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (large ? 3 : 4.5)) found.push([node.data.trim().slice(0, 40), ratio]);
    }
  }
  return found;
}
"""
WIDE = """
() => [...document.querySelectorAll("body, body *")]
  .filter((e) => e.checkVisibility() && !e.closest("svg, thead, select"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5
    || (getComputedStyle(e).overflowX === "auto" && e.scrollWidth > e.clientWidth + 1))
  .map((e) => `${e.tagName}.${e.getAttribute("class")}: ${e.textContent.trim().slice(0, 30)}`)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A shop with a day's visitors, so that every table has rows."""
    folder: Path = tmp_path_factory.mktemp("phone")
    with serving(COMMAND, path="/healthz", env=environment(folder)) as server:
        tell_a_day(server, folder)
        yield server


def tell_a_day(server: Server, folder: Path) -> None:
    settings = Settings(data=folder / "var", tenant="tinyshop")
    services, now_s = Services.open(settings), int(time.time())
    edge, events = Edge(services), []
    for number in range(120):
        decided = edge.decide(f"u{number}", now_s - 60)
        events.append(edge.decision_event(decided))
        events.append(edge.shown_event(decided.slots[0], now_s - 59))
        if number % 2 == 0:
            events.append(order_event(f"o{number}", f"u{number}", now_s - 30))
    headers = {"Content-Type": BATCH_TYPE, "Authorization": f"Bearer {services.keys.shop_key}"}
    services.close()
    for batch in (events, ["junk"]):
        body = msgspec.json.encode(batch)
        answer = httpx.post(f"{server.url}/v1/beacons", content=body, headers=headers, timeout=30)
        assert answer.status_code == 202, answer.text


def console(
    browser: Browser, server: Server, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> Page:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
    )
    page = context.new_page()
    page.goto(f"{server.url}/console")
    page.locator("table.arms tbody tr").first.wait_for(timeout=8000)
    return page


@pytest.mark.parametrize("size", SIZES, ids=["phone", "small phone", "desk"])
def test_nothing_has_to_be_scrolled_sideways(
    browser: Browser, server: Server, size: tuple[int, int]
):
    page = console(browser, server, size, "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(WIDE) == []
    page.context.close()


def test_on_a_phone_each_number_stands_under_its_name(browser: Browser, server: Server):
    page = console(browser, server, SIZES[0], "light")
    cell = page.locator("table.arms tbody td").first
    label: Any = cell.evaluate("e => getComputedStyle(e, '::before').content")
    assert label == '"Shown"'
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_aa_asks_for(
    browser: Browser, server: Server, scheme: Literal["light", "dark"]
):
    page = console(browser, server, SIZES[0], scheme)
    assert page.evaluate(CONTRAST) == []
    page.context.close()
