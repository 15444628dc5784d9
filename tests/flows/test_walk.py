"""A person's visit, in a real Chromium, through everything: shop, edge, control plane.

Judged by what arrives: the control plane's own database tells what was decided, seen,
clicked, ordered and redeemed.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.processes import free_port, serving

ATTEMPTS = 60
"""Visitors until one is drawn to see the offer below: about 1 in 4 is."""
OFFER = '.slot-hero .proffer-offer[data-token][data-offer="welcome-first-order"]'
"""An offer that fits any first cart, as free delivery does not."""


@dataclass(frozen=True)
class Stack:
    """A running demo without simulated visitors."""

    url: str
    console: str
    database: Path

    def rows(self, query: str, *values: str) -> list[tuple]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    data = tmp_path_factory.mktemp("walk") / "var"
    console, origin = free_port(), free_port()
    command = [sys.executable, "-m", "control_plane.cli", "demo", "--plain", "--rate", "0"]
    ports = ["--port", "{port}", "--console-port", str(console), "--origin-port", str(origin)]
    with serving([*command, *ports, "--data", data], path="/", start_s=60) as server:
        # The demo answers the first request only once its policy is there.
        yield Stack(server.url, f"http://127.0.0.1:{console}", data / "proffer.db")
    assert server.status == 0, server.output()


@dataclass(frozen=True)
class Visit:
    """A visitor whose home page came with the offer, and its token."""

    page: Page
    first_html: str
    decision: str


def visit_with_an_offer(stack: Stack, new_context: Callable[[], BrowserContext]) -> Visit:
    for _ in range(ATTEMPTS):
        page = new_context().new_page()
        answer = page.goto(stack.url)
        assert answer is not None
        offer = page.query_selector(OFFER)
        if offer:
            decision = offer.get_attribute("data-decision")
            assert decision
            return Visit(page, answer.text(), decision)
        page.context.close()
    pytest.fail(f"none of {ATTEMPTS} visitors was shown an offer on the home page")


def arrives(look: Callable[[], list[tuple]], within_s: float = 10) -> list[tuple]:
    """What is there, as soon as something is."""
    deadline = time.monotonic() + within_s
    while not (rows := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return rows


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    opened: list[BrowserContext] = []

    def make() -> BrowserContext:
        opened.append(browser.new_context(locale="en-GB"))
        opened[-1].set_default_timeout(15_000)
        return opened[-1]

    yield make
    for context in opened:
        context.close()


def test_a_visitor_sees_clicks_buys_and_redeems_and_all_of_it_arrives(
    stack: Stack, new_context: Callable[[], BrowserContext]
) -> None:
    visit = visit_with_an_offer(stack, new_context)
    assert visit.decision in visit.first_html, "the offer is in the first HTML, not added later"

    page, decision = visit.page, visit.decision
    touch = "select kind from touches where decision = ? and kind = ?"
    seen = arrives(lambda: stack.rows(touch, decision, "exposure"))
    assert seen, "a slot in view for a second is an exposure"

    page.click(".slot-hero .proffer-offer a")
    page.wait_for_load_state()
    assert "proffer_token" not in page.url, "the shop takes the token out of the address"
    assert arrives(lambda: stack.rows(touch, decision, "click")), "the click arrived"

    page.goto(stack.url + "/product/halo-pendant")
    page.click("text=Put in the basket")
    page.goto(stack.url + "/checkout")
    page.click("text=Place the order")
    page.wait_for_selector("[data-order]")
    order = page.get_attribute("[data-order]", "data-order")
    assert order

    redeemed = arrives(
        lambda: stack.rows(
            "select token, state, discount_micros from redemptions where order_id = ?", order
        )
    )
    assert redeemed, "the shop redeemed the token"
    token, state, discount = redeemed[0]
    assert (token, state) == (decision, "committed")

    orders = arrives(
        lambda: stack.rows(
            "select revenue_micros, discount_micros, decisions from orders where order_id = ?",
            order,
        )
    )
    assert orders, "the shop told the control plane of the order"
    revenue, told_discount, decisions = orders[0]
    assert told_discount == discount
    assert revenue + discount == 89_000_000
    assert decision in decisions


def test_a_decision_arrives_with_the_propensities_it_was_drawn_with(
    stack: Stack, new_context: Callable[[], BrowserContext]
) -> None:
    visit = visit_with_an_offer(stack, new_context)
    query = "select attested, shown_tickets, shown_draw from decisions where id = ?"
    rows = arrives(lambda: stack.rows(query, visit.decision))
    assert rows, "the edge's log is the denominator: the decision arrived without any beacon"
    attested, tickets, draw = rows[0]
    assert attested
    assert draw == 1, "a first visit draws afresh"
    assert 0 < tickets <= 1 << 20


def test_what_was_seen_is_kept_on_the_next_page_view(
    stack: Stack, new_context: Callable[[], BrowserContext]
) -> None:
    visit = visit_with_an_offer(stack, new_context)
    shown = visit.page.get_attribute(".slot-hero .proffer-offer", "data-offer")
    touch = "select 1 from touches where decision = ? and kind = 'exposure'"
    assert arrives(lambda: stack.rows(touch, visit.decision))
    visit.page.reload()
    slot = visit.page.wait_for_selector(".slot-hero")
    assert slot is not None
    assert slot.get_attribute("data-reason") == "KEPT"
    assert visit.page.get_attribute(".slot-hero .proffer-offer", "data-offer") == shown


def test_the_console_shows_what_happened(
    stack: Stack, new_context: Callable[[], BrowserContext]
) -> None:
    """A visitor more is an exposure more, on the page that was open all along."""
    console = new_context().new_page()
    console.goto(stack.console + "/console")
    before = tile(console, "Exposures")
    visit = visit_with_an_offer(stack, new_context)
    offer = visit.page.get_attribute(".slot-hero .proffer-offer", "data-offer")
    touch = "select 1 from touches where decision = ? and kind = 'exposure'"
    assert arrives(lambda: stack.rows(touch, visit.decision))
    assert arrives(lambda: [(1,)] if tile(console, "Exposures") > before else [])
    assert tile(console, "Orders") == stack.rows("select count(*) from orders")[0][0]
    row = console.locator("table.arms tbody tr", has=console.locator(f"th[title^='{offer}/']"))
    assert any(int(shown) > 0 for shown in row.locator("td:nth-of-type(1)").all_inner_texts())
    live = stack.rows("select sequence, bundle from signings order by sequence desc limit 1")[0]
    policy = console.locator("section", has=console.get_by_role("heading", name="Live policy"))
    assert policy.locator("dd").first.inner_text().startswith(f"{live[0]} ")
    assert policy.locator("dd code").get_attribute("title") == live[1]


def tile(console: Page, title: str) -> int:
    value = console.locator(".tile", has=console.get_by_role("heading", name=title, exact=True))
    return int(value.locator(".value").inner_text().replace(",", ""))
