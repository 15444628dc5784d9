"""Slots that the kernel decides before the first paint: what is shown, and with which right."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest
from msgspec import structs
from playwright.sync_api import Page

from edge.browser.embedding import PageSettings, head_html
from tests.edge.browser.site import (
    BUNDLE,
    FIRST,
    NONCE,
    STRICT,
    Site,
    a_page,
    kernel_page,
    pocket_for_browsers,
    settings_for,
    slot,
    wait_until,
)
from tests.support.edges import until

SEEN = """() => [...document.querySelectorAll("proffer-slot")].map((slot) =>
  [slot.dataset.reason ?? "", slot.innerText.trim().split("\\n")[0]])"""


def seen(page: Page) -> list[list[str]]:
    """Reason and first line of each slot, as it is rendered."""
    return page.evaluate(SEEN)


def visit(page: Page, s: Site, html: str, policy: str = STRICT) -> list[list[str]]:
    s.put("/", html, policy)
    page.goto(s.url)
    return seen(page)


def stored_page(*body: str, **changes: object) -> str:
    """A page that only names its bundle."""
    named = settings_for(pocket_for_browsers(), exposure_ms=100, wait_ms=20_000)
    digest = {"sha256": sha256(pocket_for_browsers()).hexdigest(), "url": BUNDLE, "bundle": b""}
    settings = structs.replace(named, **(digest | changes))
    return a_page(head_html(settings, FIRST, nonce=NONCE), *body)


def stored(page: Page) -> None:
    """Wait until the bundle is in storage."""
    wait_until(page, "localStorage['proffer.bundle']")


OFFER = ["BEST", 'Ten <b>"off"</b>']
DEFAULT = ["", "default"]


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "script"])
def test_slots_are_decided_under_a_strict_policy(page: Page, s: Site, inline: bool) -> None:
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    s.status["/favicon.ico"] = 204
    html = kernel_page(slot("hero"), slot("side"), slot("held"), slot("nowhere"), inline=inline)
    assert visit(page, s, html) == [
        OFFER, ["NO_CANDIDATE", "default"], ["HOLDOUT", "default"], DEFAULT,
    ]  # fmt: skip
    assert trouble == []


def test_a_page_whose_policy_forbids_wasm_takes_the_plain_script(page: Page, s: Site) -> None:
    forbidden = STRICT.replace("'wasm-unsafe-eval'", "")
    assert visit(page, s, kernel_page(slot("hero")), forbidden) == [DEFAULT]
    settings = settings_for(pocket_for_browsers(), wait_ms=20_000)
    head = head_html(settings, "/s/first-plain.min.js", nonce=NONCE, plain=True)
    assert visit(page, s, a_page(head, slot("hero")), forbidden) == [OFFER]


def test_texts_come_in_the_pages_language(page: Page, s: Site) -> None:
    shown = visit(page, s, kernel_page(slot("hero"), locale="de-AT"))
    assert shown == [["BEST", "Zehn für Sie"]]


def test_what_the_page_vouches_for_decides(page: Page, s: Site) -> None:
    shown = visit(page, s, kernel_page(slot("hero"), attributes={"customer.tier": "gold"}))
    assert shown == [["BEST", "Gold"]]


def test_what_an_earlier_slot_took_counts_for_later_ones(page: Page, s: Site) -> None:
    attributes = {"customer.tier": "gold", "cart.total": "120.00"}
    for slots, reason in [(("side",), "BEST"), (("hero", "side"), "NO_CANDIDATE")]:
        shown = visit(page, s, kernel_page(*map(slot, slots), attributes=attributes))
        assert shown[-1][0] == reason


def test_the_scripts_leave_nothing_on_the_window(page: Page, s: Site) -> None:
    names = "() => Object.getOwnPropertyNames(window).sort()"
    visit(page, s, a_page("", slot("hero")))
    before = page.evaluate(names)
    for inline in (True, False):
        visit(page, s, kernel_page(slot("hero"), inline=inline))
        assert page.evaluate(names) == before


def test_foreign_hosts_appear_only_if_the_page_lists_them(page: Page, s: Site) -> None:
    attributes = {"cart.total": "120.00"}
    visit(page, s, kernel_page(slot("side"), attributes=attributes))
    assert page.locator("proffer-slot a").count() == 0
    hosts = ("pocket.example",)
    visit(page, s, kernel_page(slot("side"), attributes=attributes, hosts=hosts))
    assert page.get_attribute("proffer-slot a", "href") == "https://pocket.example/delivery"


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "script"])
def test_a_policy_that_has_expired_shows_defaults(page: Page, s: Site, inline: bool) -> None:
    old = settings_for(pocket_for_browsers(), now_s=int(time.time()) - 7200)
    html = kernel_page(slot("hero"), inline=inline, manifest=old.manifest)
    assert visit(page, s, html) == [["STALE", "default"]]


def test_the_box_is_reserved_before_anything_is_decided(page: Page, s: Site) -> None:
    s.status[FIRST] = 404
    visit(page, s, kernel_page(slot("hero"), boxes={"hero": 210}))
    assert page.evaluate("document.querySelector('proffer-slot').offsetHeight") == 210


# --- the stored bundle ----------------------------------------------------------


def test_a_bundle_is_fetched_after_the_first_view_and_decides_the_next(page: Page, s: Site) -> None:
    assert visit(page, s, stored_page(slot("hero"))) == [DEFAULT]
    stored(page)
    assert visit(page, s, stored_page(slot("hero"))) == [OFFER]
    assert s.asked.count(BUNDLE) == 1


HOSTILE = {
    "a flipped bit": """bytes[bytes.length >> 1] ^= 1""",
    "cut short": """bytes.length -= 1""",
    "another policy": """bytes.splice(0, bytes.length, 80, 82, 66, 78)""",
    "empty": """bytes.length = 0""",
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_stored_bundle_is_held_to_its_digest_before_every_use(
    page: Page, s: Site, change: str
) -> None:
    visit(page, s, stored_page(slot("hero")))
    stored(page)
    page.evaluate(f"""() => {{
      const bytes = Array.from(atob(localStorage["proffer.bundle"]), (c) => c.charCodeAt(0));
      {change};
      localStorage["proffer.bundle"] = btoa(String.fromCharCode(...bytes));
    }}""")
    assert visit(page, s, stored_page(slot("hero"))) == [DEFAULT]
    until(lambda: s.asked.count(BUNDLE) == 2)  # and the good one is fetched again


@pytest.mark.parametrize(
    "kept", ["<img src=x onerror=alert(1)>", "alert(1)", "AAAA", "{}", "\x00", '{"caps": 3}']
)
def test_nothing_that_storage_holds_is_executed_or_believed(page: Page, s: Site, kept: str) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    visit(page, s, kernel_page(slot("hero")))
    page.evaluate(
        """(kept) => {
          for (const name of ["bundle", "visitor", "state", "event.x"])
            localStorage["proffer." + name] = kept;
        }""",
        kept,
    )
    ((_, text),) = visit(page, s, kernel_page(slot("hero")))
    assert text == OFFER[1]
    assert visit(page, s, stored_page(slot("hero"))) == [DEFAULT]
    assert errors == []


def test_a_bundle_that_was_tampered_with_on_its_way_is_not_stored(page: Page, s: Site) -> None:
    s.answers[BUNDLE].body = s.answers[BUNDLE].body[:-1] + b"\x7f"
    visit(page, s, stored_page(slot("hero")))
    until(lambda: BUNDLE in s.asked)
    page.wait_for_timeout(300)
    assert page.evaluate("localStorage['proffer.bundle']") is None


def test_settings_that_are_none_leave_the_page_alone(page: Page, s: Site) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    good = kernel_page(slot("hero"))
    settings = settings_for(pocket_for_browsers(), wait_ms=20_000)
    for broken in [
        good.replace('{"manifest"', '{manifest"'),
        a_page(head_html(PageSettings(), FIRST, nonce=NONCE), slot("hero")),
        a_page(head_html(structs.replace(settings, bundle=b"PRBN" + bytes(40)), FIRST, nonce=NONCE),
               slot("hero")),
        a_page(head_html(structs.replace(settings, manifest=b"PRMB"), FIRST, nonce=NONCE),
               slot("hero")),
    ]:  # fmt: skip
        assert visit(page, s, broken) == [DEFAULT]
    assert errors == []
