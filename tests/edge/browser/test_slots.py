"""Slots after the first paint: taken up, drawn anew, closed, accepted, and in single-page shops."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page

from tests.edge.browser.site import Site, a_page, kernel_page, slot, wait_until
from tests.edge.browser.test_first_view import OFFER, seen, visit
from tests.support.edges import until

ADD = """(names) => names.forEach((name) => {
  const slot = document.createElement("proffer-slot");
  slot.setAttribute("placement", name);
  slot.textContent = "default";
  document.body.append(slot);
})"""
PAGE_SCRIPT = '<script src="/_proffer/page.js" defer></script>'
EDGE_FILLED = slot(
    "hero",
    'data-reason="BEST" data-decision="00000000000000000000000000000001" data-slot="0" '
    'data-track="shown" data-exposure-ms="60000"',
    '<div class="proffer-offer"><h2>From the edge</h2><a href="/cart">Take</a></div>',
)


def test_a_slot_that_a_framework_draws_anew_shows_the_same_decision(page: Page, s: Site) -> None:
    visit(page, s, kernel_page(slot("hero"), slot("pair")))
    decision = page.get_attribute("proffer-slot", "data-decision")
    page.evaluate("""() => {
      const old = document.querySelector("proffer-slot"), fresh = document.createElement("proffer-slot");
      fresh.setAttribute("placement", "hero");
      fresh.textContent = "default";
      old.replaceWith(fresh);
    }""")  # noqa: E501
    assert seen(page)[0] == OFFER
    assert page.get_attribute("proffer-slot", "data-decision") == decision


def test_a_slot_that_the_edge_filled_stays_and_survives_hydration(page: Page, s: Site) -> None:
    visit(page, s, a_page(PAGE_SCRIPT, EDGE_FILLED))
    before = page.evaluate("document.querySelector('proffer-slot').outerHTML")
    wait_until(page, "customElements.get('proffer-slot')")
    assert page.evaluate("document.querySelector('proffer-slot').outerHTML") == before
    page.evaluate("() => document.querySelector('proffer-slot').remove()")
    page.evaluate(ADD, ["hero"])
    assert seen(page) == [["BEST", "From the edge"]]


def test_a_slot_that_existed_before_us_keeps_its_default(page: Page, s: Site) -> None:
    assert visit(page, s, a_page(PAGE_SCRIPT, slot("hero"))) == [["", "default"]]
    wait_until(page, "customElements.get('proffer-slot')")
    page.wait_for_timeout(300)
    assert seen(page) == [["", "default"]]


def test_slots_that_come_later_are_decided_by_the_kernel_at_once(page: Page, s: Site) -> None:
    visit(page, s, kernel_page())
    page.evaluate(ADD, ["hero"])
    assert seen(page) == [OFFER]


def test_without_a_kernel_the_edge_decides_later_slots_in_one_call(page: Page, s: Site) -> None:
    settings = '<script type="application/json" id="proffer">{"wait_ms": 20000}</script>'
    visit(page, s, a_page(settings + PAGE_SCRIPT))
    wait_until(page, "customElements.get('proffer-slot')")
    page.evaluate(ADD, ["hero", "side"])
    # Neither default nor offer is seen until the answer is there: nothing can flicker.
    assert [text for _, text in seen(page)] == ["", ""]
    until(lambda: page.evaluate("document.querySelector('proffer-slot').dataset.reason"))
    assert seen(page)[0] == OFFER
    assert [json.loads(body)["placements"] for _, body in s.bodies] == [["hero", "side"]]
    assert "proffer_token=" in (page.get_attribute("proffer-slot a", "href") or "")


@pytest.mark.parametrize("how", ["hangs", "is down", "refuses", "answers nonsense"])
def test_when_the_edge_cannot_answer_the_default_comes_and_stays(
    page: Page, s: Site, how: str
) -> None:
    visit(page, s, a_page(PAGE_SCRIPT))
    wait_until(page, "customElements.get('proffer-slot')")
    path = "/_proffer/decide"
    s.slow_s[path] = 1.0 if how == "hangs" else 0.0
    if how in ("is down", "refuses"):
        s.status[path] = 503 if how == "is down" else 400
    if how == "answers nonsense":
        page.evaluate("window.fetch = async () => new Response('[1]')")
    page.evaluate(ADD, ["hero"])
    wait_until(page, "document.querySelector('proffer-slot').innerText === 'default'")
    page.wait_for_timeout(1200 if how == "hangs" else 100)
    assert seen(page) == [["", "default"]]


# --- closing ----------------------------------------------------------------------


def test_a_visitor_may_close_an_offer_and_it_stays_closed_in_this_tab(page: Page, s: Site) -> None:
    html = kernel_page(slot("hero", "dismissible"), boxes={"hero": 300})
    assert visit(page, s, html) == [OFFER]
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    height = page.evaluate("document.querySelector('proffer-slot').offsetHeight")
    assert page.get_attribute(".proffer-dismiss", "aria-label") == "Close this offer"
    page.click(".proffer-dismiss")
    assert seen(page) == [["DISMISSED", "default"]]
    assert page.evaluate("document.querySelector('proffer-slot').offsetHeight") == height
    assert visit(page, s, html) == [["", "default"]]


def test_a_page_may_refuse_that_an_offer_is_closed(page: Page, s: Site) -> None:
    visit(page, s, kernel_page(slot("hero", "dismissible")))
    page.evaluate("addEventListener('proffer-dismiss', (event) => event.preventDefault())")
    page.click(".proffer-dismiss")
    assert seen(page) == [OFFER]


def test_without_consent_a_closed_offer_is_not_remembered(page: Page, s: Site) -> None:
    html = kernel_page(slot("hero", "dismissible"), consent="contextual")
    visit(page, s, html)
    page.click(".proffer-dismiss")
    assert seen(page) == [["DISMISSED", "default"]]
    assert page.evaluate("sessionStorage.length") == 0
    assert visit(page, s, html) == [OFFER]


# --- accepting --------------------------------------------------------------------


def accept(page: Page, s: Site) -> None:
    s.put("/cart", a_page(""))
    visit(page, s, kernel_page(slot("hero")))
    assert "proffer_token" not in (page.get_attribute("proffer-slot a", "href") or "")
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    page.click("proffer-slot a")


def test_an_offer_is_confirmed_by_the_edge_when_it_is_followed(page: Page, s: Site) -> None:
    accept(page, s)
    page.wait_for_url("**/cart?a=1&proffer_token=*#top")
    ((_, body),) = [each for each in s.bodies if each[0] == "/_proffer/confirm"]
    said = json.loads(body)
    assert (said["placement"], said["slot"], said["arm"]) == ("hero", 0, "ten/p10")


def test_a_shops_own_router_gets_the_click_once_the_offer_is_confirmed(page: Page, s: Site) -> None:
    visit(page, s, kernel_page(slot("hero")))
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    page.evaluate("""() => document.addEventListener("click", (event) => {
      event.preventDefault();
      window.routed = (window.routed ?? []).concat(event.target.href);
    })""")
    page.click("proffer-slot a")
    wait_until(page, "window.routed")
    (address,) = page.evaluate("routed")
    assert "/cart?a=1&proffer_token=" in address
    page.click("proffer-slot a")
    assert page.evaluate("routed.length") == 2
    assert len([path for path, _ in s.bodies if path == "/_proffer/confirm"]) == 1


def test_an_offer_may_be_followed_into_another_tab(page: Page, s: Site) -> None:
    s.put("/cart", a_page(""))
    visit(page, s, kernel_page(slot("hero")))
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    with page.context.expect_page() as opened:
        page.click("proffer-slot a", modifiers=["Control"])
    opened.value.wait_for_url("**/cart?a=1&proffer_token=*")
    assert opened.value.evaluate("window.opener") is None
    assert page.url.rstrip("/") == s.url


@pytest.mark.parametrize("how", ["another arm", "nothing", "down"])
def test_an_offer_that_the_edge_does_not_confirm_is_refused(page: Page, s: Site, how: str) -> None:
    assert s.edge is not None
    if how == "down":
        s.status["/_proffer/confirm"] = 503
    elif how == "nothing":
        s.edge.home.ahead_s = 90_000  # the edge's policy has expired
    tier = {"customer.tier": "gold"} if how == "another arm" else {}
    visit(page, s, kernel_page(slot("hero"), attributes=tier))
    if how == "another arm":  # only the shop may tell the edge of a tier
        assert seen(page) == [["BEST", "Gold"]]
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    page.click("proffer-slot a")
    until(lambda: page.evaluate("document.querySelector('proffer-slot').dataset.reason") != "BEST")
    assert page.get_attribute("proffer-slot", "data-reason") == "NOT_CONFIRMED"
    assert page.inner_text(".proffer-gone") == "This offer is no longer available."
    assert page.locator("proffer-slot a").count() == 0
    assert page.url.rstrip("/") == s.url


# --- single-page shops ------------------------------------------------------------


def test_a_new_page_of_a_single_page_shop_decides_anew(page: Page, s: Site) -> None:
    visit(page, s, kernel_page(slot("hero")))
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    first = page.get_attribute("proffer-slot", "data-decision")
    page.evaluate("history.replaceState(null, '', '#part')")
    page.evaluate("() => document.querySelector('proffer-slot').remove()")
    page.evaluate(ADD, ["hero"])
    assert page.get_attribute("proffer-slot", "data-decision") == first
    page.evaluate("history.pushState(null, '', '/elsewhere')")
    page.evaluate("() => document.querySelector('proffer-slot').remove()")
    page.evaluate(ADD, ["hero"])
    second = page.get_attribute("proffer-slot", "data-decision")
    assert second not in (None, first)
    until(lambda: second in {event["data"]["decision"] for event in s.told("exposure")})
