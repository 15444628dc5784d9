"""`POST /_proffer/decide` and the edge's other own addresses, over HTTP."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.decision.claims import Paused
from edge.decision.jws import to_base64url
from edge.decision.request import CONTEXTUAL, unpack_request
from edge.decision.token import read_token
from tests.support.edges import DAY_S, World, keys, until, world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("edge")) as made:
        yield made


@pytest.fixture
def w(shared: World) -> World:
    shared.reset()
    return shared


def session_token(key: str = "", **said: Any) -> str:
    """What the shop's server would sign for its page."""
    said = {"expires_s": int(time.time()) + 60} | said
    payload = to_base64url(msgspec.json.encode(said))
    code = hmac.digest((key or keys().shop_key).encode(), b"proffer-session." + payload, "sha256")
    return (payload + b"." + to_base64url(code)).decode()


def only(answer: Any) -> dict[str, Any]:
    (decided,) = answer["decisions"]
    return decided


# --- deciding -----------------------------------------------------------------


def test_a_decision_names_offer_creative_token_and_policy(w: World) -> None:
    visitor = w.visitor()
    answer = visitor.decide("hero", locale="de-AT")
    decided = only(answer)
    assert (decided["placement"], decided["slot"], decided["reason"]) == ("hero", 0, "BEST")
    assert (decided["offer"], decided["rung"]) == ("ten", "p10")
    assert decided["creative"]["headline"] == "Zehn für Sie"
    assert answer["policy"] == {"sequence": 1, "bundle": w.bundle.digest.hex()}
    assert answer["ignored"] == []
    now_s = int(time.time())
    token = read_token(keys().edge_secret, decided["token"], "pocket", now_s)
    assert (token.id, token.subject) == (decided["decision"], visitor.id)
    assert (token.offer, token.rung, token.placement) == ("ten", "p10", "hero")
    assert token.expires_s == decided["expires_s"] == token.issued_s + DAY_S


def test_an_offer_without_token_has_none(w: World) -> None:
    decided = only(w.visitor().decide("side", attributes={"cart.total": "100.00"}))
    assert (decided["offer"], decided["token"], decided["expires_s"]) == ("sailing", None, None)


def test_all_slots_of_all_placements_are_decided(w: World) -> None:
    found = [(d["placement"], d["slot"], d["offer"]) for d in w.visitor().decide("pair")["decisions"]]
    assert found == [("pair", 0, "left"), ("pair", 1, "right")]


def test_an_unknown_placement_is_told_beside_the_others(w: World) -> None:
    hero, unknown = w.visitor().decide("nowhere", "hero")["decisions"]
    assert hero["offer"] == "ten"
    assert (unknown["placement"], unknown["reason"]) == ("nowhere", "UNKNOWN_PLACEMENT")


def test_what_was_taken_before_counts(w: World) -> None:
    taken = [{"placement": "hero", "slot": 0, "arm": "ten/p10"}]
    assert only(w.visitor().decide("side", taken=taken))["reason"] == "NO_CANDIDATE"
    assert only(w.visitor().decide("side"))["offer"] == "ten"


def test_no_cache_keeps_a_decision(w: World) -> None:
    answer = w.visitor().post_decide(placements=["hero"])
    assert answer.headers["cache-control"] == "private, no-store"


def test_the_same_visitor_is_decided_the_same_and_others_differ(w: World) -> None:
    visitor = w.visitor()
    first = only(visitor.decide("drawn"))["offer"]
    assert {only(visitor.decide("drawn"))["offer"] for _ in range(5)} == {first}
    assert len({only(w.visitor().decide("drawn"))["offer"] for _ in range(30)}) == 3


def test_every_decision_reaches_the_control_plane(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("pair", "hero")["decisions"]
    record = w.record(decided[0]["decision"])
    assert record.bundle_digest == w.bundle.digest
    assert unpack_request(record.request).visitor == visitor.id


# --- who may say what ---------------------------------------------------------


def test_a_client_cannot_vouch_for_what_only_the_shop_knows(w: World) -> None:
    answer = w.visitor().decide("hero", attributes={"customer.tier": "gold", "cart.total": "5.00"})
    assert only(answer)["offer"] == "ten"
    (ignored,) = answer["ignored"]
    assert ignored["name"] == "customer.tier"
    assert "signed" in ignored["why"]


def test_nobody_can_vouch_for_what_the_edge_sees(w: World) -> None:
    answer = w.visitor().decide(
        "hero",
        attributes={"geo.country": "DE"},
        session=session_token(attributes={"geo.country": "DE"}),
    )
    assert [ignored["name"] for ignored in answer["ignored"]] == ["geo.country", "geo.country"]
    assert only(answer)["disclosure"]  # the law's notice is given where the country is unknown


def test_a_header_that_the_settings_trust_tells_the_country(w: World) -> None:
    visitor = w.visitor()
    for country, notice in (("DE", True), ("US", False)):
        answer = visitor.send(
            "POST", "/_proffer/decide", json={"placements": ["hero"]}, headers={"X-Country": country}
        )
        assert only(answer.json())["disclosure"] is notice


def test_an_attribute_that_nobody_declared_is_reported(w: World) -> None:
    answer = w.visitor().decide("hero", attributes={"shoe.size": 43})
    assert [ignored["name"] for ignored in answer["ignored"]] == ["shoe.size"]


def test_the_shops_signed_session_is_believed(w: World) -> None:
    token = session_token(attributes={"customer.tier": "gold"})
    assert only(w.visitor().decide("hero", session=token))["offer"] == "golden"


def test_the_shops_word_goes_before_the_clients(w: World) -> None:
    token = session_token(attributes={"cart.total": "10.00"})
    answer = w.visitor().decide("side", attributes={"cart.total": "500.00"}, session=token)
    assert only(answer)["offer"] == "ten"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (session_token("another key", attributes={"customer.tier": "gold"}), "not signed"),
        (session_token(expires_s=1_000_000_000), "expired"),
        (session_token(expires_s="soon"), "expires_s"),
        (session_token(visitor="f" * 32), "another visitor"),
        (session_token(colour="red"), "unknown field"),
        (session_token(attributes=[]), "attributes"),
        (session_token().replace(".", ""), "not signed"),
        ("", "not signed"),
        ("é", "ascii"),
        (7, "text"),
    ],
)
def test_a_session_that_does_not_hold_is_a_bad_request(w: World, token: object, why: str) -> None:
    answer = w.visitor().post_decide(placements=["hero"], session=token)
    assert_problem(answer, 400)
    assert why in answer.json()["detail"]


def test_a_session_for_this_visitor_holds(w: World) -> None:
    visitor = w.visitor()
    visitor.decide("hero")
    token = session_token(visitor=visitor.id, attributes={"customer.tier": "gold"})
    assert only(visitor.decide("hero", session=token))["offer"] == "golden"


def test_a_placement_for_customers_needs_one(w: World) -> None:
    assert only(w.visitor().decide("known"))["reason"] == "NO_CUSTOMER"
    decided = only(w.visitor().decide("known", session=session_token(customer="c-1")))
    assert decided["offer"] == "ten"
    token = read_token(keys().edge_secret, decided["token"], "pocket", int(time.time()))
    assert token.subject == "c-1"


# --- consent ------------------------------------------------------------------


def test_without_consent_there_is_neither_cookie_nor_decision_nor_record(w: World) -> None:
    visitor, logged = w.visitor(), w.logged
    decided = only(visitor.decide("hero", consent="none"))
    assert (decided["reason"], decided["decision"], decided["offer"]) == ("NO_CONSENT", "", "")
    assert visitor.cookies == {}
    assert w.logged == logged


def test_taking_consent_back_removes_the_cookies(w: World) -> None:
    visitor = w.visitor()
    visitor.decide("hero")
    assert visitor.id
    visitor.decide("hero", consent="none")
    assert visitor.cookies == {}


def test_contextual_consent_decides_without_cookie_and_without_personal_attributes(w: World) -> None:
    visitor = w.visitor()
    token = session_token(attributes={"customer.tier": "gold"}, customer="c-1")
    answer = visitor.decide("hero", consent="contextual", session=token)
    assert only(answer)["offer"] == "ten"
    assert [ignored["name"] for ignored in answer["ignored"]] == ["customer.tier"]
    assert visitor.cookies == {}
    assert only(answer)["receipt"] == ""
    request = unpack_request(w.record(only(answer)["decision"]).request)
    assert (request.consent, request.visitor, request.customer) == (CONTEXTUAL, "", "")
    sent = {held.attribute for held in request.attributes}
    assert w.bundle.attribute_rows["customer.tier"] not in sent


@pytest.mark.parametrize("cookie", ["none", "contextual", "whatever that means"])
def test_the_strictest_word_on_consent_counts(w: World, cookie: str) -> None:
    visitor = w.visitor()
    visitor.cookies["proffer_consent"] = cookie
    only(visitor.decide("hero", consent="full"))
    assert visitor.id == ""


def test_the_default_consent_is_a_setting(tmp_path: Path) -> None:
    with world(tmp_path, default_consent="none") as w:
        assert only(w.visitor().decide("hero"))["reason"] == "NO_CONSENT"
        assert only(w.visitor().decide("hero", consent="full"))["offer"] == "ten"


# --- cookies ------------------------------------------------------------------


def test_a_new_visitor_gets_an_id_and_keeps_it(w: World) -> None:
    visitor = w.visitor()
    visitor.decide("hero")
    first = visitor.id
    answer = visitor.post_decide(placements=["hero"])
    assert len(first) == 32
    assert (visitor.id, answer.headers.get_list("set-cookie")) == (first, [])


def test_a_forged_visitor_becomes_a_new_one(w: World) -> None:
    visitor = w.visitor()
    visitor.cookies["__Host-pv"] = "a" * 32 + "." + "b" * 43
    visitor.decide("hero")
    assert visitor.id not in ("", "a" * 32)


def test_who_has_lost_the_state_is_not_taken_for_new(w: World) -> None:
    visitor = w.visitor()
    first = only(visitor.decide("hero"))["decision"]
    del visitor.cookies["__Host-ps"]
    second = only(visitor.decide("hero"))["decision"]
    assert "__Host-ps" not in visitor.cookies
    assert unpack_request(w.record(first).request).state is not None
    assert unpack_request(w.record(second).request).state is None


# --- without a policy -----------------------------------------------------------


def test_without_a_policy_the_answer_is_a_default(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        answer = w.visitor().decide("hero", "side")
        assert [decided["reason"] for decided in answer["decisions"]] == ["NO_POLICY"] * 2
        assert answer["policy"] is None
        assert w.health()["status"] == "no-policy"


def test_an_expired_policy_gives_defaults(w: World) -> None:
    w.home.ahead_s = 2 * DAY_S
    assert only(w.visitor().decide("hero"))["reason"] == "STALE"
    assert w.health()["status"] == "stale"


def test_a_paused_placement_says_so(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.control.publish(2, paused=Paused(placements=("hero",)))
        until(lambda: w.health()["policy"]["sequence"] == 2)
        assert only(w.visitor().decide("hero"))["reason"] == "PAUSED"


def test_a_fault_of_ours_is_a_default_and_no_error(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("edge.deciding.decide", fail)
    assert only(w.visitor().decide("hero"))["reason"] == "FAILED"


# --- bad input ----------------------------------------------------------------


def assert_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "detail"} == set(answer.json())
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'{"placements":}', b"[" * 5000, b"NaN",
        b'{"placements": []}', b'{"placements": "hero"}', b'{"placements": [1]}', b"{}",
        b'{"placements": ["hero", "hero"]}', b'{"placements": ["hero"], "visitor": "x"}',
        b'{"placements": ["hero"], "attributes": []}', b'{"placements": ["hero"], "consent": 1}',
        b'{"placements": ["hero"], "consent": "none", "locale": 1}', b'{"placements": ["\\ud800"]}',
        b'{"placements": ["hero"], "taken": {}}', b'{"placements": ["hero"], "taken": [{}]}',
        b'{"placements": ["hero"], "locale": "\\u0001"}', b'{"placements": ["hero"], "customer": "\\ud800"}',
        b'{"placements": ["hero"], "customer": ["c"]}', b'{"placements": ["' + b"x" * 200 + b'\\n"]}',
    ],
)  # fmt: skip
def test_a_malformed_request_is_told_what_is_wrong(w: World, body: bytes) -> None:
    headers, logged = {"content-type": "application/json"}, w.logged
    answer = w.visitor().send("POST", "/_proffer/decide", content=body, headers=headers)
    assert_problem(answer, 400)
    assert w.logged == logged


def test_garbage_in_an_attribute_harms_only_that_attribute(w: World) -> None:
    garbage: list[object] = ["\ud800", 1.5, 2**70, {"a": 1}, ["x"], True, "-1.00", "9" * 300, None]
    for value in garbage:
        body = msgspec.json.encode({"placements": ["side"], "attributes": {"cart.total": "?"}})
        text = msgspec.json.encode(value) if value != "\ud800" else b'"\\ud800"'
        answer = w.visitor().send(
            "POST",
            "/_proffer/decide",
            content=body.replace(b'"?"', text),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 200, (value, answer.text)
        assert only(answer.json())["offer"] != "sailing"


def test_a_body_beyond_the_limit_is_refused(w: World) -> None:
    assert_problem(w.visitor().post_decide(placements=["x" * 40_000]), 413)


def test_a_form_of_another_site_is_refused(w: World) -> None:
    headers = {"content-type": "text/plain"}
    answer = w.visitor().send("POST", "/_proffer/decide", content=b"{}", headers=headers)
    assert_problem(answer, 415)


# --- other addresses -----------------------------------------------------------


def test_health_names_the_policy_and_counts_what_waits(w: World) -> None:
    logged = w.logged
    w.visitor().decide("hero")
    health = w.health()
    assert health["status"] == "ok"
    assert health["policy"]["sequence"] == 1
    assert health["policy"]["bundles"] == [w.bundle.digest.hex()]
    assert 60 <= health["policy"]["age_s"] < 600
    assert health["queued"] + health["outbox"]["sent"] == logged + 1
    assert health["outbox"]["dropped_full"] == 0
    assert health["refreshing"]["refusals"] == 0


def test_the_page_script_is_small_cacheable_and_depends_on_nothing(w: World) -> None:
    script = w.visitor().get("/_proffer/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert len(script.content) < 3000
    assert "import" not in script.text and "eval" not in script.text
    again = w.visitor().get("/_proffer/page.js", **{"if-none-match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_proffer/decide", 405),
        ("POST", "/_proffer/healthz", 405),
        ("GET", "/_proffer/", 404),
        ("GET", "/_proffer/../secret", 404),
        ("POST", "/_proffer/decide/x", 404),
    ],
)
def test_the_edges_own_addresses_never_reach_the_shop(
    w: World, method: str, path: str, status: int
) -> None:
    if ".." in path:
        path = path.replace("..", "%2e%2e")
    assert_problem(w.visitor().send(method, path), status)
    assert w.shop.requests == []


def test_a_head_request_gets_a_head(w: World) -> None:
    answer = w.visitor().send("HEAD", "/_proffer/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
