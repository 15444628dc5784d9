"""A real Chromium at the console: it refreshes itself, its buttons work, and so does it
without scripts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from edge.decision.events import BATCH_TYPE
from policy_compiler.keys import DevelopmentKeys
from tests.control_plane.shop import CATALOG, order_event, write_catalog
from tests.control_plane.test_durability import COMMAND, environment
from tests.support.processes import Server, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(COMMAND, path="/healthz", env=environment(tmp_path)) as server:
        yield server


def complaints(page: Page) -> list[str]:
    """What the browser objects to: blocked scripts and styles, errors."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def order(server: Server, folder: Path, name: str) -> None:
    key = DevelopmentKeys.load_or_create(folder / "var" / "keys").shop_key
    headers = {"Content-Type": BATCH_TYPE, "Authorization": f"Bearer {key}"}
    body = msgspec.json.encode([order_event(name, "v", int(time.time()))])
    answer = httpx.post(f"{server.url}/v1/beacons", content=body, headers=headers)
    assert answer.json()["accepted"] == 1


def test_the_page_renews_itself_under_a_policy_that_allows_no_inline_code(
    page: Page, server: Server, tmp_path: Path
):
    found = complaints(page)
    page.goto(f"{server.url}/console")
    revenue = page.locator(".tile", has_text="Revenue").locator(".value")
    expect(revenue).to_have_text("€0.00")
    order(server, tmp_path, "o1")
    expect(revenue).to_have_text("€60.00", timeout=10_000)
    assert found == []


def test_a_catalog_is_published_and_rolled_back_by_hand(page: Page, server: Server, tmp_path: Path):
    page.goto(f"{server.url}/console")
    write_catalog(tmp_path / "catalog", CATALOG.replace("Tiny Shop", "Tinier Shop"))
    page.get_by_role("button", name="Publish catalog").click()
    expect(page.get_by_role("status").first).to_be_visible()
    expect(page.locator(".shop")).to_have_text("Tinier Shop")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator(".shop")).to_have_text("Tiny Shop")
    expect(page.locator("dl")).to_contain_text(re.compile(r"Sequence\s*3"))


def test_a_broken_catalog_is_explained_where_it_is_broken(
    page: Page, server: Server, tmp_path: Path
):
    page.goto(f"{server.url}/console")
    write_catalog(tmp_path / "catalog", CATALOG.replace("percent: 10,", "percent: ten,"))
    page.get_by_role("button", name="Publish catalog").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing was changed")
    expect(alert.locator("pre").first).to_contain_text(re.compile(r"catalog\.yaml:\d+:\d+"))
    assert httpx.get(f"{server.url}/healthz").json()["sequence"] == 1


def test_without_scripts_the_page_is_whole_and_its_buttons_work(browser: Browser, server: Server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}/console")
    expect(page.get_by_role("heading", name="Live policy")).to_be_visible()
    page.get_by_label("Pause an offer").select_option("ten-off")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: Ten percent off")).to_be_visible()
    context.close()
