"""Numbers for Prometheus: read by its own parser, and not by everybody."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.metering import SILENT
from edge.settings import Secrets, read_secrets
from tests.support.edges import World, assert_problem, keys, until, world

SLOT = '<proffer-slot placement="{}">own</proffer-slot>'


def numbers(answer: httpx.Response) -> dict[str, float]:
    """By name and labels, these in alphabetical order: `proffer_decisions_total{yes BEST}`."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    return {f"{s.name}{{{' '.join(s.labels.values())}}}": s.value for s in samples}


def read(w: World, **headers: str) -> dict[str, float]:
    return numbers(w.visitor().get("/_proffer/metrics", **headers))


def test_what_was_answered_and_decided_is_counted(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.shop.put("/", SLOT.format("hero") + SLOT.format("held"))
        w.shop.put("/plain", "<p>text</p>", content_type="text/html; charset=utf-16")
        visitor = w.visitor()
        visitor.get("/")
        visitor.get("/plain")
        visitor.get("/nowhere")
        visitor.decide("nowhere")
        visitor.post_decide(placements=7)
        visitor.send("POST", "/ofrep/v1/evaluate/flags/hero", json={})
        until(lambda: w.app.outbox.tally.sent == 3)
        told = read(w)
    expected = {
        "proffer_requests_total{origin 200}": 2,
        "proffer_requests_total{origin 404}": 1,
        "proffer_requests_total{decide 200}": 1,
        "proffer_requests_total{decide 400}": 1,
        "proffer_requests_total{ofrep 200}": 1,
        "proffer_request_seconds_count{origin}": 3,
        "proffer_decisions_total{yes BEST}": 2,
        "proffer_decisions_total{no HOLDOUT}": 1,
        "proffer_decisions_total{no UNKNOWN_PLACEMENT}": 1,
        "proffer_pages_total{filled}": 1,
        "proffer_pages_total{untouched}": 1,
        "proffer_policy_ok{}": 1,
        "proffer_policy_sequence{}": 1,
        "proffer_policy_swaps_total{}": 1,
        "proffer_records_sent_total{}": 3,
        "proffer_records_lost_total{full}": 0,
        "proffer_requests_open{}": 1,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert told["process_resident_memory_bytes{}"] > 0


def test_no_address_makes_a_label_of_its_own(w: World) -> None:
    for path in ("/_proffer/x", "/_proffer/y", "/_proffer/problems/z"):
        w.visitor().get(path)
    names = [name for name in read(w) if "requests_total" in name]
    assert "proffer_requests_total{unknown 404}" in names
    assert not any("x" in name.partition("{")[2] for name in names)


def test_without_a_policy_the_numbers_say_so(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        told = read(w)
    assert told["proffer_policy_ok{}"] == 0 and "proffer_policy_sequence{}" not in told


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_who_comes_through_a_proxy_may_not_read_them(w: World, header: str) -> None:
    answer = w.visitor().get("/_proffer/metrics", **{header: "10.0.0.1"})
    assert_problem(answer, 403, "metrics")


def test_with_a_token_they_are_for_whoever_brings_it(tmp_path: Path) -> None:
    secrets = Secrets(
        edge_secret=keys().edge_secret,
        cookie_secret=keys().cookie_secret,
        shop_key=keys().shop_key,
        metrics_token="scrape",
    )
    with world(tmp_path, secrets=secrets) as w:
        assert read(w, authorization="Bearer scrape", **{"x-forwarded-for": "10.0.0.1"})
        for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic scrape"}):
            answer = w.visitor().get("/_proffer/metrics", **wrong)
            assert_problem(answer, 403, "metrics")


def test_a_home_that_keeps_no_numbers_has_none(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(w.app, "_meter", SILENT)
    assert_problem(w.visitor().get("/_proffer/metrics"), 404, "not-found")


def test_the_token_is_among_the_secrets(tmp_path: Path) -> None:
    said = {"edge_secret": b"x" * 32, "cookie_secret": b"y" * 32, "shop_key": "k"}
    assert read_secrets(msgspec.json.encode(said)).metrics_token == ""
    assert read_secrets(msgspec.json.encode(said | {"metrics_token": "t"})).metrics_token == "t"
