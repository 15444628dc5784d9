"""Pages through a Python Worker in real workerd: filled, or exactly as the shop sent them."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.support.edges import assert_problem, until
from tests.support.workers import Fleet

DECIDING = ["address", "bucket", "space", "mindful"]
SLOTS = "".join(f'<proffer-slot placement="{x}">own</proffer-slot>' for x in ("hero", "side"))
PAGE = f"<html><head><title>Pocket</title></head><body>{SLOTS}</body></html>"
PLAIN = {"accept-encoding": "identity"}


@pytest.mark.parametrize("member", DECIDING)
def test_slots_are_filled_wherever_the_policy_comes_from(current: Fleet, member: str) -> None:
    current.shop.put("/page", PAGE, etag='"1"')
    answer = current.visitor(member).get("/page", **PLAIN)
    assert '<div class="proffer-offer"' in answer.text
    assert "Ten &lt;b&gt;" in answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    assert "etag" not in answer.headers
    assert len(answer.headers.get_list("set-cookie")) == 2


@pytest.mark.parametrize("member", DECIDING)
def test_what_a_page_was_filled_with_reaches_the_control_plane(current: Fleet, member: str) -> None:
    current.shop.put("/page", PAGE)
    page = current.visitor(member).get("/page", **PLAIN).text
    (first, *_) = re.findall(r'data-decision="([0-9a-f]{32})"', page)
    until(lambda: first in current.control.records())


def test_a_page_that_the_shop_declares_without_slots_stays_its_own(current: Fleet) -> None:
    html = current.shop.put(
        "/page", PAGE, etag='"1"', cache_control="max-age=60", proffer_slots="none"
    )
    answer = current.visitor("address").get("/page", **PLAIN)
    assert (answer.content, answer.headers["etag"]) == (html, '"1"')
    assert answer.headers["cache-control"] == "max-age=60"
    assert {"proffer-slots", "vary", "set-cookie"}.isdisjoint(answer.headers)


@pytest.mark.parametrize("member", ["lost", "bare"])
def test_without_a_policy_or_settings_pages_are_the_shops_own(f: Fleet, member: str) -> None:
    html = f.shop.put("/page", PAGE, etag='"1"', cache_control="max-age=60")
    answer = f.visitor(member).get("/page", **PLAIN)
    assert answer.content == html
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers["content-length"] == str(len(html))
    assert "set-cookie" not in answer.headers


def test_without_settings_only_our_own_addresses_fail(f: Fleet) -> None:
    f.shop.put("/page", PAGE)
    answer = f.visitor("bare").post_decide(placements=["hero"])
    assert (answer.status_code, answer.text) == (
        503, "This edge cannot answer; its log says why."
    )  # fmt: skip
    assert "PROFFER_ROOT is missing" in f.workers.output()


def test_one_slot_may_come_in_many_chunks(current: Fleet) -> None:
    async def crumbs() -> AsyncIterator[bytes]:
        for at in range(0, len(PAGE), 7):
            yield PAGE[at : at + 7].encode()
            await asyncio.sleep(0)

    current.shop.pages["/page"] = lambda r: StreamingResponse(crumbs(), media_type="text/html")
    answer = current.visitor("address").get("/page", **PLAIN)
    assert answer.text.count("<proffer-slot data-reason=") == 2
    assert answer.text.count('class="proffer-offer"') == 1
    assert answer.text.endswith("</body></html>")


def test_a_page_reaches_the_browser_as_it_comes(current: Fleet) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"<html><body>first" + b" " * 4096
        await asyncio.sleep(1.5)
        yield SLOTS.encode() + b"</body></html>"

    current.shop.pages["/page"] = lambda r: StreamingResponse(slowly(), media_type="text/html")
    client = current.visitor("address").client
    start_s = time.monotonic()
    with client.stream("GET", "/page", headers=PLAIN | {"accept": "text/html"}) as answer:
        chunks = answer.iter_raw()
        assert next(chunks).startswith(b"<html><body>first")
        assert time.monotonic() - start_s < 1.2
        assert b"proffer-offer" in b"".join(chunks)


def test_what_is_no_page_comes_through_to_the_byte(current: Fleet) -> None:
    body = bytes(range(256)) * 4096
    current.shop.pages["/image"] = lambda r: Response(
        body, media_type="image/png", headers={"etag": '"i"', "cache-control": "max-age=9"}
    )
    answer = current.visitor("address").send("GET", "/image", headers=PLAIN)
    assert answer.content == body
    assert answer.headers["etag"] == '"i"'
    assert answer.headers["content-length"] == str(len(body))


def test_what_the_shop_compressed_stays_as_it_is(current: Fleet) -> None:
    packed = gzip.compress(PAGE.encode())
    headers = {"content-encoding": "gzip", "content-type": "text/html"}
    current.shop.pages["/page"] = lambda r: Response(packed, headers=headers)
    answer = current.visitor("address").get("/page", **{"accept-encoding": "gzip"})
    assert answer.text == PAGE
    assert "set-cookie" not in answer.headers


def test_requests_reach_the_shop_as_they_were_sent(current: Fleet) -> None:
    current.shop.put("/cart", "thanks")
    visitor = current.visitor("address")
    body = b"x" * 300_000
    visitor.send(
        "POST", "/cart?a=1&b=%20%2F", content=body,
        headers={"content-type": "text/csv", "x-own": "1", "proffer-visitor": "a thief"},
    )  # fmt: skip
    (request,) = current.shop.requests
    assert current.shop.bodies == [body]
    assert (request.method, str(request.url.query)) == ("POST", "a=1&b=%20%2F")
    assert request.headers["content-type"] == "text/csv"
    assert request.headers["x-own"] == "1"
    assert request.headers["x-forwarded-host"] == "address.test"
    assert len(request.headers["proffer-visitor"]) == 32


def test_redirects_statuses_and_cookies_are_the_browsers_business(current: Fleet) -> None:
    def moved(request: object) -> Response:
        answer = RedirectResponse("/elsewhere", 303)
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    current.shop.pages["/moved"] = moved
    current.shop.pages["/gone"] = lambda r: Response(status_code=204)
    answer = current.visitor("address").get("/moved")
    assert (answer.status_code, answer.headers["location"]) == (303, "/elsewhere")
    assert [c.partition(";")[0] for c in answer.headers.get_list("set-cookie")] == ["a=1", "b=2"]
    assert current.visitor("address").get("/gone").status_code == 204
    assert current.visitor("address").get("/nowhere").status_code == 404


def test_on_a_route_the_shop_is_asked_where_the_request_was_addressed_to(current: Fleet) -> None:
    current.shop.put("/page", PAGE)
    answer = current.visitor("routed").get("/page?a=1", **PLAIN)
    assert 'class="proffer-offer"' in answer.text
    (request,) = current.shop.requests
    assert request.headers["host"] == request.headers["x-forwarded-host"]
    assert request.headers["host"].startswith("localhost:")
    assert str(request.url.query) == "a=1"


def test_a_head_request_has_no_body(current: Fleet) -> None:
    current.shop.put("/page", PAGE)
    answer = current.visitor("address").send("HEAD", "/page", headers={"accept": "text/html"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_shops_word_about_a_visit_is_taken_off(current: Fleet) -> None:
    context = "eyJjdXN0b21lci50aWVyIjoiZ29sZCJ9"  # {"customer.tier":"gold"}
    current.shop.put("/page", PAGE, proffer_context=context)
    answer = current.visitor("address").get("/page", **PLAIN)
    assert ">Gold<" in answer.text
    assert "proffer-context" not in answer.headers


# --- a shop that fails --------------------------------------------------------


def test_a_shop_that_is_away_is_a_502(f: Fleet) -> None:
    assert_problem(f.visitor("shopless").send("GET", "/data"), 502, "origin-unreachable")
    page = f.visitor("shopless").get("/page")
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")


def test_a_shop_that_does_not_answer_is_a_504(f: Fleet) -> None:
    class Late(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(4)
            await super().__call__(scope, receive, send)

    f.shop.pages["/late"] = lambda r: Late("late")
    start_s = time.monotonic()
    assert_problem(f.visitor("address").send("GET", "/late"), 504, "origin-timeout")
    assert time.monotonic() - start_s < 4


def test_a_page_that_breaks_off_breaks_off_for_the_browser_too(current: Fleet) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"<html><body>half of it" + b" " * 4096
        await asyncio.sleep(0.2)
        raise ConnectionError

    current.shop.pages["/page"] = lambda r: StreamingResponse(broken(), media_type="text/html")
    got = b""
    with pytest.raises(httpx.HTTPError):  # noqa: PT012
        client = current.visitor("address").client
        with client.stream("GET", "/page", headers=PLAIN | {"accept": "text/html"}) as answer:
            for chunk in answer.iter_raw():
                got += chunk
    assert got.startswith(b"<html><body>half of it")
