"""What the demo shop says to a control plane when an offer becomes money."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.parts import ROOT
from tests.support.processes import serving
from tests.support.shop import SHOP, browser_at, put, total


class Recorder(BaseHTTPRequestHandler):
    """Answers as a test says and keeps what it was asked; the real one is tested elsewhere."""

    answers: dict[str, tuple[int, object]]
    asked: list[tuple[str, str, str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, kind = self.headers["Authorization"], self.headers["Content-Type"]
        self.asked.append((self.path, key, kind, body))
        status, answer = self.answers.get(self.path, (200, {}))
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the test says what went wrong."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, type[Recorder]]]:
    handler = type("OneRecorder", (Recorder,), {"answers": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()
    thread.join()


RESERVE, COMMIT = "/v1/redemptions/reserve", "/v1/redemptions/commit"


@pytest.fixture
def wired(recorder: tuple[str, type[Recorder]]) -> Iterator[tuple[httpx.Client, type[Recorder]]]:
    """A visitor with a lamp and an offer, at a shop with a recorder behind it."""
    url, handler = recorder
    handler.answers[RESERVE] = 200, {"reservation": "r1", "discount": "5.99", "decision": "ab" * 16}
    env = {"PROFFER_URL": url, "PROFFER_KEY": "k1"}
    with serving(SHOP, path="/healthz", cwd=ROOT, env=env) as server, browser_at(server) as visitor:
        visitor.get("/?proffer_token=abc")
        put(visitor, "dune-table-lamp")
        yield visitor, handler


def test_an_accepted_offer_is_reserved_committed_and_reported(
    wired: tuple[httpx.Client, type[Recorder]],
) -> None:
    visitor, recorder = wired
    page = visitor.post("/checkout")
    assert total(page) == "€58.81"
    reserve, commit, report = recorder.asked
    order_id = page.url.path.removeprefix("/thanks/")
    facts = reserve[3].pop("cart")
    assert reserve == (
        RESERVE, "Bearer k1", "application/json",
        {"token": "abc", "order_id": order_id, "visitor": "v-8c1f"},
    )  # fmt: skip
    assert (facts["order_value"], facts["margin"]) == ("59.90", "27.40")
    assert facts["attributes"]["cart.categories"] == ["lighting"]
    assert commit[::3] == (COMMIT, {"reservation": "r1"})
    assert report[::2] == ("/v1/beacons", "application/cloudevents-batch+json")
    (event,) = report[3]
    assert (event["id"], event["source"], event["type"]) == (
        order_id, "/shop", "shop.proffer.order"
    )  # fmt: skip
    assert type(event["data"].pop("time_s")) is int
    assert event["data"] == {
        "order_id": order_id,
        "visitor": "v-8c1f",
        "customer": None,
        "revenue": "53.91",
        "margin": "27.40",
        "discount": "5.99",
        "currency": "EUR",
        "decisions": ["ab" * 16],
    }


@pytest.mark.parametrize(
    ("path", "status", "answer", "said"),
    [
        (
            RESERVE,
            409,
            {"title": "The offer is used up", "detail": "x"},
            "applied. The offer is used up.",
        ),
        (RESERVE, 500, "no problem object", "not confirm"),
        (RESERVE, 200, {"surprise": 1}, "not confirm"),
        (RESERVE, 200, {"reservation": "r1", "discount": "500.00"}, "did not fit"),
        (RESERVE, 200, {"reservation": "r1", "discount": "-5.00"}, "did not fit"),
        (COMMIT, 503, {"title": "later"}, "not confirm"),
    ],
)
def test_an_offer_that_cannot_be_redeemed_costs_neither_the_order_nor_the_shop(
    wired: tuple[httpx.Client, type[Recorder]], path: str, status: int, answer: object, said: str
) -> None:
    visitor, recorder = wired
    recorder.answers[path] = status, answer
    page = visitor.post("/checkout")
    assert said in page.text
    assert total(page) == "€64.80"
    (event,) = recorder.asked[-1][3]
    assert (event["data"]["discount"], event["data"]["decisions"]) == ("0.00", [])


def test_an_offer_from_a_letter_is_redeemed_for_the_customer_behind_the_visitor(
    wired: tuple[httpx.Client, type[Recorder]],
) -> None:
    visitor, recorder = wired
    visitor.get("/sign-in?as=loyal")
    visitor.get("/?proffer_token=abc")
    put(visitor, "dune-table-lamp")
    visitor.post("/checkout")
    (asked,) = [body for path, _, _, body in recorder.asked if path == RESERVE]
    assert asked["visitor"] == "v-8c1f"
    assert asked["customer"].startswith("loyal-")


def test_an_order_that_nobody_took_is_told_again_until_somebody_does(
    wired: tuple[httpx.Client, type[Recorder]],
) -> None:
    visitor, recorder = wired
    recorder.answers["/v1/beacons"] = 503, {"title": "later"}
    orders = [visitor.post("/checkout").url.path.removeprefix("/thanks/")]
    put(visitor, "dune-table-lamp")
    orders.append(visitor.post("/checkout").url.path.removeprefix("/thanks/"))
    assert len(set(orders)) == 2 and "" not in orders
    recorder.answers["/v1/beacons"] = 202, {"accepted": 1}
    recorder.asked.clear()
    deadline_s = time.monotonic() + 10
    while len(told(recorder)) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert told(recorder) == orders
    time.sleep(1.2)
    assert told(recorder) == orders  # and then no more


def test_a_shop_that_ends_tells_what_still_waits(recorder: tuple[str, type[Recorder]]) -> None:
    url, handler = recorder
    handler.answers["/v1/beacons"] = 500, {}
    env = {"PROFFER_URL": url, "PROFFER_KEY": "k1"}
    with serving(SHOP, path="/healthz", cwd=ROOT, env=env) as server, browser_at(server) as visitor:
        put(visitor, "dune-table-lamp")
        order_id = visitor.post("/checkout").url.path.removeprefix("/thanks/")
        handler.answers["/v1/beacons"] = 202, {}
        handler.asked.clear()
    assert told(handler)[0] == order_id


def told(recorder: type[Recorder]) -> list[str]:
    return [body[0]["id"] for path, _, _, body in recorder.asked if path == "/v1/beacons"]


def test_pressing_the_button_twice_is_one_order(
    wired: tuple[httpx.Client, type[Recorder]],
) -> None:
    visitor, recorder = wired
    visitor.get("/checkout")
    before = dict(visitor.cookies)
    first = visitor.post("/checkout").url
    visitor.cookies.clear()
    visitor.cookies.update(before)
    assert visitor.post("/checkout").url == first
    assert len({asked[3][0]["id"] for asked in recorder.asked if asked[0] == "/v1/beacons"}) == 1
