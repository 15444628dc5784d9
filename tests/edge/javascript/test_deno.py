"""The edge under Deno: pages, beacons, failures, and what survives a restart."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from policy_compiler.sign import sign_manifest
from tests.support.edges import (
    ControlPlane,
    Shop,
    Visitor,
    a_manifest,
    a_shown,
    assert_problem,
    keys,
    pocket_bundle,
    running,
    until,
)
from tests.support.javascript import deno_edge
from tests.support.processes import Server
from tests.support.workers import NOWHERE

SLOTS = "".join(f'<proffer-slot placement="{x}">own</proffer-slot>' for x in ("hero", "side"))
PAGE = f"<html><head><title>Pocket</title></head><body>{SLOTS}</body></html>"


class Place:
    """A control plane, a shop, and a folder that survives."""

    def __init__(self, folder: Path) -> None:
        self.control, self.shop, self.folder = ControlPlane(), Shop(), folder
        self.stack = ExitStack()
        self.control_url, self.origin_url = (
            self.stack.enter_context(running(x.app())) for x in (self.control, self.shop)
        )

    def edge(self, **changes: str) -> Server:
        return self.stack.enter_context(
            deno_edge(self.control_url, self.origin_url, self.folder, **changes)
        )

    def visitor(self, server: Server) -> Visitor:
        return Visitor(self.stack.enter_context(httpx.Client(base_url=server.url, timeout=30)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("deno"))
    made.control.publish(7)
    with made.stack:
        yield made


@pytest.fixture(scope="module")
def server(place: Place) -> Server:
    return place.edge()


def test_a_page_is_filled_and_nobody_elses(place: Place, server: Server) -> None:
    place.shop.put("/page", PAGE, etag='"1"', content_length=str(len(PAGE)))
    answer = place.visitor(server).get("/page")
    assert answer.text.count('class="proffer-offer"') == 1
    assert answer.headers["cache-control"] == "private, no-store"
    assert not {"etag", "content-length"} & set(answer.headers)
    assert len(answer.headers.get_list("set-cookie")) == 2


def test_what_is_no_page_comes_through_to_the_byte(place: Place, server: Server) -> None:
    body = bytes(range(256)) * 4096
    place.shop.pages["/image"] = lambda r: Response(
        body, media_type="image/png", headers={"etag": '"i"', "cache-control": "max-age=9"}
    )
    answer = place.visitor(server).send("GET", "/image")
    assert answer.content == body
    assert (answer.headers["etag"], answer.headers["cache-control"]) == ('"i"', "max-age=9")


def test_what_the_shop_compressed_reaches_the_browser(place: Place, server: Server) -> None:
    """Deno takes encodings off; so the shop is asked for none, and this one insists."""
    packed = gzip.compress(b"body { color: red }")
    headers = {"content-encoding": "gzip", "content-type": "text/css"}
    place.shop.pages["/style"] = lambda r: Response(packed, headers=headers)
    answer = place.visitor(server).send("GET", "/style", headers={"accept-encoding": "gzip"})
    assert answer.content == b"body { color: red }"
    assert place.shop.requests[-1].headers["accept-encoding"] == "identity"


def test_requests_reach_the_shop_as_they_were_sent(place: Place, server: Server) -> None:
    place.shop.put("/cart", "thanks")
    body = b"x" * 300_000
    place.visitor(server).send(
        "POST", "/cart?a=1&b=%20%2F", content=body,
        headers={"content-type": "text/csv", "proffer-visitor": "a thief"},
    )  # fmt: skip
    request = place.shop.requests[-1]
    assert place.shop.bodies[-1] == body
    assert str(request.url.query) == "a=1&b=%20%2F"
    assert request.headers["x-forwarded-for"] == "127.0.0.1"
    assert len(request.headers["proffer-visitor"]) == 32


def test_an_exposure_is_passed_on_and_moves_the_state(place: Place, server: Server) -> None:
    visitor = place.visitor(server)
    (decided,) = visitor.decide("hero")["decisions"]
    before = visitor.cookies["__Host-ps"]
    answer = visitor.beacon(a_shown(decided))
    assert answer.json() == {"accepted": 1, "duplicates": 0, "quarantined": 0, "refused": []}
    assert visitor.cookies["__Host-ps"] != before
    until(lambda: decided["decision"] in place.control.records())


def test_odd_requests_are_refused_and_never_break_it(place: Place, server: Server) -> None:
    visitor = place.visitor(server)
    assert_problem(visitor.post_decide(), 400, "request-field")
    assert_problem(visitor.send("GET", "/_proffer/decide"), 405, "method-not-allowed")
    assert_problem(
        visitor.send("POST", "/_proffer/decide", content=b" " * 40_000), 413, "too-large"
    )
    chunked = iter([b" " * 20_000, b" " * 20_000])
    assert_problem(visitor.send("POST", "/_proffer/decide", content=chunked), 413, "too-large")


def test_a_shop_that_is_away_is_a_502(place: Place) -> None:
    server = place.edge(PROFFER_ORIGIN_URL=NOWHERE)
    assert_problem(place.visitor(server).send("GET", "/data"), 502, "origin-unreachable")


def test_the_last_good_policy_and_the_floor_survive_a_restart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.stack:
        place.control.publish(4)
        with deno_edge(place.control_url, place.origin_url, tmp_path) as first:
            assert place.visitor(first).decide("hero")["policy"]["sequence"] == 4
        files = place.control.files
        place.control.files = {}
        with deno_edge(place.control_url, place.origin_url, tmp_path) as away:
            (decided,) = place.visitor(away).decide("hero")["decisions"]
            assert decided["offer"] == "ten"
        older = sign_manifest(keys(), a_manifest(3, (pocket_bundle(),)))
        place.control.files = files | {"/v1/channels/production/edge.jws": older}
        with deno_edge(place.control_url, place.origin_url, tmp_path) as back:
            visitor = place.visitor(back)
            health = visitor.get("/_proffer/healthz").json()
            assert health["refreshing"]["refused"]["code"] == "ROLLBACK"
            assert health["policy"]["sequence"] == 4


def test_without_settings_pages_are_the_shops_own(place: Place, tmp_path: Path) -> None:
    place.shop.put("/plain", PAGE)
    with deno_edge(place.control_url, place.origin_url, tmp_path, "/", PROFFER_ROOT="") as server:
        visitor = place.visitor(server)
        assert visitor.get("/plain").text == PAGE
        assert visitor.post_decide(placements=["hero"]).status_code == 503


def test_what_was_decided_is_sent_before_the_end(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.stack:
        place.control.publish(1)
        with deno_edge(place.control_url, place.origin_url, tmp_path) as server:
            (decided,) = place.visitor(server).decide("hero")["decisions"]
            start_s = time.monotonic()
        assert time.monotonic() - start_s < 10
        assert decided["decision"] in place.control.records()
