"""What reaches the control plane, whatever becomes of the page."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page

from edge.decision.beacon import unpack_record, unpack_verdict
from edge.decision.bundle import open_bundle
from edge.decision.decide import decide
from edge.decision.tables import Tables
from tests.edge.browser.site import (
    BROWSER,
    Site,
    a_page,
    kernel_page,
    pocket_for_browsers,
    slot,
    wait_until,
)
from tests.edge.browser.test_first_view import visit
from tests.support.edges import until

BEACON = "/_proffer/beacon"
STATE = "JSON.parse(localStorage['proffer.state'] ?? 'null')"
QUEUE = "Object.keys(localStorage).filter((key) => key.startsWith('proffer.event.'))"


def waiting(page: Page) -> list[str]:
    return page.evaluate(QUEUE)


def exposures(s: Site) -> list[str]:
    return [event["data"]["placement"] for event in s.told("exposure")]


def test_an_exposure_survives_that_the_page_goes_away(page: Page, s: Site) -> None:
    s.put("/cart", a_page(""))
    visit(page, s, kernel_page(slot("hero")))
    until(lambda: waiting(page))
    page.goto(f"{s.url}/cart")
    until(lambda: exposures(s) == ["hero"])


def test_an_exposure_survives_that_the_tab_is_closed(page: Page, s: Site) -> None:
    visit(page, s, kernel_page(slot("hero")))
    until(lambda: waiting(page))
    page.close(run_before_unload=True)
    until(lambda: exposures(s) == ["hero"])


def test_what_could_not_be_sent_is_sent_by_the_next_page_and_counts_once(
    page: Page, s: Site
) -> None:
    s.put("/cart", kernel_page())
    s.status[BEACON] = 503
    visit(page, s, kernel_page(slot("hero")))
    until(lambda: waiting(page))
    page.goto(f"{s.url}/cart")
    assert len(waiting(page)) == 1
    assert exposures(s) == []
    del s.status[BEACON]
    until(lambda: exposures(s) == ["hero"])
    until(lambda: not waiting(page))
    page.goto(f"{s.url}/cart")
    page.wait_for_timeout(300)
    assert len({event["id"] for event in s.told("exposure")}) == 1


def test_nothing_waits_in_storage_without_full_consent(page: Page, s: Site) -> None:
    s.put("/cart", a_page(""))
    visit(page, s, kernel_page(slot("hero"), consent="contextual"))
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    page.wait_for_timeout(500)
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0, 0, "",
    ]  # fmt: skip
    page.goto(f"{s.url}/cart")
    until(lambda: exposures(s) == ["hero"])


def test_a_slot_that_is_barely_seen_or_too_shortly_is_not_told(page: Page, s: Site) -> None:
    lines = "<p>above the fold</p>" * 60
    visit(page, s, kernel_page(lines, slot("hero"), lines, boxes={"hero": 300}))
    for share, told in [(0.3, False), (0.7, True)]:
        page.evaluate("""(share) => {
          const { top, height } = document.querySelector(".proffer-offer").getBoundingClientRect();
          scrollBy(0, top - innerHeight + height * share);
        }""", share)  # fmt: skip
        page.wait_for_timeout(400)
        if told:
            until(lambda: waiting(page))
        else:
            assert waiting(page) == []


def test_large_queues_go_in_batches_below_60_kb(page: Page, s: Site) -> None:
    visit(page, s, a_page(""))
    sizes = page.evaluate("""async () => {
      const { splitBatches } = await import("/edge/browser/lib/splitBatches.js");
      const texts = Array.from({ length: 400 }, (_, i) => JSON.stringify({ i, text: "ä".repeat(i * 10) }));
      const batches = splitBatches(texts);
      const whole = batches.flatMap(({ body }) => JSON.parse(body)).map(({ i }) => i);
      return { sizes: batches.map(({ body, indexes }) => [new Blob([body]).size, indexes.length]),
        ordered: whole.every((i, index) => i === index), count: whole.length };
    }""")  # noqa: E501
    assert sizes["ordered"]
    assert sizes["count"] == 400
    assert max(size for size, _ in sizes["sizes"]) <= 60_000
    assert max(events for _, events in sizes["sizes"]) <= 50


def test_a_single_event_that_is_too_large_travels_alone(page: Page, s: Site) -> None:
    visit(page, s, a_page(""))
    bodies = page.evaluate("""async () => {
      const { splitBatches } = await import("/edge/browser/lib/splitBatches.js");
      return splitBatches(['"a"', JSON.stringify("x".repeat(70000)), '"b"']).map(({ indexes }) => indexes);
    }""")  # noqa: E501
    assert bodies == [[0], [1], [2]]


def test_what_an_edge_finds_too_large_goes_again_in_halves_and_one_alone_is_dropped_with_a_count(
    page: Page, s: Site
) -> None:
    visit(page, s, a_page(""))
    told = page.evaluate("""async () => {
      const { sendEvents } = await import("/edge/browser/lib/sendEvents.js");
      const shared = { settings: { beacon: "/taken" }, consent: "contextual" }, sent = [];
      globalThis.fetch = async (url, { body }) => {
        const ids = JSON.parse(body).map(({ id }) => id);
        const status = ids.length > 2 || ids.includes("never") ? 413 : 200;
        if (status === 200) sent.push(...ids);
        return { status };
      };
      const events = sendEvents(shared), names = ["a", "b", "c", "never", "d", "e", "f"];
      for (const name of names) events.tell("x", { time_s: 1 }, name);
      events.tell("x", { text: "x".repeat(70000) }, "huge");
      for (let i = 0; i < 100 && (sent.length < 6 || shared.dropped < 2); i++)
        await new Promise((done) => setTimeout(done, 100));
      return { sent, dropped: shared.dropped };
    }""")
    assert told == {"sent": list("abcdef"), "dropped": 2}


def test_the_state_of_the_page_counts_as_the_edges_does(page: Page, s: Site) -> None:
    """Three exposures of `ten` a day: the cap, on the page's own copy of the state."""
    reasons = []
    for _ in range(5):
        s.put("/", kernel_page(slot("hero")))
        page.goto(s.url)
        reasons.append(page.get_attribute("proffer-slot", "data-reason"))
        if reasons[-1] in ("BEST", "KEPT"):
            want = len([r for r in reasons if r in ("BEST", "KEPT")])
            wait_until(page, f"{STATE}?.caps[0]?.count === {want}")
    assert reasons == ["BEST", "KEPT", "KEPT", "NO_CANDIDATE", "NO_CANDIDATE"]


# --- records ----------------------------------------------------------------------


def test_the_record_of_a_pages_decision_replays_to_the_byte(page: Page, s: Site) -> None:
    s.put("/cart", a_page(""))
    visit(page, s, kernel_page(slot("hero"), records="/records"))
    decision = page.get_attribute("proffer-slot", "data-decision")
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    s.status["/records"] = 202
    page.goto(f"{s.url}/cart")
    until(lambda: [path for path, _ in s.bodies if path == "/records"])
    (event,) = json.loads(next(body for path, body in s.bodies if path == "/records"))
    assert (event["type"], event["id"]) == ("shop.proffer.decision", decision)
    assert event["data"]["mac"] == ""
    record = unpack_record(base64.b64decode(event["data"]["record"]))
    bundle = open_bundle(pocket_for_browsers())
    assert record.bundle_digest == bundle.digest
    assert decide(bundle, record.manifest_block, record.request) == record.verdict
    assert unpack_verdict(record.verdict)[0].shown.arm > 0


# --- the copies of constants ------------------------------------------------------


def test_the_columns_that_the_state_reads_are_those_of_tables_py() -> None:
    text = (BROWSER / "lib" / "countExposure.js").read_text()
    ids: dict[str, Any] = {
        name.upper(): row for row, name in enumerate(Tables.__struct_fields__, 1)
    }
    found = re.findall(r"([A-Z_]+) = (\d+)", text.split("const DEFAULT")[0])
    assert len(found) == 8
    for name, number in found:
        assert ids[name] == int(number)


@pytest.mark.parametrize(
    "state",
    [
        {"caps": [{"key": 1, "window": 2, "count": -1}], "kept": [], "overflow": False},
        {"caps": [], "kept": [{"slot": 0}], "overflow": False},
        [1, 2],
        None,
    ],
)
def test_a_state_that_is_none_withholds_strict_caps_and_decides(
    page: Page, s: Site, state: object
) -> None:
    visit(page, s, a_page(""))
    page.evaluate("(state) => { localStorage['proffer.state'] = JSON.stringify(state); }", state)
    read = page.evaluate("""async () => {
      const { readState } = await import("/edge/browser/lib/countExposure.js");
      return readState({ consent: "full" });
    }""")
    assert read == {"caps": [], "kept": [], "overflow": state is not None}
