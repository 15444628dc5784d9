"""Offers as feature flags over OFREP: what is believed of whom, entity tags, and errors."""

from __future__ import annotations

import hmac
import json
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.decision.jws import to_base64url
from edge.decision.reasons import Reason
from edge.decision.request import unpack_request
from edge.flags import REASONS
from edge.vouching import SESSION_LABEL
from tests.support.edges import DAY_S, Visitor, World, compile_pocket, keys, until, world

BULK = "/ofrep/v1/evaluate/flags"


def evaluate(
    visitor: Visitor, key: str = "", headers: Any = None, **context: Any
) -> httpx.Response:
    path = f"{BULK}/{key}" if key else BULK
    return visitor.send("POST", path, json={"context": context}, headers=headers or {})


def flag(visitor: Visitor, key: str, headers: Any = None, **context: Any) -> Any:
    answer = evaluate(visitor, key, headers, **context)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return answer.json()


def flags(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {each["key"]: each for each in answer.json()["flags"]}


def failed(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/json" and answer.json()["errorDetails"]


def of_shop() -> dict[str, str]:
    return {"authorization": f"Bearer {keys().shop_key}"}


def session(w: World, **said: Any) -> str:
    payload = to_base64url(msgspec.json.encode({"expires_s": w.home.now_s() + 60} | said))
    code = hmac.digest(keys().shop_key.encode(), SESSION_LABEL + payload, "sha256")
    return (payload + b"." + to_base64url(code)).decode()


def visitor_in(w: World, told: Any) -> str:
    """Whom the edge decided for."""
    return unpack_request(w.record(told["metadata"]["decision"]).request).visitor


# --- whom a flag is for -------------------------------------------------------


def test_a_browser_is_known_by_its_cookie_and_a_targeting_key_is_passed_over(w: World) -> None:
    visitor = w.visitor()
    first = flag(visitor, "hero")
    assert visitor.id == visitor_in(w, first)
    again = flag(visitor, "hero", targetingKey="somebody else")
    assert visitor_in(w, again) == visitor.id
    assert "cookie of this edge" in again["metadata"]["ignored"]


def test_a_claimed_targeting_key_is_always_the_same_visitor_and_never_one_of_ours(w: World) -> None:
    victim = w.visitor()
    flag(victim, "hero")
    claims = [visitor_in(w, flag(w.visitor(), "hero", targetingKey=victim.id)) for _ in range(2)]
    assert claims[0] == claims[1] != victim.id


def test_a_claimed_targeting_key_sets_no_cookie(w: World) -> None:
    visitor = w.visitor()
    flag(visitor, "hero", targetingKey="u-1")
    assert visitor.cookies == {}


def test_with_the_shops_key_the_targeting_key_is_the_visitor(w: World) -> None:
    told = flag(w.visitor(), "hero", of_shop(), targetingKey="u-1", **{"customer.tier": "gold"})
    assert (visitor_in(w, told), told["variant"]) == ("u-1", "golden/a5")
    told = flag(w.visitor(), "hero", {"x-api-key": keys().shop_key}, targetingKey="u-1")
    assert visitor_in(w, told) == "u-1"


def test_a_session_of_the_shop_vouches_for_a_targeting_key(w: World) -> None:
    said = {"attributes": {"customer.tier": "gold"}, "visitor": "u-1"}
    vouched = {"proffer.session": session(w, **said), "targetingKey": "u-1"}
    told = flag(w.visitor(), "hero", **vouched)
    assert (visitor_in(w, told), told["variant"]) == ("u-1", "golden/a5")
    other = evaluate(w.visitor(), "hero", **vouched | {"targetingKey": "u-2"})
    failed(other, 400, "INVALID_CONTEXT")


def test_what_the_edge_sees_of_a_shops_server_is_no_attribute_of_the_visitor(w: World) -> None:
    headers = of_shop() | {"x-country": "DE", "user-agent": "iPhone Mobile"}
    told = flag(w.visitor(), "hero", headers, targetingKey="u-1")
    assert unpack_request(w.record(told["metadata"]["decision"]).request).attributes == ()
    told = flag(w.visitor(), "hero", headers, targetingKey="u-1", **{"geo.country": "DE"})
    assert "geo.country: has source edge" in told["metadata"]["ignored"]


def test_another_scheme_of_authorization_is_none_of_our_business(w: World) -> None:
    assert flag(w.visitor(), "hero", {"authorization": "Basic eDp5"}, targetingKey="u")["value"]


def test_a_visitors_draw_stays_without_any_cookie(w: World) -> None:
    keys_ = [f"u-{n}" for n in range(12)]
    first = [flag(w.visitor(), "drawn.arm", targetingKey=key)["value"] for key in keys_]
    again = [flag(w.visitor(), "drawn.arm", targetingKey=key)["value"] for key in keys_]
    assert first == again and len(set(first)) > 1


# --- values -------------------------------------------------------------------


def test_numbers_and_nested_objects_are_attributes(w: World) -> None:
    for total in (120, 120.5, "120.50"):
        told = flag(w.visitor(), "side.arm", targetingKey="u", cart={"total": total})
        assert told["value"] == "sailing/free"
    assert (
        flag(w.visitor(), "side.arm", targetingKey="u", cart={"total": 9.5})["value"] == "ten/p10"
    )


def test_other_slots_of_a_placement_come_behind_the_first(w: World) -> None:
    value = flag(w.visitor(), "pair", targetingKey="u")["value"]
    assert value["offer"] == "left" and value["creative"]["headline"] == "Left"
    assert [(slot["slot"], slot["offer"]) for slot in value["more"]] == [(1, "right")]


def test_fields_of_ours_mean_what_they_mean_in_a_decide_call(w: World) -> None:
    said = {"proffer.locale": "de", "proffer.customer": "c-1"}
    told = flag(w.visitor(), "known", targetingKey="u", **said)
    assert told["variant"] == "ten/p10"
    told = flag(w.visitor(), "hero", targetingKey="u", **said)
    assert told["value"]["creative"]["headline"] == "Zehn für Sie"
    taken = [{"placement": "hero", "slot": 0, "arm": "ten/p10"}]
    told = flag(w.visitor(), "side", targetingKey="u", **{"proffer.taken": taken})
    assert ("value" in told, told["reason"]) == (False, "DEFAULT")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_ours_is_one_of_openfeatures(reason: Reason) -> None:
    known = {"DEFAULT", "DISABLED", "ERROR", "SPLIT", "STALE", "TARGETING_MATCH"}
    assert REASONS[reason] in known


@pytest.mark.parametrize("key", ["hero", "hero.arm"])
def test_without_consent_there_is_a_default_and_no_record(w: World, key: str) -> None:
    before = w.logged
    told = flag(w.visitor(), key, targetingKey="u", **{"proffer.consent": "none"})
    assert ("value" in told, told["reason"], told["variant"]) == (False, "DISABLED", "none")
    assert w.logged == before


def test_without_a_policy_every_flag_is_a_default(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        told = flag(w.visitor(), "hero", targetingKey="u")
        assert ("value" in told, told["reason"]) == (False, "ERROR")
        assert told["metadata"] == {"reason": "NO_POLICY"}
        bulk = evaluate(w.visitor(), targetingKey="u")
        assert bulk.json() == {"flags": [], "metadata": {"reason": "NO_POLICY"}}
        assert "etag" not in bulk.headers


def test_when_deciding_fails_every_flag_is_a_default(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("edge.deciding.decide", fail)
    told = flag(w.visitor(), "hero", targetingKey="u")
    assert ("value" in told, told["reason"], told["metadata"]["reason"]) == (
        False,
        "ERROR",
        "FAILED",
    )


# --- all flags ----------------------------------------------------------------


def test_all_placements_of_pages_are_flags_and_those_of_letters_are_not(w: World) -> None:
    told = flags(evaluate(w.visitor(), targetingKey="u"))
    placements = {"hero", "side", "pair", "held", "drawn", "known"}
    assert set(told) == placements | {f"{name}.arm" for name in placements}
    assert told["hero"]["variant"] == told["hero.arm"]["value"] == "ten/p10"
    assert told["hero"]["metadata"]["decision"] == told["hero.arm"]["metadata"]["decision"]


def test_a_screen_names_its_placements_and_they_are_decided_together(w: World) -> None:
    wanted: dict[str, Any] = {"proffer.placements": ["side"]}
    alone = flags(evaluate(w.visitor(), targetingKey="u", **wanted))
    assert (set(alone), alone["side"]["variant"]) == ({"side", "side.arm"}, "ten/p10")
    wanted = {"proffer.placements": ["side", "hero", "nowhere"]}
    both = flags(evaluate(w.visitor(), targetingKey="u", **wanted))
    assert (both["hero"]["variant"], both["side"]["variant"]) == ("ten/p10", "none")
    assert both["nowhere"]["errorCode"] == "FLAG_NOT_FOUND"


def test_more_placements_than_one_decision_takes_are_told(tmp_path: Path) -> None:
    more = "".join(f"  extra{n}: {{title: Extra, rank: 5}}\n" for n in range(70))
    bundle = compile_pocket(lambda text: text.replace("placements:\n", "placements:\n" + more, 1))
    with world(tmp_path, published=False) as w:
        w.control.publish(1, bundle)
        until(lambda: w.health()["policy"])
        told = evaluate(w.visitor(), targetingKey="u").json()["flags"]
    left_out = [each for each in told if "errorCode" in each]
    assert len(left_out) == 12 and len(told) == 2 * 64 + 12
    assert "proffer.placements" in left_out[0]["errorDetails"]


def again(w: World, visitor: Visitor, tag: str, **context: Any) -> httpx.Response:
    return evaluate(visitor, "", {"if-none-match": tag}, **context)


def test_a_tag_keeps_the_flags_that_a_visitor_has_and_nothing_new_is_logged(w: World) -> None:
    visitor = w.visitor()
    tag = evaluate(visitor).headers["etag"]
    until(lambda: not len(w.app.outbox))
    before = w.logged
    for sent in (tag, f"W/{tag}", f'"other", {tag}'):
        answer = again(w, visitor, sent)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert answer.headers["cache-control"] == "private, no-store"
        assert "content-length" not in answer.headers
    assert w.logged == before


def test_a_tag_of_one_visitor_gives_another_flags_of_its_own(w: World) -> None:
    tag = evaluate(w.visitor(), targetingKey="u-1").headers["etag"]
    for headers, context in (({}, {"targetingKey": "u-2"}), (of_shop(), {"targetingKey": "u-1"})):
        answer = evaluate(w.visitor(), "", headers | {"if-none-match": tag}, **context)
        assert answer.status_code == 200 and answer.headers["etag"] != tag
    assert again(w, w.visitor(), tag).status_code == 200
    assert again(w, w.visitor(), tag, targetingKey="u-1").status_code == 304


def test_a_tag_ends_when_the_visitor_should_see_something_else(w: World) -> None:
    said: dict[str, Any] = {"targetingKey": "u-1", "cart.total": "10.00"}
    said["proffer.placements"] = ["side", "known"]
    tag = evaluate(w.visitor(), **said).headers["etag"]
    assert again(w, w.visitor(), tag, **said | {"cart.total": "20.00"}).status_code == 304
    for changed in (
        {"cart.total": "120.00"},
        {"proffer.consent": "none"},
        {"proffer.customer": "c"},
    ):
        answer = again(w, w.visitor(), tag, **said | changed)
        assert answer.status_code == 200 and answer.headers["etag"] != tag


def test_a_tag_ends_before_its_tokens_do(w: World) -> None:
    tag = evaluate(w.visitor(), targetingKey="u-1").headers["etag"]
    w.home.ahead_s = DAY_S // 2 - 100
    assert again(w, w.visitor(), tag, targetingKey="u-1").status_code == 304
    w.home.ahead_s = DAY_S // 2 + 100
    assert again(w, w.visitor(), tag, targetingKey="u-1").status_code == 200


@pytest.mark.parametrize("change", [(0, "nonce"), (34, "time"), (-5, "code")])
def test_a_tag_that_was_changed_is_none(w: World, change: tuple[int, str]) -> None:
    tag = evaluate(w.visitor(), targetingKey="u-1").headers["etag"]
    at = len(tag) + change[0] if change[0] < 0 else change[0] + 1
    forged = tag[:at] + ("0" if tag[at] != "0" else "1") + tag[at + 1 :]
    assert again(w, w.visitor(), forged, targetingKey="u-1").status_code == 200


# --- errors -------------------------------------------------------------------

NAMES = st.text(max_size=5) | st.sampled_from(
    [
        "targetingKey", "cart.total", "cart", "total", "geo.country", "proffer", "proffer.taken",
        "proffer.placements", "proffer.locale", "proffer.consent", "proffer.session",
        "customer.tier",
    ]
)  # fmt: skip


def test_what_is_no_context_is_told_in_ofreps_words(w: World) -> None:
    visitor = w.visitor()
    wrong: list[tuple[str, str]] = [
        ("{", "PARSE_ERROR"),
        ("[]", "PARSE_ERROR"),
        ('{"context": 1}', "INVALID_CONTEXT"),
        ('{"context": {"targetingKey": 7}}', "INVALID_CONTEXT"),
        ('{"context": {"targetingKey": "\\u0001"}}', "INVALID_CONTEXT"),
        ('{"context": {"targetingKey": "%s"}}' % ("x" * 129), "INVALID_CONTEXT"),
        ('{"context": {"proffer.colour": "red"}}', "INVALID_CONTEXT"),
        ('{"context": {"proffer.locale": 1}}', "INVALID_CONTEXT"),
        ('{"context": {"proffer.taken": 1}}', "INVALID_CONTEXT"),
        ('{"context": {"proffer.session": "forged"}}', "INVALID_CONTEXT"),
    ]
    for body, code in wrong:
        for path in (BULK, f"{BULK}/hero"):
            headers = {"content-type": "application/json"}
            failed(visitor.send("POST", path, content=body, headers=headers), 400, code)
    placements = {"context": {"proffer.placements": ["a", "a"]}}
    failed(visitor.send("POST", BULK, json=placements), 400, "INVALID_CONTEXT")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def test_whatever_is_sent_is_answered_in_ofreps_words(w: World) -> None:
    """JSON of any kind: flags, or an error with a code; never a fault of ours."""
    visitor = w.visitor()

    @settings(max_examples=150, deadline=None)
    @given(ANYTHING, st.sampled_from([BULK, f"{BULK}/hero", f"{BULK}/pair.arm"]))
    def ask(context: object, path: str) -> None:
        body = json.dumps({"context": context})
        answer = visitor.send(
            "POST", path, content=body, headers={"content-type": "text/json+json"}
        )
        told = answer.json()
        assert answer.status_code in (200, 400), answer.text
        assert ("errorCode" in told) is (answer.status_code == 400)
        assert "FAILED" not in answer.text

    ask()


def test_an_unknown_flag_is_not_found(w: World) -> None:
    for key in ("nowhere", "nowhere.arm", "%F0%9F%8E%81", "%01"):
        answer = evaluate(w.visitor(), key, targetingKey="u")
        failed(answer, 404, "FLAG_NOT_FOUND")
        assert answer.json()["key"]


def test_a_shops_server_must_say_for_whom(w: World) -> None:
    failed(evaluate(w.visitor(), "hero", of_shop()), 400, "TARGETING_KEY_MISSING")
    told = flag(w.visitor(), "hero", of_shop(), **{"proffer.consent": "contextual"})
    assert told["variant"] == "ten/p10"


def test_a_wrong_key_is_a_401(w: World) -> None:
    for headers in ({"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}):
        failed(evaluate(w.visitor(), "hero", headers, targetingKey="u"), 401, "GENERAL")


def test_what_is_no_evaluation_is_refused(w: World) -> None:
    visitor = w.visitor()
    answer = visitor.get(f"{BULK}/hero")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    failed(visitor.send("POST", "/ofrep/v2/flags", json={}), 404, "GENERAL")
    failed(visitor.send("POST", BULK, content="{}", headers={"content-type": "text/plain"}), 415,
           "GENERAL")  # fmt: skip
    failed(visitor.send("POST", BULK, json={"context": {"a": "x" * (32 << 10)}}), 413, "GENERAL")


def test_an_evaluation_without_context_is_one_of_a_new_visitor(w: World) -> None:
    visitor = w.visitor()
    assert re.fullmatch("[0-9a-f]{32}", (visitor.send("POST", BULK), visitor.id)[1])


def test_a_shop_with_flags_of_its_own_keeps_the_address(tmp_path: Path) -> None:
    with world(tmp_path, ofrep=False) as w:
        w.shop.put(f"{BULK}/hero", "the shop's")
        assert w.visitor().send("POST", f"{BULK}/hero", json={}).text == "the shop's"
