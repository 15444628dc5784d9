"""The newest signed policy in a page that lives long: believed, or refused and nothing changes.

What is refused and why is the business of the trust vectors, which Chromium is told too; here is
what a page does with it.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import Page

from edge.decision.claims import Paused
from edge.kernel.build import WASM
from policy_compiler.sign import sign_manifest
from tests.edge.browser.site import (
    Answer,
    Site,
    kernel_page,
    pocket_for_browsers,
    slot,
    wait_until,
)
from tests.edge.browser.test_first_view import OFFER, visit
from tests.support.edges import CHANNEL, TENANT, a_manifest, keys, pinned_root

MANIFEST = f"/files/v1/channels/{CHANNEL}/browser.jws"
FOLLOW = """async ([pinned, tenant, channel]) => {
  const { followPolicy, sharedPage, loadKernel } = await import("/edge/browser/proffer.min.js");
  const page = sharedPage(), kernel = await loadKernel("/s/kernel.wasm");
  const root = new TextEncoder().encode(pinned);
  const from = { tenant, channel, root, files: "/files/", kernel };
  const before = page.policy;
  try { return [(await followPolicy(page, from)).sequence, page.policy !== before]; }
  catch (error) { return [error.code ?? error.message, page.policy !== before]; }
}"""


def publish(s: Site, sequence: int, **changes: Any) -> None:
    data, now_s = pocket_for_browsers(), int(time.time())
    times = {"issued_s": now_s - 10, "expires_s": now_s + 3000}
    if changes.pop("paused", False):
        changes["paused"] = Paused(offers=("ten",))
    payload = a_manifest(sequence, (data,), **({"projection": "browser"} | times | changes))
    s.answers[MANIFEST] = Answer(sign_manifest(keys(), payload), "application/jose")
    s.answers[f"/files/v1/bundles/{sha256(data).hexdigest()}"] = Answer(data, "application/wasm")


def follow(page: Page, s: Site) -> list[Any]:
    s.answers["/s/kernel.wasm"] = Answer(WASM.read_bytes(), "application/wasm")
    return page.evaluate(FOLLOW, [pinned_root().decode(), TENANT, CHANNEL])


def decided_again(page: Page) -> str:
    page.evaluate("history.pushState(null, '', '/' + Math.random())")
    page.evaluate("() => document.querySelector('proffer-slot').remove()")
    page.evaluate("""() => {
      const slot = document.createElement("proffer-slot");
      slot.setAttribute("placement", "hero");
      slot.textContent = "default";
      document.body.append(slot);
    }""")
    return page.inner_text("proffer-slot").split("\n")[0]


@pytest.fixture
def shop(page: Page, s: Site) -> Page:
    visit(page, s, kernel_page(slot("hero"), exposure_ms=600_000))
    wait_until(page, "document[Symbol.for('proffer.page')].watch")
    return page


def test_a_newer_policy_decides_from_then_on(shop: Page, s: Site) -> None:
    publish(s, 7, paused=True)
    assert decided_again(shop) == OFFER[1]
    assert follow(shop, s) == [7, True]
    assert decided_again(shop) == "default"


def test_an_older_one_is_refused_also_after_the_page_was_left(shop: Page, s: Site) -> None:
    publish(s, 7)
    assert follow(shop, s) == [7, True]
    publish(s, 6)
    assert follow(shop, s) == ["ROLLBACK", False]
    visit(shop, s, kernel_page(slot("hero")))
    assert follow(shop, s) == ["ROLLBACK", False]
    assert decided_again(shop) == OFFER[1]


def test_without_consent_no_floor_is_kept(page: Page, s: Site) -> None:
    html = kernel_page(slot("hero"), consent="contextual")
    visit(page, s, html)
    publish(s, 7)
    assert follow(page, s) == [7, True]
    assert page.evaluate("indexedDB.databases()") == []
    publish(s, 6)
    assert follow(page, s) == ["ROLLBACK", False]
    visit(page, s, html)
    assert follow(page, s) == [6, True]


def bend_bundle(s: Site) -> None:
    path = f"/files/v1/bundles/{sha256(pocket_for_browsers()).hexdigest()}"
    s.answers[path].body = s.answers[path].body[:-1] + b"\xff"


def bend_manifest(s: Site) -> None:
    head, payload, signature = s.answers[MANIFEST].body.split(b".")
    s.answers[MANIFEST].body = b".".join([head, payload[:-4] + b"AAAA", signature])


def make_endless(s: Site) -> None:
    s.answers[MANIFEST].body = bytes(1 << 20)


BENT = {
    "bundle": (bend_bundle, "DIGEST"),
    "manifest": (bend_manifest, "SIGNATURE"),
    "size": (make_endless, "TOO_LARGE"),
    "the edge's": (lambda s: publish(s, 8, projection="edge"), "CHANNEL"),
    "gone": (lambda s: s.answers.pop(MANIFEST), f"there is no channels/{CHANNEL}/browser.jws"),
}


@pytest.mark.parametrize(("bend", "why"), BENT.values(), ids=BENT.keys())
def test_what_is_refused_changes_nothing(shop: Page, s: Site, bend: Any, why: str) -> None:
    publish(s, 7)
    bend(s)
    assert follow(shop, s) == [why, False]
    assert decided_again(shop) == OFFER[1]
