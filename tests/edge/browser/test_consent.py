"""Consent: who says it, and that nothing is stored before anybody did."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.edge.browser.site import Site, a_page, kernel_page, slot, wait_until
from tests.edge.browser.test_first_view import OFFER, visit

KEPT = "[Object.keys(localStorage), Object.keys(sessionStorage), document.cookie]"
NOTHING = [[], [], ""]
SCRIPT = '<script src="/_proffer/page.js" defer></script>'

TCF = """(data) => { window.__tcfapi = (command, version, tell) => { window.sayTcf = tell; tell(data, true); } }"""  # noqa: E501
GPP = """(ping) => { window.__gpp = (command, tell) => { window.sayGpp = tell; tell({ pingData: ping }); } }"""  # noqa: E501


def with_tool(page: Page, tool: str, said: object) -> None:
    page.add_init_script(f"({tool})({json.dumps(said)})")


def consent(page: Page) -> str:
    return page.evaluate("document[Symbol.for('proffer.page')].consent")


def test_while_nobody_says_anything_the_page_view_decides_and_nothing_is_stored(
    page: Page, s: Site
) -> None:
    assert visit(page, s, kernel_page(slot("hero"), consent="")) == [OFFER]
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    page.wait_for_timeout(300)
    assert page.evaluate(KEPT) == NOTHING


def test_without_consent_there_are_defaults_and_nothing_is_stored(page: Page, s: Site) -> None:
    assert visit(page, s, kernel_page(slot("hero"), consent="none")) == [["", "default"]]
    page.wait_for_timeout(300)
    assert page.evaluate(KEPT) == NOTHING
    assert s.bodies == []


def test_global_privacy_control_goes_before_the_pages_word(page: Page, s: Site) -> None:
    page.add_init_script(
        "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"
    )
    assert visit(page, s, kernel_page(slot("hero"), consent="full")) == [OFFER]
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    page.wait_for_timeout(300)
    assert consent(page) == "contextual"
    assert page.evaluate(KEPT) == NOTHING


def test_the_edges_cookie_counts_and_the_strictest_word_wins(page: Page, s: Site) -> None:
    page.context.add_cookies([{"name": "proffer_consent", "value": "contextual", "url": s.url}])
    visit(page, s, kernel_page(slot("hero"), consent="full"))
    assert consent(page) == "contextual"
    page.context.add_cookies([{"name": "proffer_consent", "value": "yes!", "url": s.url}])
    assert visit(page, s, kernel_page(slot("hero"), consent="full")) == [["", "default"]]
    assert consent(page) == "none"


def expected(said: dict[str, tuple[Any, str]]) -> dict[str, str]:
    return {name: word for name, (_, word) in said.items()}


def all_read(page: Page, s: Site, reader: str, said: dict[str, tuple[Any, str]]) -> dict[str, str]:
    """What the reader of watchConsent.js makes of each."""
    visit(page, s, a_page(""))
    script = """async ([reader, said]) => {
      const read = (await import("/edge/browser/lib/watchConsent.js"))[reader];
      return Object.fromEntries(Object.entries(said).map(([name, [one]]) => [name, read(one)]));
    }"""
    return page.evaluate(script, [reader, {name: list(pair) for name, pair in said.items()}])


def tcf(*purposes: int, **more: Any) -> dict[str, Any]:
    consents = {str(purpose): True for purpose in purposes}
    return {
        "eventStatus": "tcloaded",
        "gdprApplies": True,
        "purpose": {"consents": consents},
    } | more


TCF_SAID = {
    "all purposes": (tcf(1, 5, 6), "full"),
    "no storage": (tcf(5, 6), "contextual"),
    "no profiles": (tcf(1), "contextual"),
    "nothing": (tcf(), "contextual"),
    "no law": (tcf(gdprApplies=False), "full"),
    "not asked yet": (tcf(1, 5, 6, eventStatus="cmpuishown"), ""),
    "nonsense": ({"purpose": 3}, ""),
    "null": (None, ""),
}


def test_what_a_tcf_tool_says(page: Page, s: Site) -> None:
    assert all_read(page, s, "fromTcf", TCF_SAID) == expected(TCF_SAID)


def gpp(sections: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"signalStatus": "ready", "applicableSections": [7], "parsedSections": sections} | more


GPP_SAID = {
    "nothing applies": (gpp({}, applicableSections=[-1]), "full"),
    "applies, not parsed": (gpp({}), "contextual"),
    "no opt-out": (gpp({"usnat": [{"SaleOptOut": 2, "SharingOptOut": 2}]}), "full"),
    "sale": (gpp({"usnat": [{"SaleOptOut": 1}]}), "contextual"),
    "sharing": (gpp({"usca": {"SharingOptOut": 1}}), "contextual"),
    "advertising": (gpp({"usnat": [{"TargetedAdvertisingOptOut": 1}]}), "contextual"),
    "signal in it": (gpp({"usnat": [{"SaleOptOut": 2}, {"Gpc": True}]}), "contextual"),
    "europe, all": (gpp({"tcfeuv2": [{"PurposeConsents": [1, 0, 0, 0, 1, 1]}]}), "full"),
    "europe, some": (gpp({"tcfeuv2": [{"PurposeConsents": [True, False]}]}), "contextual"),
    "not ready": (gpp({}, signalStatus="not ready"), ""),
}


def test_what_a_gpp_tool_says(page: Page, s: Site) -> None:
    assert all_read(page, s, "fromGpp", GPP_SAID) == expected(GPP_SAID)


@pytest.mark.parametrize(
    ("tool", "said"),
    [(TCF, tcf(1, 5, 6)), (GPP, gpp({"usnat": [{"SaleOptOut": 2}]}))],
    ids=["tcf", "gpp"],
)
def test_a_tools_consent_is_used_and_remembered(
    page: Page, s: Site, tool: str, said: object
) -> None:
    with_tool(page, tool, said)
    visit(page, s, kernel_page(slot("hero"), consent=""))
    wait_until(page, "document[Symbol.for('proffer.page')].consent === 'full'")
    assert page.evaluate("document.cookie") == "proffer_consent=full"
    visit(page, s, kernel_page(slot("hero"), consent=""))
    wait_until(page, "localStorage['proffer.visitor']")


def test_consent_that_is_withdrawn_takes_everything_with_it(page: Page, s: Site) -> None:
    with_tool(page, TCF, tcf(1, 5, 6))
    for _ in range(2):
        visit(page, s, kernel_page(slot("hero"), consent=""))
        wait_until(page, "document[Symbol.for('proffer.page')].consent === 'full'")
    page.evaluate("localStorage.own = 'the shop\\'s'")
    wait_until(page, "localStorage['proffer.state']")
    page.evaluate("(said) => sayTcf(said, true)", tcf(eventStatus="useractioncomplete"))
    assert page.evaluate(KEPT) == [["own"], [], "proffer_consent=contextual"]
    page.wait_for_timeout(300)
    assert page.evaluate(KEPT) == [["own"], [], "proffer_consent=contextual"]


def test_a_tool_that_comes_late_or_breaks_is_no_trouble(page: Page, s: Site) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script("window.__gpp = () => { throw new TypeError('broken'); }")
    late = f"({TCF})({json.dumps(tcf(1, 5, 6))})"
    page.add_init_script(f"addEventListener('DOMContentLoaded', () => {late})")
    visit(page, s, a_page(SCRIPT, slot("hero")))
    wait_until(page, "document[Symbol.for('proffer.page')].consent === 'full'")
    assert errors == []
