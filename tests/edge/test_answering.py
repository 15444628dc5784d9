"""`POST /_proffer/decide`: what is decided, whom it believes, and what it remembers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.decision.request import CONTEXTUAL, unpack_request
from edge.decision.token import read_token
from tests.support.edges import DAY_S, World, assert_problem, keys, world
from tests.support.sessions import only, session_token

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
    assert token.subject_kind == decided["subject_kind"] == "visitor"
    assert (token.offer, token.rung, token.placement) == ("ten", "p10", "hero")
    assert token.expires_s == decided["expires_s"] == token.issued_s + DAY_S


def test_an_offer_without_token_has_none(w: World) -> None:
    decided = only(w.visitor().decide("side", attributes={"cart.total": "100.00"}))
    assert (decided["offer"], decided["token"], decided["expires_s"]) == ("sailing", None, None)


def test_all_slots_of_all_placements_are_decided(w: World) -> None:
    found = [
        (d["placement"], d["slot"], d["offer"]) for d in w.visitor().decide("pair")["decisions"]
    ]
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
            "POST",
            "/_proffer/decide",
            json={"placements": ["hero"]},
            headers={"X-Country": country},
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
    ("key", "said", "why"),
    [
        ("another key", {"attributes": {"customer.tier": "gold"}}, "not signed"),
        ("", {"expires_s": 1_000_000_000}, "expired"),
        ("", {"expires_s": "soon"}, "expires_s"),
        ("", {"visitor": "f" * 32}, "another visitor"),
        ("", {"colour": "red"}, "unknown field"),
        ("", {"attributes": []}, "attributes"),
    ],
)
def test_a_session_that_does_not_hold_is_a_bad_request(
    w: World, key: str, said: dict[str, Any], why: str
) -> None:
    answer = w.visitor().post_decide(placements=["hero"], session=session_token(key, **said))
    assert_problem(answer, 400)
    assert why in answer.json()["detail"]


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("x.y", "base64"),
        ("eHg.eHg", "not signed"),
        ("xy", "not signed"),
        ("", "not signed"),
        ("é", "ascii"),
        (7, "text"),
    ],
)
def test_a_session_that_is_none_is_a_bad_request(w: World, token: object, why: str) -> None:
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


def test_contextual_consent_decides_without_cookie_and_without_personal_attributes(
    w: World,
) -> None:
    visitor = w.visitor()
    token = session_token(attributes={"customer.tier": "gold"}, customer="c-1")
    answer = visitor.decide("hero", consent="contextual", session=token)
    assert only(answer)["offer"] == "ten"
    assert [ignored["name"] for ignored in answer["ignored"]] == ["customer.tier"]
    assert visitor.cookies == {}
    assert only(answer)["receipt"] == ""
    promised = read_token(keys().edge_secret, only(answer)["token"], "pocket", int(time.time()))
    assert promised.subject_kind == only(answer)["subject_kind"] == "page"
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


# --- ill-formed text --------------------------------------------------------------


def post_raw(w: World, body: bytes) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return w.visitor().send("POST", "/_proffer/decide", content=body, headers=headers)


@pytest.mark.parametrize("name", [rb"\ud800", rb"a\udfffb", rb"cart.total\ud83d"])
def test_an_attribute_whose_name_is_ill_formed_is_unknown(w: World, name: bytes) -> None:
    answer = post_raw(w, b'{"placements": ["hero"], "attributes": {"%b": 1}}' % name)
    assert answer.status_code == 200, answer.text
    (ignored,) = answer.json()["ignored"]
    assert "\ufffd" in ignored["name"] and "no such attribute" in ignored["why"]
    assert answer.json()["decisions"][0]["decision"]


ILL_FORMED_BODIES = [
    rb'{"placements": ["\ud800"]}',
    rb'{"placements": ["hero"], "consent": "none", "locale": "\ud800", "\ud800": 1}',
    rb'{"placements": ["hero"], "session": "\ud800"}',
    rb'{"placements": ["hero"], "customer": "\ud800"}',
    rb'{"placements": ["hero"], "taken": [{"placement": "\ud800", "slot": 0, "arm": "\ud800"}]}',
    rb'{"placements": ["hero"], "attributes": {"cart.total": "\ud800"}}',
    b'{"placements": ["\xed\xa0\x80"]}',
]


@pytest.mark.parametrize("body", ILL_FORMED_BODIES)
def test_ill_formed_text_anywhere_is_no_fault_of_ours(w: World, body: bytes) -> None:
    assert post_raw(w, body).status_code in (200, 400)


def test_an_ill_formed_placement_is_refused_without_a_policy_too(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        for body in ILL_FORMED_BODIES:
            assert post_raw(w, body).status_code in (200, 400)
        assert_problem(post_raw(w, ILL_FORMED_BODIES[0]), 400, "request-field")
