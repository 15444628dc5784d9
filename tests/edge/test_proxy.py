"""The proxy: pages exactly as the shop sent them, and everything a good proxy does."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import RedirectResponse, Response, StreamingResponse

from tests.support.edges import DAY_S, PATIENCE_S, World, assert_problem, until, world

SLOTS = "".join(f'<proffer-slot placement="{x}">own</proffer-slot>' for x in ("hero", "side"))
HERO = f"<html><head><title>Pocket</title></head><body>{SLOTS}</body></html>"


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
    html = w.shop.put("/", HERO)
    assert w.visitor().get("/").content == html


def test_without_consent_pages_are_the_shops_own(tmp_path: Path) -> None:
    with world(tmp_path, default_consent="none") as w:
        untouched(w)
        assert "proffer-visitor" not in w.shop.requests[0].headers


def test_what_is_no_page_comes_through_as_it_is(w: World) -> None:
    body = HERO.encode()
    kinds = ["text/plain", "application/xhtml+xml", "text/html; charset=utf-16", "image/svg+xml"]
    for kind in kinds:
        w.shop.pages["/x"] = lambda request, kind=kind: Response(
            body, headers={"content-type": kind}
        )
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
        "PUT",
        "/a%20b?x=%2F&x=1",
        content=b"\x00\xff" * 5000,
        headers={"x-own": "1", "te": "trailers"},
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
        assert_problem(problem, 502, "origin-unreachable")


def test_a_shop_that_does_not_answer_is_a_504(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with world(tmp_path, origin_url=url, origin_timeout_s=0.3) as w:
            answer = w.visitor().get("/", accept="application/json")
            assert_problem(answer, 504, "origin-timeout")


def test_a_page_that_breaks_off_breaks_off_for_the_browser_too(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield HERO.encode()
        raise RuntimeError("the shop's template fails in the middle")

    with world(tmp_path) as w:
        w.shop.pages["/"] = lambda request: StreamingResponse(broken(), media_type="text/html")
        with pytest.raises(httpx.RemoteProtocolError):
            w.visitor().get("/")
        assert w.health()["status"] == "ok"


def test_a_page_that_stops_in_the_middle_breaks_off_too(tmp_path: Path) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield HERO.encode()
        await asyncio.sleep(PATIENCE_S)

    with world(tmp_path, origin_timeout_s=0.3) as w:
        w.shop.pages["/"] = lambda request: StreamingResponse(stuck(), media_type="text/html")
        begin_s = time.monotonic()
        with w.visitor().client.stream("GET", "/", headers={"accept": "text/html"}) as answer:
            pieces = answer.iter_raw()
            heard = next(pieces)
            with pytest.raises(httpx.RemoteProtocolError):
                heard += b"".join(pieces)
        assert b"proffer-offer" in heard
        assert time.monotonic() - begin_s < PATIENCE_S / 2


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
        pieces = answer.iter_bytes()  # whose end would close the connection
        next(pieces)
        assert not ended
    begin_s = time.monotonic()
    until(lambda: ended)
    assert time.monotonic() - begin_s < PATIENCE_S
