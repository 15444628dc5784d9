"""The page script in a real browser: what it tells the edge, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.edges import World, until, world

STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'"
STYLE = (
    "<style>proffer-slot { display: block; min-height: 100px } .far { margin-top: 4000px }</style>"
)


def a_page(*slots: str) -> str:
    head = f"<!doctype html><html><head><title>Pocket</title>{STYLE}</head>"
    return f"{head}<body>{''.join(slots)}</body></html>"


def slot(name: str, wait_ms: int = 100, more: str = "", inside: str = "<p>default</p>") -> str:
    tag = f'<proffer-slot placement="{name}" data-exposure-ms="{wait_ms}" {more}>'
    return f"{tag}{inside}</proffer-slot>"


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.shop.put("/cart", a_page("the cart"))
        yield made


def told(w: World, kind: str) -> list[dict[str, Any]]:
    return w.control.events(kind)


def placements(w: World) -> list[str]:
    return [event["data"]["placement"] for event in told(w, "exposure")]


def test_a_slot_that_was_visible_is_told_once_with_its_decision(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero")), content_security_policy=STRICT)
    page.goto(w.url)
    decision = page.get_attribute("proffer-slot", "data-decision")
    until(lambda: told(w, "exposure"))
    (event,) = told(w, "exposure")
    assert event["data"]["decision"] == decision
    assert (event["data"]["slot"], event["data"]["track"]) == (0, "shown")
    assert abs(event["data"]["time_s"] - time.time()) < 30
    page.mouse.wheel(0, 500)
    page.goto(f"{w.url}/cart")
    time.sleep(0.5)
    assert len(told(w, "exposure")) == 1


def test_the_browser_keeps_the_state_that_the_answer_brings(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero")))
    page.goto(w.url)
    until(lambda: told(w, "exposure"))
    page.wait_for_timeout(200)
    page.goto(w.url)
    assert page.get_attribute("proffer-slot", "data-reason") == "KEPT"
    assert page.evaluate("document.cookie") == ""


def test_what_is_below_the_fold_counts_only_once_it_is_seen(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero"), slot("pair", more='class="far"')))
    page.goto(w.url)
    until(lambda: placements(w) == ["hero"])
    page.wait_for_timeout(500)
    assert placements(w) == ["hero"]
    page.locator("proffer-slot").nth(1).scroll_into_view_if_needed()
    until(lambda: placements(w) == ["hero", "pair"])


def test_what_is_seen_too_shortly_does_not_count(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero", wait_ms=60_000)))
    page.goto(w.url)
    page.wait_for_timeout(300)
    page.goto(f"{w.url}/cart")
    page.wait_for_timeout(500)
    assert placements(w) == []


def test_a_slot_larger_than_the_window_counts_when_it_fills_half_of_that(
    w: World, page: Page
) -> None:
    w.shop.put("/", a_page(slot("held", 50, inside='<p style="height: 9000px">tall</p>')))
    page.goto(w.url)
    until(lambda: placements(w) == ["held"])
    assert told(w, "exposure")[0]["data"]["track"] == "ghost"


def test_a_click_is_told_although_the_page_goes_away(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero", wait_ms=60_000)))
    page.goto(w.url)
    page.click(".proffer-offer a")
    page.wait_for_url("**/cart?a=1&proffer_token=*")
    until(lambda: told(w, "click"))
    (event,) = told(w, "click")
    assert event["data"]["placement"] == "hero"


def test_a_beacon_that_was_not_stored_is_sent_again(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero")))
    w.control.status = 200
    page.goto(w.url)
    w.control.status = 503
    until(lambda: "/v1/beacons" in w.control.asked)
    page.wait_for_timeout(2500)
    assert told(w, "exposure") == []
    w.control.status = 200
    until(lambda: told(w, "exposure"))
    ids = {event["id"] for event in told(w, "exposure")}
    assert len(ids) == 1


def test_a_page_without_decision_tells_nothing(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("nowhere"), '<script src="/_proffer/page.js"></script>'))
    page.goto(w.url)
    page.wait_for_timeout(500)
    page.goto(f"{w.url}/cart")
    page.wait_for_timeout(300)
    assert w.control.events("exposure") == []


# --- which clicks count ---------------------------------------------------------


LINK = ".proffer-offer a"


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({}, 1), ({"button": "middle"}, 1), ({"modifiers": ["Control"]}, 1),
        ({"modifiers": ["Shift"]}, 1), ({"button": "right"}, 0),
    ],
)  # fmt: skip
def test_a_click_counts_if_it_follows_the_link(
    w: World, page: Page, how: dict[str, Any], counts: int
) -> None:
    w.shop.put("/", a_page(slot("hero", wait_ms=60_000)))
    page.goto(w.url)
    # Stays on the page, as a single-page shop would.
    page.evaluate("addEventListener('click', (e) => e.preventDefault())")
    page.evaluate("addEventListener('auxclick', (e) => e.preventDefault())")
    page.click(LINK, **how)
    page.mouse.click(5, 500)
    page.goto(f"{w.url}/cart")
    page.wait_for_timeout(300)
    until(lambda: len(told(w, "click")) >= counts)
    assert len(told(w, "click")) == counts


def test_the_enter_key_follows_a_link_too(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero", wait_ms=60_000)))
    page.goto(w.url)
    # a navigation between the key's down and its up may leave the browser waiting for ever
    page.evaluate("document.addEventListener('click', (e) => e.preventDefault())")
    page.focus(LINK)
    page.keyboard.press("Enter")
    page.goto(f"{w.url}/cart")
    until(lambda: told(w, "click"))


def test_the_pages_own_handlers_stay(w: World, page: Page) -> None:
    act = "(e) => { window.own = 1; e.preventDefault(); }"
    own = f"<script>document.querySelector('proffer-slot').onclick = {act}</script>"
    w.shop.put("/", a_page(slot("hero", wait_ms=60_000), own))
    page.goto(w.url)
    page.click(LINK)
    assert page.evaluate("window.own") == 1
    page.goto(f"{w.url}/cart")
    until(lambda: told(w, "click"))


# --- the page never notices -------------------------------------------------------

BROKEN = [
    "delete window.IntersectionObserver",
    "window.fetch = () => { throw new TypeError('blocked') }",
    "window.fetch = () => Promise.reject(new TypeError('blocked'))",
    "navigator.sendBeacon = () => { throw new TypeError('blocked') }; window.fetch = undefined",
    "navigator.sendBeacon = undefined",
    "crypto.randomUUID = () => { throw new TypeError('blocked') }",
    "JSON.stringify = () => { throw new TypeError('patched') }",
    "addEventListener('DOMContentLoaded', () => document.querySelector('p,div').remove())",
]


HASTE = """
    addEventListener("unhandledrejection", (event) => { throw event.reason });
    const slow = setTimeout;
    window.setTimeout = (act, wait_ms, ...given) => slow(act, wait_ms / 20, ...given);
"""


def test_no_error_of_ours_reaches_the_page(w: World, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{broken}: {error}"))
    page.add_init_script(HASTE)
    for broken in BROKEN:
        w.shop.put("/", a_page(f"<script>{broken}</script>", slot("hero", wait_ms=0)))
        page.goto(w.url)
        page.evaluate("addEventListener('click', (e) => e.preventDefault())")
        page.evaluate("document.querySelector('a')?.click()")
        page.evaluate("document.querySelector('proffer-slot').click()")
        page.wait_for_timeout(250)
        page.goto(f"{w.url}/cart")
    assert errors == []


def test_a_slot_that_moved_is_still_itself(w: World, page: Page) -> None:
    w.shop.put("/", a_page(slot("hero", wait_ms=300)))
    page.goto(w.url)
    page.evaluate("document.body.append(document.querySelector('.proffer-offer'))")
    until(lambda: placements(w) == ["hero"])


def test_two_copies_of_the_script_tell_everything_once(w: World, page: Page) -> None:
    twice = '<script src="/_proffer/page.js" defer></script>'
    w.shop.put("/", a_page(slot("hero"), twice))
    page.goto(w.url)
    until(lambda: told(w, "exposure"))
    page.goto(f"{w.url}/cart")
    page.wait_for_timeout(300)
    assert len(told(w, "exposure")) == 1
