"""Pages whose slots are filled on their way through the edge."""

from __future__ import annotations

import asyncio
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import msgspec
import pytest
from starlette.responses import StreamingResponse

from edge.decision.request import unpack_request
from tests.support.edges import World

SLOT = '<proffer-slot placement="{}">default of {}</proffer-slot>'
HERO = (
    "<html><head><title>Pocket</title></head><body>"
    + SLOT.format("hero", "hero")
    + "</body></html>"
)
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


def context(**said: Any) -> str:
    return urlsafe_b64encode(msgspec.json.encode(said)).rstrip(b"=").decode()


def slots_of(page: str) -> list[dict[str, str]]:
    """The attributes of each slot's start tag, in the page's order."""
    tags = re.findall(r"<proffer-slot([^>]*)>", page)
    return [{name: unescape(value) for name, value in ATTRIBUTE.findall(tag)} for tag in tags]


def offers_of(page: str) -> list[str]:
    return re.findall(r'<div class="proffer-offer"[^>]* data-offer="([^"]*)"', page)


def slots(*names: str) -> str:
    return "<body>" + "<hr>".join(SLOT.format(name, name) for name in names) + "</body>"


# --- filled -------------------------------------------------------------------


def test_a_slot_is_filled_and_the_page_around_it_is_the_shops(w: World) -> None:
    w.shop.put("/", HERO)
    page = w.visitor().get("/").text
    before, _, rest = page.partition("<proffer-slot")
    inside, _, after = rest.partition("</proffer-slot>")
    assert before == HERO.partition("<proffer-slot")[0]
    assert after == '<script src="/_proffer/page.js" defer></script></body></html>'
    assert "default of hero" not in inside
    assert "<h2>Ten &lt;b&gt;&quot;off&quot;&lt;/b&gt;</h2><p>All &amp; sundry</p>" in inside
    assert '<img src="/ten.svg" alt="A ten">' in inside


def test_element_and_offer_say_what_was_decided(w: World) -> None:
    w.shop.put("/", HERO)
    page = w.visitor().get("/").text
    (slot,) = slots_of(page)
    (tag,) = re.findall(r'<div class="proffer-offer"([^>]*)>', page)
    offer = dict(ATTRIBUTE.findall(tag))
    assert (slot["placement"], slot["data-slot"], slot["data-track"]) == ("hero", "0", "shown")
    assert offer["data-decision"] == slot["data-decision"]
    assert (offer["data-offer"], offer["data-rung"], offer["data-placement"]) == (
        "ten",
        "p10",
        "hero",
    )
    link = unescape(re.findall(r'<a href="([^"]*)"', page)[0])
    assert link == f"/cart?a=1&proffer_token={offer['data-token']}#top"


def test_a_filled_page_is_nobody_elses(w: World) -> None:
    w.shop.put("/", HERO, etag='"1"', last_modified="Sat, 21 Nov 2026 00:00:00 GMT",
               cache_control="public, max-age=600", x_shop="yes")  # fmt: skip
    answer = w.visitor().get("/")
    assert answer.headers["cache-control"] == "private, no-store"
    assert {"etag", "last-modified", "content-length"}.isdisjoint(answer.headers)
    assert answer.headers["x-shop"] == "yes"


def test_a_slot_without_offer_keeps_its_default_and_can_be_counted(w: World) -> None:
    w.shop.put("/", slots("held"))
    page = w.visitor().get("/").text
    (slot,) = slots_of(page)
    assert "default of held" in page
    assert (slot["data-reason"], slot["data-track"]) == ("HOLDOUT", "ghost")
    assert len(slot["data-decision"]) == 32 and slot["data-receipt"]


def test_slots_of_a_page_see_what_earlier_ones_took(w: World) -> None:
    w.shop.put("/", slots("hero", "side"))
    w.shop.put("/side", slots("side"))
    visitor = w.visitor()
    hero, side = slots_of(visitor.get("/").text)
    assert (hero["data-reason"], side["data-reason"]) == ("BEST", "NO_CANDIDATE")
    assert offers_of(visitor.get("/side").text) == ["ten"]


def test_a_placement_that_is_not_on_the_page_takes_nothing(w: World) -> None:
    w.shop.put("/", slots("side"))
    page = w.visitor().get("/").text
    assert offers_of(page) == ["ten"]
    (slot,) = slots_of(page)
    request = unpack_request(w.record(slot["data-decision"]).request)
    assert len(request.placements) == 1


def test_all_decisions_of_a_page_view_share_one_nonce(w: World) -> None:
    w.shop.put("/", slots("hero", "side", "drawn"))
    visitor = w.visitor()
    found = [slot["data-decision"] for slot in slots_of(visitor.get("/").text)]
    nonces = {unpack_request(w.record(decision).request).nonce for decision in found}
    assert len(found) == 3 and len(nonces) == 1
    (slot,) = slots_of(visitor.get("/").text)[:1]
    assert unpack_request(w.record(slot["data-decision"]).request).nonce not in nonces


def test_elements_of_one_placement_take_its_slots_in_order(w: World) -> None:
    w.shop.put("/", slots("pair", "pair", "pair"))
    page = w.visitor().get("/").text
    assert offers_of(page) == ["left", "right"]
    assert [slot.get("data-slot") for slot in slots_of(page)] == ["0", "1", None]
    assert page.count("default of pair") == 1


@pytest.mark.parametrize("name", ["nowhere", "letter"])
def test_a_name_that_is_no_place_on_pages_stays_a_default(w: World, name: str) -> None:
    w.shop.put("/", slots(name))
    page = w.visitor().get("/").text
    (slot,) = slots_of(page)
    assert (slot["data-reason"], "data-decision" in slot) == ("UNKNOWN_PLACEMENT", False)
    assert f"default of {name}" in page and "page.js" not in page


def test_the_script_comes_once_and_with_the_pages_own_nonce(w: World) -> None:
    policy = "script-src 'nonce-r4nd0m+/=' 'strict-dynamic'"
    w.shop.put("/", slots("hero", "pair"), content_security_policy=policy)
    page = w.visitor().get("/").text
    assert page.count("<script") == 1
    assert '<script src="/_proffer/page.js" defer nonce="r4nd0m+/=">' in page


def test_texts_come_in_the_visitors_language(w: World) -> None:
    w.shop.put("/", HERO)
    page = w.visitor().get("/", **{"accept-language": "fr;q=0.2, de-AT, en;q=0.8"}).text
    assert "Zehn f&#252;r Sie" in page


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_page_that_drips_in_is_filled_all_the_same(w: World, size: int) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for start in range(0, len(HERO), size):
            yield HERO[start : start + size].encode()
            await asyncio.sleep(0)

    w.shop.pages["/"] = lambda request: StreamingResponse(drip(), media_type="text/html")
    assert offers_of(w.visitor().get("/").text) == ["ten"]


def test_the_beginning_arrives_while_the_shop_still_thinks(w: World) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"<html><head><title>early</title>"
        await asyncio.sleep(1.0)
        yield HERO.encode()

    w.shop.pages["/"] = lambda request: StreamingResponse(slow(), media_type="text/html")
    begin_s = time.monotonic()
    with w.visitor().client.stream("GET", "/", headers={"accept": "text/html"}) as answer:
        chunks = answer.iter_bytes()
        assert next(chunks) == b"<html><head><title>early</title>"
        assert time.monotonic() - begin_s < 0.9
        assert b"proffer-offer" in b"".join(chunks)


# --- what the shop says ---------------------------------------------------------


def test_what_the_shop_says_is_believed_and_taken_off(w: World) -> None:
    w.shop.put("/", HERO, proffer_context=context(**{"customer.tier": "gold"}))
    answer = w.visitor().get("/")
    assert offers_of(answer.text) == ["golden"]
    assert "proffer-context" not in answer.headers


def test_the_shop_may_say_more_than_attributes(w: World) -> None:
    said = context(attributes={"cart.total": "100.00"}, customer="c-9", consent="full", locale="de")
    w.shop.put("/", slots("hero", "known"), proffer_context=said)
    page = w.visitor().get("/").text
    assert "Zehn f&#252;r Sie" in page
    request = unpack_request(w.record(slots_of(page)[1]["data-decision"]).request)
    assert request.customer == "c-9"


@pytest.mark.parametrize("consent", ["none", "contextual"])
def test_the_shop_speaks_for_its_visitors_consent(w: World, consent: str) -> None:
    html = w.shop.put(
        "/", HERO, proffer_context=context(attributes={}, consent=consent), etag='"1"'
    )
    visitor = w.visitor()
    answer = visitor.get("/")
    assert visitor.cookies == {}
    assert (answer.content == html) is (consent == "none")
    assert answer.headers.get("etag") == ('"1"' if consent == "none" else None)


@pytest.mark.parametrize(
    "said", ["!!!", "e30x", context(attributes=[]), context(attributes={}, colour=1), "W10"]
)
def test_a_context_that_cannot_be_read_leaves_the_page_alone(w: World, said: str) -> None:
    html = w.shop.put("/", HERO, proffer_context=said)
    answer = w.visitor().get("/")
    assert answer.content == html
    assert "proffer-context" not in answer.headers


def test_no_client_can_speak_for_the_shop_or_the_edge(w: World) -> None:
    w.shop.put("/", HERO)
    forged = {
        "proffer-context": context(**{"customer.tier": "gold"}),
        "proffer-visitor": "somebody",
    }
    visitor = w.visitor()
    assert offers_of(visitor.get("/", **forged).text) == ["ten"]
    (request,) = w.shop.requests
    assert request.headers.getlist("proffer-visitor") == [visitor.id]
    assert "proffer-context" not in request.headers
