"""A Python Worker answers what the server's edge answers: same routes, same words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from edge.cookies import state_cookie, visitor_cookie
from edge.decision.jws import from_base64url
from edge.decision.state import State
from edge.scripts import kernel_script_address
from tests.support.edges import Visitor, World, keys, until, world
from tests.support.workers import Fleet

JSON = {"content-type": "application/json"}
VISITORS = [f"{number:032x}" for number in range(1, 9)]
PLACEMENTS = ["hero", "side", "pair", "held", "drawn", "known", "letter", "nowhere"]
COMPARED = (
    "content-type",
    "vary",
    "cache-control",
    "allow",
    "retry-after",
    "etag",
    "x-content-type-options",
)

ODD: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "nothing at all": ("POST", "/_proffer/decide", JSON, b""),
    "no JSON": ("POST", "/_proffer/decide", JSON, b"{"),
    "no UTF-8": ("POST", "/_proffer/decide", JSON, b'{"placements":["\xff"]}'),
    "an unknown field": ("POST", "/_proffer/decide", JSON, b'{"placements":["hero"],"a":1}'),
    "no placements": ("POST", "/_proffer/decide", JSON, b'{"placements":[]}'),
    "too many": (
        "POST", "/_proffer/decide", JSON, json.dumps({"placements": ["x"] * 65}).encode()
    ),
    "a lone surrogate": ("POST", "/_proffer/decide", JSON, b'{"placements":["\\ud800"]}'),
    "a form": (
        "POST", "/_proffer/decide", {"content-type": "text/plain"}, b'{"placements":["hero"]}'
    ),
    "a body too large": ("POST", "/_proffer/decide", JSON, b" " * 40_000),
    "a forged session": (
        "POST", "/_proffer/decide", JSON, b'{"placements":["hero"],"session":"e30.AAAA"}'
    ),
    "reading a decision": ("GET", "/_proffer/decide", {}, b""),
    "an unknown address": ("GET", "/_proffer/nothing", {}, b""),
    "an unknown address, sent to": ("POST", "/_proffer/no%20thing", JSON, b"{}"),
    "what a problem means": ("GET", "/_proffer/problems/request-json", {}, b""),
    "a problem that nobody has": ("GET", "/_proffer/problems/none", {}, b""),
    "the page script": ("GET", "/_proffer/page.js", {}, b""),
    "the page script's head": ("HEAD", "/_proffer/page.js", {}, b""),
    "the kernel script": ("GET", kernel_script_address(), {}, b""),
    "the kernel script without wasm": ("GET", kernel_script_address(plain=True), {}, b""),
    "another version's kernel script": ("GET", "/_proffer/first.0123456789abcdef.js", {}, b""),
    "sending a script": ("POST", kernel_script_address(), JSON, b"{}"),
    "a script by no name": ("GET", "/_proffer/*.js", {}, b""),
    "confirming nothing": ("POST", "/_proffer/confirm", JSON, b"{}"),
    "confirming for decide": ("POST", "/_proffer/confirm", JSON, b'{"placements":["hero"]}'),
    "confirming for a wrong slot": (
        "POST", "/_proffer/confirm", JSON, b'{"placement":"hero","slot":"0"}'
    ),
    "confirming no arm": ("POST", "/_proffer/confirm", JSON, b'{"placement":"hero","arm":1}'),
    "confirming no decision": (
        "POST", "/_proffer/confirm", JSON, b'{"placement":"hero","arm":"ten/p10"}'
    ),
    "confirming without consent": (
        "POST", "/_proffer/confirm", JSON,
        b'{"placement":"hero","arm":"ten/p10","consent":"none","decision":"%032x"}' % 7,
    ),
    "a batch that is none": ("POST", "/_proffer/beacon", JSON, b"{}"),
    "a batch of nonsense": ("POST", "/_proffer/beacon", JSON, b'[1, {"type": "x"}]'),
    "an empty batch": ("POST", "/_proffer/beacon", JSON, b"[]"),
    "a batch too large": ("POST", "/_proffer/beacon", JSON, b"[" + b" " * 600_000),
    "all flags": ("POST", "/ofrep/v1/evaluate/flags", JSON, b"{}"),
    "a flag": (
        "POST", "/ofrep/v1/evaluate/flags/hero", JSON, b'{"context":{"targetingKey":"u"}}'
    ),
    "a flag that nobody has": (
        "POST", "/ofrep/v1/evaluate/flags/none", JSON, b'{"context":{"targetingKey":"u"}}'
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(shared_fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The server's edge with the fleet's own shop and control plane."""
    folder = tmp_path_factory.mktemp("server")
    f = shared_fleet
    with world(folder, control_url=f.control_url, origin_url=f.origin_url) as made:
        yield made


@pytest.fixture
def both(server: World, current: Fleet) -> tuple[World, Fleet]:
    until(lambda: sequence(server.visitor()) == sequence(current.visitor("address")))
    return server, current


def sequence(visitor: Visitor) -> int:
    policy = visitor.get("/_proffer/healthz").json()["policy"]
    return policy["sequence"] if policy else 0


def seen(answer: httpx.Response) -> Any:
    headers = {name: answer.headers[name] for name in COMPARED if name in answer.headers}
    return answer.status_code, headers, answer.content


@pytest.mark.parametrize("request_of", ODD.values(), ids=ODD.keys())
def test_odd_requests_get_the_same_answer(
    both: tuple[World, Fleet], request_of: tuple[str, str, dict[str, str], bytes]
) -> None:
    method, path, headers, content = request_of
    plain = headers | {"accept-encoding": "identity"}
    here, there = (
        visitor.client.request(method, path, headers=plain, content=content)
        for visitor in (both[0].visitor(), both[1].visitor("address"))
    )
    assert shape(seen(there)) == shape(seen(here))
    assert here.status_code < 500


def shape(answer: Any) -> Any:
    """Without what is drawn anew for each answer."""
    status, headers, content = answer
    if b'"targetingKey"' in content or b'"flags"' in content or b'"variant"' in content:
        headers.pop("etag", None)
        return status, headers, sorted(json.loads(content))
    return status, headers, content


def known(visitor: Visitor, name: str) -> Visitor:
    """The same person on both sides: what is kept and drawn depends on nothing else."""
    secret = keys().cookie_secret
    for line in (visitor_cookie(secret, name), state_cookie(secret, name, State(), 1_790_000_000)):
        cookie, _, rest = line.partition("=")
        visitor.cookies[cookie] = rest.partition(";")[0]
    return visitor


TOLD = ("placement", "slot", "reason", "offer", "rung", "creative", "subject_kind", "disclosure",
        "track")  # fmt: skip


@pytest.mark.parametrize("name", VISITORS)
def test_the_same_visitor_gets_the_same_offers(both: tuple[World, Fleet], name: str) -> None:
    asked = {
        "attributes": {"cart.total": "120.00", "customer.tier": "gold"},
        "customer": "c-1",
        "locale": "de",
    }
    told = [
        known(visitor, name).decide(*PLACEMENTS, **asked)
        for visitor in (both[0].visitor(), both[1].visitor("address"))
    ]
    here, there = ([{k: d[k] for k in TOLD} for d in t["decisions"]] for t in told)
    assert there == here
    assert told[0]["ignored"] == told[1]["ignored"]
    assert told[0]["policy"] == told[1]["policy"]
    assert any(decided["offer"] for decided in here)


CLAIMS = [
    ("hero", "ten/p10"), ("hero", "golden/a5"), ("side", "sailing/free"), ("pair", "right/one"),
    ("pair", "left/one"), ("held", "ten/p10"), ("drawn", "left/one"), ("drawn", "right/one"),
    ("known", "ten/p10"), ("nowhere", "ten/p10"), ("drawn", "none"),
]  # fmt: skip


@pytest.mark.parametrize("name", VISITORS[:2])
def test_the_same_offers_are_confirmed(both: tuple[World, Fleet], name: str) -> None:
    found: list[Any] = []
    for visitor in (both[0].visitor(), both[1].visitor("address")):
        known(visitor, name)
        for number, (placement, arm) in enumerate(CLAIMS, 1):
            for slot in (0, 1) if placement == "pair" else (0,):
                said = {
                    "placement": placement, "arm": arm, "slot": slot, "decision": f"{number:032x}",
                    "attributes": {"cart.total": "120.00"}, "customer": "c-1",
                }  # fmt: skip
                answer = visitor.send("POST", "/_proffer/confirm", json=said).json()
                (decided,) = answer["decisions"]
                token = decided["token"] and read_payload(decided["token"])
                found.append([*(decided[k] for k in TOLD), token, answer["ignored"]])
    here, there = found[: len(found) // 2], found[len(found) // 2 :]
    assert there == here
    reasons = {told[2] for told in here}
    assert reasons == {"KEPT", "NOT_CONFIRMED"}


def read_payload(token: str) -> dict[str, Any]:
    """What a token says, but for when."""
    payload = json.loads(from_base64url(token.partition(".")[0].encode()))
    return {key: value for key, value in payload.items() if key not in {"issued_s", "expires_s"}}


def test_the_same_page_is_the_same_but_for_its_ids(both: tuple[World, Fleet]) -> None:
    slots = "".join(f'<proffer-slot placement="{p}">own</proffer-slot>' for p in PLACEMENTS)
    both[1].shop.put("/page", f"<html><head></head><body>{slots}</body></html>")
    pages = [
        known(visitor, VISITORS[0]).get("/page", **{"accept-encoding": "identity"}).text
        for visitor in (both[0].visitor(), both[1].visitor("address"))
    ]
    assert without_ids(pages[1]) == without_ids(pages[0])
    assert "proffer-offer" in pages[0]


def without_ids(page: str) -> str:
    page = re.sub(r'data-(decision|receipt|token)="[^"]*"', r'data-\1=""', page)
    return re.sub(r"proffer_token=[^\"#&]*", "proffer_token=", page)
