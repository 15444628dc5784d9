"""With the same time and chance both edges give the same: answers, cookies, pages, events."""

from __future__ import annotations

import hmac
import json
import random
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.cookies import state_cookie, visitor_cookie
from edge.decision.beacon import NOBODY
from edge.decision.jws import from_base64url, to_base64url
from edge.decision.state import CapCount, Kept, State
from tests.edge.javascript.python_twin import Moment, Twin, moment_of
from tests.support.edges import (
    TENANT,
    ControlPlane,
    Shop,
    a_shown,
    keys,
    pocket_bundle,
    running,
    until,
)
from tests.support.javascript import deno_edge
from tests.support.workers import MANIFEST, Fleet

REQUESTS = 40
JSON = {"content-type": "application/json"}
PLACEMENTS = ["hero", "side", "pair", "held", "drawn", "known", "letter", "nowhere"]
AGENTS = ["", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Mobile/15E148", "Mozilla/5.0 (iPad)",
          "Mozilla/5.0 (X11; Linux x86_64) Chrome/130"]  # fmt: skip
LANGUAGES = ["", "de-AT,de;q=0.9,en;q=0.8", "fr;q=0.1, en;q=0.2", "*", "de;q=x,en;q= .5", "xx" * 30]
VALUES: list[Any] = [
    "120.00",
    "19.9",
    50,
    "5000.01",
    -1,
    None,
    True,
    "1e3",
    [],
    0.5,
    "Zehn \u00fcber",
]
PAGE = "<html><head></head><body>{}</body></html>"


class Edge:
    """A JavaScript edge, its control plane and shop, and a Python twin of it."""

    def __init__(self, client: httpx.Client, control: ControlPlane, shop: Shop) -> None:
        self.client, self.control, self.shop = client, control, shop
        self.twin = Twin(control.files[f"/v1/{MANIFEST}"])

    def event(self, name: str) -> dict[str, Any]:
        """The decision event of this id, once it has arrived."""
        until(lambda: name in self.control.records())
        (found, *_) = [e for e in self.control.events("decision") if e["id"] == name]
        return found


@contextmanager
def under_deno(folder: Path) -> Iterator[Edge]:
    control, shop = ControlPlane(), Shop()
    control.publish(1)
    with ExitStack() as stack:
        urls = [stack.enter_context(running(each.app())) for each in (control, shop)]
        server = stack.enter_context(deno_edge(urls[0], urls[1], folder))
        client = stack.enter_context(httpx.Client(base_url=server.url))
        yield Edge(client, control, shop)


@pytest.fixture(scope="module")
def in_deno(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with under_deno(tmp_path_factory.mktemp("deno")) as made:
        yield made


@pytest.fixture(params=["workerd", "Deno"])
def edge(request: pytest.FixtureRequest, current: Fleet) -> Edge:
    if request.param == "Deno":
        made = request.getfixturevalue("in_deno")
        made.shop.pages.clear()
        return made
    assert current.visitor("address").decide("hero")["decisions"][0]["offer"] == "ten"
    return Edge(current.visitor("address").client, current.control, current.shop)


# --- requests -----------------------------------------------------------------


def a_state(chance: random.Random, twin: Twin) -> State:
    tables = twin.policy.bundle_for("").tables
    now_s, arms = 1_795_000_000, [0, *tables.rung_key]
    caps = [
        CapCount(key, now_s // period_s if period_s else 0, chance.randrange(4))
        for key, period_s in zip(tables.cap_key, tables.cap_period_s, strict=True)
    ]
    kept = [
        Kept(key, 0, chance.randrange(2), chance.randrange(60), chance.choice(arms),
             chance.randbytes(16))
        for key in chance.sample(list(tables.placement_key), 2)
    ]  # fmt: skip
    return State(tuple(caps), tuple(kept), chance.random() < 0.3)


def a_session(chance: random.Random, visitor: str) -> str:
    said: dict[str, Any] = {"expires_s": 4_000_000_000, "attributes": {"customer.tier": "gold"}}
    if chance.random() < 0.5:
        said["customer"] = "c-\u00e9"
    if visitor and chance.random() < 0.5:
        said["visitor"] = visitor
    payload = to_base64url(json.dumps(said).encode())
    code = hmac.digest(keys().shop_key.encode(), b"proffer-session." + payload, "sha256")
    return (payload + b"." + to_base64url(code)).decode()


def a_request(seed: int, twin: Twin) -> tuple[dict[str, str], dict[str, Any], bool]:
    """Headers, body, and whether its visitor is a new one."""
    chance = random.Random(seed)
    headers = JSON | {
        "user-agent": chance.choice(AGENTS), "accept-language": chance.choice(LANGUAGES),
        "x-country": chance.choice(["", "DE", "XX", "US", "??"]),
    }  # fmt: skip
    visitor = "" if chance.random() < 0.3 else chance.randbytes(16).hex()
    cookies = [visitor_cookie(keys().cookie_secret, visitor)] if visitor else []
    if visitor and chance.random() < 0.8:
        state = a_state(chance, twin)
        cookies.append(state_cookie(keys().cookie_secret, visitor, state, 1_795_000_000))
    headers["cookie"] = "; ".join(["other=1", *(c.partition(";")[0] for c in cookies)])
    body: dict[str, Any] = {
        "placements": chance.sample(PLACEMENTS, chance.randint(1, 6)),
        "attributes": {
            "cart.total": chance.choice(VALUES), "customer.tier": "gold", "device.type": "tablet",
            "geo.country": "FR", "un\u00fcsual": 1,
        },
    }  # fmt: skip
    if chance.random() < 0.3:
        body["consent"] = chance.choice(["full", "contextual", ""])
    if chance.random() < 0.4:
        body["locale"] = chance.choice(["de", "de-CH", "en", "fr", "\u00fcb"])
    if chance.random() < 0.4:
        body["customer"] = "c-1"
    if chance.random() < 0.4:
        body["session"] = a_session(chance, visitor)
    if chance.random() < 0.3:
        body["taken"] = [{"placement": "hero", "slot": 0, "arm": "ten/p10"}]
    if not {"hero", "side", "pair"} & set(body["placements"]):
        body["placements"].append("hero")  # so that there is a decision, and a record of it
    return headers, body, not visitor


def cookies_of(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


# --- the same -----------------------------------------------------------------


def test_decisions_cookies_and_events_are_the_same_to_the_byte(edge: Edge) -> None:
    asked = [a_request(seed, edge.twin) for seed in range(REQUESTS)]
    answers = [
        edge.client.post("/_proffer/decide", headers=headers, json=fields)
        for headers, fields, _ in asked
    ]
    reasons = set()
    for (headers, _, is_new), answer in zip(asked, answers, strict=True):
        assert answer.status_code == 200, answer.text
        said = answer.json()
        event = edge.event(said["decisions"][0]["decision"])
        moment = moment_of(edge.control.records()[event["id"]], is_new)
        expected = edge.twin.decide(headers, answer.request.content, moment)
        assert said == json.loads(expected.body), answer.request.content
        assert cookies_of(answer) == [
            value.decode() for name, value in expected.headers if name == b"set-cookie"
        ]
        assert re.fullmatch(rf"/edge/{TENANT}/[0-9a-f]{{16}}", event["source"])
        assert [event] == [json.loads(raw) for raw in edge.twin.taken_events(event["source"])]
        reasons |= {slot["reason"] for slot in said["decisions"]}
    assert reasons >= {"BEST", "HOLDOUT", "NO_CANDIDATE", "UNKNOWN_PLACEMENT"}


def test_exposures_move_the_state_in_the_same_way(edge: Edge) -> None:
    visitor = "5e" * 16
    state = State(caps=(CapCount(1, 2, 3),), kept=(Kept(1, 2, 3, 4, 5, NOBODY),))
    cookies = [visitor_cookie(keys().cookie_secret, visitor),
               state_cookie(keys().cookie_secret, visitor, state, 1_795_000_000)]  # fmt: skip
    jar: dict[str, str] = {}
    for name, _, value in (cookie.partition(";")[0].partition("=") for cookie in cookies):
        jar[name] = value
    kept = set()
    for _ in range(4):
        headers = JSON | {"cookie": "; ".join(f"{k}={v}" for k, v in jar.items())}
        asked = {"placements": ["hero", "pair", "held", "drawn"], "attributes": {"cart.total": 80}}
        decided = edge.client.post("/_proffer/decide", headers=headers, json=asked).json()
        seen = [a_shown(slot) for slot in decided["decisions"] if slot["receipt"]]
        body = json.dumps(seen).encode()
        answer = edge.client.post("/_proffer/beacon", headers=headers, content=body)
        (cookie,) = cookies_of(answer)
        name, _, value = cookie.partition(";")[0].partition("=")
        issued_s = int.from_bytes(from_base64url(value.partition(".")[0].encode())[:8], "big")
        expected = edge.twin.beacon(headers, body, Moment(issued_s))
        assert dict(expected.headers)[b"set-cookie"].decode() == cookie
        assert answer.json()["refused"] == json.loads(expected.body)["refused"] == []
        jar[name] = value
        kept |= {slot["reason"] for slot in decided["decisions"]}
    assert "KEPT" in kept


HERO = "<proffer-slot placement=hero>own</proffer-slot>"
SIDE = "<proffer-slot placement=side>own</proffer-slot>"
SLOTS: dict[str, str] = {
    "all placements": "".join(HERO.replace("hero", f"'{name}'") for name in PLACEMENTS),
    "a placement twice": "<proffer-slot placement=pair>1</proffer-slot>" * 3,
    "attributes": '<PROFFER-slot\n class="a > b" PLACEMENT=hero data-reason="x"/><b>\u00fc</b>'
    "</proffer-SLOT >",
    "references": '<proffer-slot placement="her&#x6f;">own</proffer-slot>',
    "in a list": f"<ul><li>{HERO}<li>2</ul>",
    "a slot in a slot": HERO.replace("own", f"a{SIDE}c"),
    "no end": "before<proffer-slot placement=hero>never ends<p>after",
    "no end, and another": f"<div><proffer-slot placement=hero>x</div>{SIDE}",
    "cut off in a tag": HERO[:-1],
    "in comments and raw text": f"<!-- {HERO} --><script>'{HERO}'</script>"
    f"<textarea>{HERO}</textarea>{SIDE}",
    "in pictures": f"<svg>{HERO}<title>t</title></svg><math>{SIDE}</math>{HERO}",
    "just small enough": HERO.replace("own", "x" * (65536 - len(HERO) + 3)),
    "too large": HERO.replace("own", "x" * (65536 - len(HERO) + 4)) + SIDE,
    "a placement of e-mails": HERO.replace("hero", "letter"),
    "without placement": HERO.replace(" placement=hero", "") + HERO.replace("hero", "''"),
    "control characters": "\x01" + HERO.replace("own", "\x01\x02own") + "\x01",
    "a control character at the end": HERO + "\x01",
    "another encoding": HERO + "\x1b$B" + SIDE,
    "nothing": "",
}


@pytest.mark.parametrize("slots", SLOTS.values(), ids=SLOTS.keys())
def test_pages_are_the_same_to_the_byte(edge: Edge, slots: str) -> None:
    html = PAGE.format(slots).encode()
    same_page(edge, html, lambda: edge.shop.put("/page", html, proffer_context=CONTEXT))


CONTEXT = urlsafe_b64encode(b'{"attributes":{"cart.total":"120.00"},"customer":"c-7"}').decode()


def same_page(edge: Edge, html: bytes, put: Callable[[], object]) -> None:
    put()
    visitor = "77" * 16
    cookie = visitor_cookie(keys().cookie_secret, visitor).partition(";")[0]
    headers = {"accept": "text/html", "cookie": cookie, "accept-language": "de", "user-agent": ""}
    page = edge.client.get("/page", headers=headers).content
    moment = Moment(2_000_000_000)
    if found := re.search(rb'data-decision="([0-9a-f]{32})"', page):
        name = found[1].decode()
        edge.event(name)
        moment = moment_of(edge.control.records()[name], new_visitor=False)
    assert page == edge.twin.page(headers, html, CONTEXT, moment)


def test_the_bundle_is_the_one_that_python_compiled(edge: Edge) -> None:
    health = edge.client.get("/_proffer/healthz").json()
    digest = edge.twin.policy.bundle_for("").digest.hex()
    assert health["policy"]["bundles"] == [digest]
    assert len(pocket_bundle()) > 0
