"""A real Chromium: from the link of the first run to the console, out, and in again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.control_plane.people import PASSWORD
from tests.control_plane.test_durability import COMMAND, environment
from tests.support.processes import Server, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    more = {
        "PROFFER_OPEN_CONSOLE": "false",
        "PROFFER_ARGON2_PASSES": "1",
        "PROFFER_ARGON2_MEMORY_KIB": "8",
    }
    with serving(COMMAND, path="/healthz", env=environment(tmp_path) | more) as server:
        yield server


def first_link(server: Server) -> str:
    """As the log tells it; the port is the settings', since uvicorn was started by hand."""
    deadline = time.monotonic() + 20
    while not (found := re.search(r"/console/setup\?token=\S+", server.output())):
        assert time.monotonic() < deadline, server.output()
        time.sleep(0.05)
    return server.url + found[0]


def test_somebody_sets_up_the_first_account_and_logs_in_by_hand(browser: Browser, server: Server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}/console")
    expect(page).to_have_url(f"{server.url}/console/login")
    page.goto(first_link(server))
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set password and log in").click()
    expect(page.get_by_role("button", name="Publish catalog")).to_be_visible()
    (cookie,) = [each for each in context.cookies() if each.get("name") == "proffer_session"]
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Lax")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{server.url}/console/login")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{server.url}/console")
    context.close()


def test_a_page_that_renews_itself_leads_to_the_login_when_the_session_ends(
    page: Page, server: Server
):
    page.goto(first_link(server))
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set password and log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.context.clear_cookies(name="proffer_session")
    expect(page).to_have_url(f"{server.url}/console/login", timeout=15_000)
