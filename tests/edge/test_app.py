"""The edge's own addresses when things are not as they should be, over HTTP."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import msgspec
import pytest

from edge.decision.claims import Paused
from tests.support.edges import DAY_S, World, assert_problem, until, world
from tests.support.sessions import only

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


def test_a_fault_of_ours_is_a_default_and_no_error(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("edge.deciding.decide", fail)
    assert only(w.visitor().decide("hero"))["reason"] == "FAILED"


# --- bad input ----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'{"placements":}', b"[" * 5000, b"NaN",
        b'{"placements": []}', b'{"placements": "hero"}', b'{"placements": [1]}', b"{}",
        b'{"placements": ["hero", "hero"]}', b'{"placements": ["hero"], "visitor": "x"}',
        b'{"placements": ["hero"], "attributes": []}', b'{"placements": ["hero"], "consent": 1}',
        b'{"placements": ["hero"], "consent": "none", "locale": 1}', b'{"placements": ["\\ud800"]}',
        b'{"placements": ["hero"], "taken": {}}', b'{"placements": ["hero"], "taken": [{}]}',
        b'{"placements": ["hero"], "locale": "\\u0001"}', b'{"placements": ["hero\\n"]}',
        b'{"placements": ["hero"], "customer": "\\ud800"}',
        b'{"placements": ["hero"], "customer": ["c"]}',
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
    assert len(gzip.compress(script.content, 9)) < 7 * 1024
    assert not re.search(r"\b(import|eval|Function)\b", script.text)
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
