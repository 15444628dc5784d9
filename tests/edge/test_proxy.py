"""Pages of a shop through the edge: filled, or exactly as the shop sent them."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.responses import RedirectResponse, Response, StreamingResponse

from edge.decision.request import unpack_request
from tests.support.edges import DAY_S, PATIENCE_S, World, until, world

SLOT = '<proffer-slot placement="{}">default of {}</proffer-slot>'
HERO = "<html><head><title>Pocket</title></head><body>" + SLOT.format("hero", "hero") + "</body></html>"
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("edge")) as made:
        yield made


@pytest.fixture
def w(shared: World) -> World:
    shared.reset()
    return shared


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
    assert (offer["data-offer"], offer["data-rung"], offer["data-placement"]) == ("ten", "p10", "hero")
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
    html = w.shop.put("/", HERO, proffer_context=context(attributes={}, consent=consent), etag='"1"')
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
    forged = {"proffer-context": context(**{"customer.tier": "gold"}), "proffer-visitor": "somebody"}
    visitor = w.visitor()
    assert offers_of(visitor.get("/", **forged).text) == ["ten"]
    (request,) = w.shop.requests
    assert request.headers.getlist("proffer-visitor") == [visitor.id]
    assert "proffer-context" not in request.headers


# --- byte for byte --------------------------------------------------------------


def untouched(w: World, path: str = "/") -> None:
    """The page comes through as the shop sent it, validators and all."""
    html = w.shop.put(path, HERO, etag='"1"', cache_control="max-age=60")
    answer = w.visitor().get(path)
    assert answer.content == html
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers["content-length"] == str(len(html))
    assert "set-cookie" not in answer.headers


def test_without_a_policy_pages_are_the_shops_own(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        untouched(w)


def test_with_a_refused_policy_pages_are_the_shops_own(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        w.control.publish(1, tenant="bucket")
        until(lambda: w.health()["refreshing"]["refused"])
        untouched(w)


def test_with_an_expired_policy_pages_are_the_shops_own(w: World) -> None:
    w.home.ahead_s = 2 * DAY_S
    untouched(w)


def test_when_deciding_fails_the_page_is_the_shops_own(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("edge.deciding.decide", fail)
    html = w.shop.put("/", slots("hero", "side"))
    assert w.visitor().get("/").content == html


def test_without_consent_pages_are_the_shops_own(tmp_path: Path) -> None:
    with world(tmp_path, default_consent="none") as w:
        untouched(w)
        assert "proffer-visitor" not in w.shop.requests[0].headers


def test_what_is_no_page_comes_through_as_it_is(w: World) -> None:
    body = HERO.encode()
    kinds = ["text/plain", "application/xhtml+xml", "text/html; charset=utf-16", "image/svg+xml"]
    for kind in kinds:
        w.shop.pages["/x"] = lambda request, kind=kind: Response(body, headers={"content-type": kind})
        answer = w.visitor().get("/x")
        assert (answer.content, answer.headers["content-type"]) == (body, kind)


def test_html_that_stays_compressed_comes_through_as_it_is(w: World) -> None:
    packed = gzip.compress(HERO.encode())
    w.shop.put("/", packed, content_encoding="gzip")
    assert w.visitor().get("/").text == HERO


def test_a_page_without_slots_is_the_same_bytes(w: World) -> None:
    html = w.shop.put("/", "<html><body><p>ü < 3</p><!-- <proffer-slot> --></body></html>")
    assert w.visitor().get("/").content == html


# --- a good proxy ---------------------------------------------------------------


def test_requests_reach_the_shop_as_they_were_sent(w: World) -> None:
    w.shop.pages["/a b"] = lambda request: Response(b"ok")
    answer = w.visitor().send(
        "PUT", "/a%20b?x=%2F&x=1", content=b"\x00\xff" * 5000, headers={"x-own": "1", "te": "trailers"}
    )
    (request,) = w.shop.requests
    assert (answer.status_code, request.method) == (200, "PUT")
    assert (request.url.path, request.url.query) == ("/a b", "x=%2F&x=1")
    assert w.shop.bodies == [b"\x00\xff" * 5000]
    assert request.headers["x-own"] == "1" and "te" not in request.headers
    assert request.headers["host"] == w.url.removeprefix("http://")
    assert request.headers["x-forwarded-for"] == "127.0.0.1"
    assert request.headers["x-forwarded-proto"] == "http"
    assert request.headers["x-forwarded-host"] == request.headers["host"]


def test_a_body_of_unknown_length_is_passed_on(w: World) -> None:
    w.shop.pages["/"] = lambda request: Response(b"ok")
    visitor = w.visitor()
    visitor.client.post("/", content=iter([b"one", b"two"]))
    assert w.shop.bodies == [b"onetwo"]


def test_redirects_statuses_and_cookies_are_the_browsers_business(w: World) -> None:
    def page(request: object) -> Response:
        answer = RedirectResponse("/next", 303)
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    w.shop.pages["/"] = page
    answer = w.visitor().get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/next")
    assert len(answer.headers.get_list("set-cookie")) == 2
    assert w.visitor().get("/missing").status_code == 404


def test_one_visitors_cookies_never_reach_the_shop_with_anothers_request(w: World) -> None:
    w.shop.put("/", HERO, set_cookie="session=ann")
    w.visitor().get("/")
    w.visitor().get("/")
    assert "cookie" not in w.shop.requests[1].headers


def test_pages_are_asked_for_plain_and_whole_and_other_files_as_the_browser_wants(w: World) -> None:
    asks = {"accept-encoding": "br", "if-none-match": '"1"', "range": "bytes=0-1"}
    w.shop.put("/", HERO)
    w.visitor().get("/", **asks)
    w.visitor().get("/", **asks | {"accept": "image/*"})
    page, picture = w.shop.requests
    assert page.headers["accept-encoding"] == "identity"
    assert {"if-none-match", "range"}.isdisjoint(page.headers)
    assert {name: picture.headers[name] for name in asks} == asks


def test_the_shop_learns_the_visitors_id_on_the_first_page(w: World) -> None:
    w.shop.put("/", HERO)
    visitor = w.visitor()
    visitor.get("/")
    visitor.get("/")
    ids = [request.headers["proffer-visitor"] for request in w.shop.requests]
    assert ids == [visitor.id, visitor.id]


def test_a_head_request_has_the_headers_of_the_page(w: World) -> None:
    w.shop.put("/", HERO)
    answer = w.visitor().send("HEAD", "/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "private, no-store"


# --- when the shop is in trouble --------------------------------------------------


def test_a_shop_that_is_away_is_a_502(tmp_path: Path) -> None:
    with world(tmp_path, origin_url="http://127.0.0.1:9") as w:
        page = w.visitor().get("/")
        problem = w.visitor().get("/", accept="application/json")
        assert page.status_code == problem.status_code == 502
        assert page.headers["content-type"].startswith("text/html")
        assert problem.json()["code"] == "origin-unreachable"


def test_a_shop_that_does_not_answer_is_a_504(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with world(tmp_path, origin_url=url, origin_timeout_s=0.3) as w:
            answer = w.visitor().get("/", accept="application/json")
            assert (answer.status_code, answer.json()["code"]) == (504, "origin-timeout")


def test_a_page_that_breaks_off_breaks_off_for_the_browser_too(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield HERO.encode()
        raise RuntimeError("the shop's template fails in the middle")

    with world(tmp_path) as w:
        w.shop.pages["/"] = lambda request: StreamingResponse(broken(), media_type="text/html")
        with pytest.raises(httpx.RemoteProtocolError):
            w.visitor().get("/")
        assert w.health()["status"] == "ok"


def test_an_endless_answer_ends_when_the_browser_goes(w: World) -> None:
    ended: list[bool] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: tick\n\n"
                await asyncio.sleep(0.05)
        finally:
            ended.append(True)

    w.shop.pages["/"] = lambda request: StreamingResponse(endless(), media_type="text/event-stream")
    with w.visitor().client.stream("GET", "/") as answer:
        next(answer.iter_bytes())
        assert not ended
    begin_s = time.monotonic()
    until(lambda: ended)
    assert time.monotonic() - begin_s < PATIENCE_S
