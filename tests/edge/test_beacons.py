"""What pages saw: passed on for good, or told to come again; and the state that follows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.cookies import read_state
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS, EVENT_LIMIT_BYTES
from edge.decision.hashing import key_of
from edge.decision.jws import from_base64url
from edge.decision.state import State
from tests.support.edges import (
    DAY_S,
    Visitor,
    World,
    a_shown,
    assert_problem,
    keys,
    until,
    world,
)


def state_of(visitor: Visitor) -> State:
    remembered = read_state(keys().cookie_secret, visitor.cookies, visitor.id)
    assert remembered is not None
    return remembered.state


def see(visitor: Visitor, placement: str, **fields: Any) -> dict[str, Any]:
    """Decide a placement and report that its first slot was seen."""
    decided = visitor.decide(placement, **fields)["decisions"][0]
    assert visitor.beacon(a_shown(decided)).status_code == 200
    return decided


def received(w: World, decision: str) -> list[dict[str, Any]]:
    events = w.control.events("exposure") + w.control.events("click")
    return [event for event in events if event["data"]["decision"] == decision]


# --- passing on -----------------------------------------------------------------


def test_what_was_seen_reaches_the_control_plane_without_its_receipt(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("hero")["decisions"][0]
    answer = visitor.beacon(a_shown(decided), a_shown(decided, "click"))
    assert answer.json() == {"accepted": 2, "duplicates": 0, "quarantined": 0, "refused": []}
    exposure, click = received(w, decided["decision"])
    assert (exposure["type"], click["type"]) == ("shop.proffer.exposure", "shop.proffer.click")
    assert set(exposure["data"]) == {"decision", "placement", "slot", "time_s", "track"}
    assert exposure["source"] == "/page"


@pytest.mark.parametrize("status", [500, 503, 401])
def test_what_is_not_stored_is_not_acknowledged(w: World, status: int) -> None:
    visitor = w.visitor()
    decided = visitor.decide("hero")["decisions"][0]
    before = state_of(visitor)
    w.control.status = status
    answer = visitor.beacon(a_shown(decided))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"] == "application/problem+json"
    assert state_of(visitor) == before
    w.control.status = 200
    assert visitor.beacon(a_shown(decided)).status_code == 200
    assert len(received(w, decided["decision"])) == 1


def test_a_control_plane_that_is_away_is_a_503(tmp_path: Path) -> None:
    with world(tmp_path, control_url="http://127.0.0.1:9") as w:
        decided = {"decision": "0" * 32, "placement": "hero", "slot": 0, "track": "shown"}
        assert w.visitor().beacon(a_shown(decided | {"receipt": ""})).status_code == 503


def test_good_events_pass_and_bad_ones_are_named(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("hero")["decisions"][0]
    answer = visitor.beacon({"id": "x"}, a_shown(decided), 7)
    assert answer.json()["accepted"] == 1
    assert [refused["index"] for refused in answer.json()["refused"]] == [0, 2]


def test_the_counts_are_those_of_the_control_plane(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("hero")["decisions"][0]
    visitor.beacon(a_shown(decided))
    again = visitor.beacon(a_shown(decided), a_shown(decided, "click")).json()
    assert (again["accepted"], again["duplicates"], again["quarantined"]) == (1, 1, 0)
    w.control.receipt = {"accepted": 0, "quarantined": 1}
    odd = visitor.beacon(a_shown(decided, "click", id="odd")).json()
    assert (odd["accepted"], odd["duplicates"], odd["quarantined"]) == (0, 0, 1)


def test_an_answer_without_counts_is_no_acknowledgement(w: World) -> None:
    decided = w.visitor().decide("hero")["decisions"][0]
    w.control.receipt = {"accepted": "all"}
    assert_problem(w.visitor().beacon(a_shown(decided)), 503, "unavailable")


ILL_FORMED = [rb"\ud800", rb"\udc00", rb"\uDBFF\u0041", rb"\ud800\ud800", b"\xff", b"\xed\xa0\x80"]


@pytest.mark.parametrize("bad", ILL_FORMED)
@pytest.mark.parametrize("where", ["id", "source", "placement", "subject"])
def test_ill_formed_text_in_one_event_does_not_stop_the_others(
    w: World, bad: bytes, where: str
) -> None:
    visitor = w.visitor()
    decided = visitor.decide("hero")["decisions"][0]
    odd = a_shown(decided, "click", id="odd", subject="s")
    if where == "placement":
        odd["data"] = {**odd["data"], where: "BAD"}
    else:
        odd[where] = "BAD"
    batch = [a_shown(decided), odd, a_shown(decided, "click")]
    body = msgspec.json.encode(batch).replace(b"BAD", bad)
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = visitor.send("POST", "/_proffer/beacon", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 2
    assert [refused["index"] for refused in answer.json()["refused"]] == [1]
    assert len(received(w, decided["decision"])) == 2


def test_well_formed_pairs_and_backslashes_are_no_surrogates(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("hero")["decisions"][0]
    body = msgspec.json.encode([a_shown(decided, "click", id="BAD")])
    body = body.replace(b"BAD", rb"\ud83c\udf81 \\ud800 \\\u0041")
    headers = {"content-type": "application/json"}
    answer = visitor.send("POST", "/_proffer/beacon", content=body, headers=headers)
    assert answer.json()["accepted"] == 1, answer.text
    assert received(w, decided["decision"])[-1]["id"] == "\U0001f381 \\ud800 \\A"


@pytest.mark.parametrize("kind", ["decision", "order", "refund"])
def test_pages_tell_neither_decisions_nor_orders(w: World, kind: str) -> None:
    decided = w.visitor().decide("hero")["decisions"][0]
    answer = w.visitor().beacon(a_shown(decided, kind))
    assert answer.status_code == 400
    assert received(w, decided["decision"]) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""}, {"id": "\n"}, {"id": "x" * 300}, {"source": ""}, {"specversion": "2.0"},
        {"data": {}}, {"data": None}, {"id": 7},
        {"data": {"decision": "x", "placement": "hero", "time_s": 1}},
        {"data": {"decision": "0" * 32, "placement": "hero", "time_s": 1, "track": "?"}},
        {"padding": "x" * EVENT_LIMIT_BYTES},
    ],
)  # fmt: skip
def test_an_event_of_the_wrong_shape_is_refused(w: World, changes: dict[str, Any]) -> None:
    event = a_shown(
        {"decision": "0" * 32, "placement": "hero", "slot": 0, "track": "shown", "receipt": ""}
    )
    answer = w.visitor().beacon(event | changes)
    assert_problem(answer, 400, "no-event")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{}", 400), (b"[", 400), (b"\xff", 400), (b"[" * 4000, 400),
        (b"[" + b"1," * BATCH_LIMIT_EVENTS + b"1]", 413),
        (b'["' + b"x" * BATCH_LIMIT_BYTES + b'"]', 413),
    ],
)  # fmt: skip
def test_a_body_that_is_no_batch_is_refused(w: World, body: bytes, status: int) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = w.visitor().send("POST", "/_proffer/beacon", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_empty_batch_is_nothing_and_fine(w: World) -> None:
    nothing = {"accepted": 0, "duplicates": 0, "quarantined": 0, "refused": []}
    assert w.visitor().beacon().json() == nothing


def test_another_sites_form_cannot_send_beacons(w: World) -> None:
    headers = {"content-type": "text/plain"}
    assert (
        w.visitor().send("POST", "/_proffer/beacon", content=b"[]", headers=headers).status_code
        == 415
    )


# --- the state ------------------------------------------------------------------


def test_an_exposure_counts_under_the_caps_of_its_offer(w: World) -> None:
    visitor = w.visitor()
    offers = [see(visitor, "side")["offer"] for _ in range(3)]
    assert offers == ["ten"] * 3
    (cap,) = state_of(visitor).caps
    assert cap.count == 3
    after = visitor.decide("side")["decisions"][0]
    assert (after["offer"], after["reason"]) == ("", "NO_CANDIDATE")


def test_a_cap_is_over_when_its_window_is(tmp_path: Path) -> None:
    now_s = int(time.time())
    with world(tmp_path, published=False) as w:
        # Signed just now, so that it still lives at the next midnight.
        w.control.publish(1, issued_s=now_s + 30, expires_s=now_s + 30 + DAY_S)
        until(lambda: w.health()["status"] == "ok")
        visitor = w.visitor()
        for _ in range(3):
            see(visitor, "side")
        assert visitor.decide("side")["decisions"][0]["offer"] == ""
        w.home.ahead_s = DAY_S - now_s % DAY_S
        assert visitor.decide("side")["decisions"][0]["offer"] == "ten"


def test_what_was_seen_is_kept_and_what_was_not_is_not(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("drawn")["decisions"][0]
    assert state_of(visitor).kept == ()
    visitor.beacon(a_shown(decided))
    (kept,) = state_of(visitor).kept
    arm = f"arm/{decided['offer']}/{decided['rung']}"
    assert kept.arm_key == (key_of(arm) if decided["offer"] else 0)
    assert kept.drawn_by.hex() == decided["decision"]
    again = visitor.decide("drawn")["decisions"][0]
    assert (again["reason"], again["offer"]) == ("KEPT", decided["offer"])


def test_a_kept_offers_token_is_the_one_of_its_draw(w: World) -> None:
    visitor = w.visitor()
    first = see(visitor, "hero")
    again = visitor.decide("hero")["decisions"][0]
    assert again["reason"] == "KEPT" and again["decision"] != first["decision"]
    payload = msgspec.json.decode(_payload(again["token"]))
    assert payload["id"] == first["decision"]


def _payload(token: str) -> bytes:
    return from_base64url(token.partition(".")[0].encode())


def test_held_out_visitors_keep_and_count_what_they_would_have_seen(w: World) -> None:
    visitor = w.visitor()
    decided = see(visitor, "held")
    assert (decided["offer"], decided["reason"], decided["track"]) == ("", "HOLDOUT", "ghost")
    state = state_of(visitor)
    assert [kept.arm_key for kept in state.kept] == [key_of("arm/ten/p10")]
    assert [cap.count for cap in state.caps] == [1]
    (event,) = received(w, decided["decision"])
    assert event["data"]["track"] == "ghost"


def test_an_exposure_told_twice_counts_once(w: World) -> None:
    visitor = w.visitor()
    decided = see(visitor, "side")
    visitor.beacon(a_shown(decided))
    visitor.beacon(a_shown(decided), a_shown(decided))
    assert [cap.count for cap in state_of(visitor).caps] == [1]


def test_several_exposures_of_one_batch_all_count(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("pair")["decisions"] + visitor.decide("drawn")["decisions"]
    visitor.beacon(*(a_shown(slot) for slot in decided))
    assert len(state_of(visitor).kept) == 3


def test_a_click_moves_nothing(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("side")["decisions"][0]
    visitor.beacon(a_shown(decided, "click"))
    assert state_of(visitor) == State()


def test_another_visitors_receipt_moves_nothing(w: World) -> None:
    ann, bob = w.visitor(), w.visitor()
    decided = ann.decide("side")["decisions"][0]
    bob.decide("side")
    answer = bob.beacon(a_shown(decided))
    assert answer.status_code == 200  # what was seen is reported all the same
    assert state_of(bob) == State()
    assert len(received(w, decided["decision"])) == 1


def test_a_changed_receipt_moves_nothing(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("side")["decisions"][0]
    receipt = decided["receipt"]
    for changed in ("", "x", receipt[:-1], receipt[1:], receipt.replace(".", ""), receipt + "A"):
        visitor.beacon(a_shown(decided | {"receipt": changed}))
    assert state_of(visitor) == State()


def test_a_receipt_lives_for_a_day(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        visitor = w.visitor()
        decided = visitor.decide("side")["decisions"][0]
        w.home.ahead_s = DAY_S + 1
        visitor.beacon(a_shown(decided))
        assert state_of(visitor) == State()


def test_who_lost_the_state_gets_one_that_knows_of_the_loss(w: World) -> None:
    visitor = w.visitor()
    visitor.decide("side")
    del visitor.cookies["__Host-ps"]
    see(visitor, "side")
    assert state_of(visitor).overflow


def test_whoever_has_no_cookie_gets_none_from_a_beacon(w: World) -> None:
    decided = w.visitor().decide("side")["decisions"][0]
    stranger = w.visitor()
    assert stranger.beacon(a_shown(decided)).status_code == 200
    assert stranger.cookies == {}


def test_without_consent_nothing_is_remembered(w: World) -> None:
    visitor = w.visitor()
    decided = visitor.decide("side")["decisions"][0]
    visitor.cookies["proffer_consent"] = "none"
    visitor.beacon(a_shown(decided))
    assert state_of(visitor) == State()
