"""An arm that a page decided: the edge confirms what it could have drawn itself, and no other."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edge.decision.beacon import KEPT, unpack_verdict
from edge.decision.decide import decide
from edge.decision.reasons import Reason
from edge.decision.token import Token, read_token
from tests.support.edges import DAY_S, TENANT, Visitor, World, a_shown, assert_problem, keys, until
from tests.support.sessions import only

THEIRS = "0123456789abcdef" * 2
"""A decision that a page took."""


def claim(**changes: Any) -> dict[str, Any]:
    return {"placement": "hero", "slot": 0, "arm": "ten/p10", "decision": THEIRS} | changes


def confirm(visitor: Visitor, **changes: Any) -> Any:
    answer = visitor.send("POST", "/_proffer/confirm", json=claim(**changes))
    assert answer.status_code == 200, answer.text
    return only(answer.json())


def token_of(decided: Any) -> Token:
    return read_token(keys().edge_secret, decided["token"], TENANT, int(time.time()))


def test_the_arm_comes_back_with_a_token_of_the_pages_own_decision(w: World) -> None:
    visitor = w.visitor()
    confirmed = confirm(visitor)
    assert (confirmed["offer"], confirmed["rung"], confirmed["reason"]) == ("ten", "p10", "KEPT")
    token = token_of(confirmed)
    assert token.id == THEIRS
    assert (token.offer, token.rung, token.placement) == ("ten", "p10", "hero")
    assert (token.subject_kind, token.subject) == ("visitor", visitor.id)


def test_asking_twice_gives_no_second_token(w: World) -> None:
    visitor = w.visitor()
    first, second = confirm(visitor), confirm(visitor)
    ids = {token_of(one).id for one in (first, second)}
    assert ids == {THEIRS}


def test_every_arm_that_could_have_been_drawn_is_confirmed(w: World) -> None:
    visitor = w.visitor()
    for arm in ("left/one", "right/one"):
        confirmed = confirm(visitor, placement="drawn", arm=arm)
        assert f"{confirmed['offer']}/{confirmed['rung']}" == arm


def test_what_was_confirmed_is_logged_as_kept_and_replays(w: World) -> None:
    confirmed = confirm(w.visitor(), placement="drawn", arm="right/one")
    until(lambda: confirmed["decision"] in w.control.records())
    record = w.control.records()[confirmed["decision"]]
    assert decide(w.bundle, record.manifest_block, record.request) == record.verdict
    (row,) = unpack_verdict(record.verdict)
    assert (row.shown.draw, row.shown.listed, row.drawn_by.hex()) == (KEPT, (), THEIRS)


@pytest.mark.parametrize(
    "changes",
    [
        {"arm": "golden/a5"},  # not eligible here
        {"arm": "sailing/free"},  # not offered in this placement
        {"arm": "ten/p90"},
        {"arm": "none"},
        {"arm": ""},
        {"slot": 1},
        {"placement": "nowhere"},
        {"placement": "held"},
        {"placement": "known"},  # for customers only
        {"consent": "none"},
        {"taken": [{"placement": "side", "slot": 0, "arm": "ten/p10"}]},  # one of a kind
    ],
    ids=str,
)
def test_what_the_edge_would_never_draw_is_refused_and_not_logged(
    w: World, changes: dict[str, Any]
) -> None:
    logged, visitor = w.logged, w.visitor()
    refused = confirm(visitor, **changes)
    assert (refused["reason"], refused["token"], refused["offer"]) == ("NOT_CONFIRMED", None, "")
    assert refused["placement"] == changes.get("placement", "hero")
    assert refused["decision"] == "" and refused["reason"] in Reason.__members__
    assert w.logged == logged


def test_an_expired_policy_confirms_nothing(w: World) -> None:
    w.home.ahead_s = 2 * DAY_S
    assert confirm(w.visitor())["reason"] == "NOT_CONFIRMED"


def test_a_choice_that_the_edge_keeps_is_the_only_one_it_confirms(w: World) -> None:
    visitor = w.visitor()
    (shown,) = visitor.decide("drawn")["decisions"]
    visitor.beacon(a_shown(shown))
    kept = f"{shown['offer']}/{shown['rung']}" if shown["offer"] else "none"
    for arm in ("left/one", "right/one"):
        confirmed = confirm(visitor, placement="drawn", arm=arm)
        assert (confirmed["reason"] == "KEPT") == (arm == kept)


def test_a_cap_that_is_reached_is_not_confirmed(w: World) -> None:
    visitor = w.visitor()
    for _ in range(3):
        assert visitor.beacon(a_shown(only(visitor.decide("hero")))).status_code == 200
    assert confirm(visitor)["reason"] == "NOT_CONFIRMED"


def test_without_identity_the_token_is_the_page_sessions(w: World) -> None:
    confirmed = confirm(w.visitor(), consent="contextual")
    assert (confirmed["offer"], confirmed["subject_kind"]) == ("ten", "page")


@pytest.mark.parametrize(
    "changes",
    [
        {"placement": None}, {"placement": ""}, {"placement": "a\n"}, {"slot": -1},
        {"slot": "0"}, {"slot": True}, {"slot": 70_000}, {"slot": None}, {"arm": None}, {"arm": 7},
        {"decision": None}, {"decision": "0" * 31}, {"decision": "0" * 32 + "\n"},
        {"decision": "G" * 32}, {"decision": "0" * 32}, {"placements": ["hero"]},
        {"attributes": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_claim_that_is_none_is_a_400(w: World, changes: dict[str, Any]) -> None:
    answer = w.visitor().send("POST", "/_proffer/confirm", json=claim(**changes))
    assert_problem(answer, 400, "request-field")
