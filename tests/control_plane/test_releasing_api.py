"""Channels, ramps and schedules over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import CATALOG, write_catalog

pytestmark = pytest.mark.anyio
DEARER = CATALOG.replace("unit_cost: 4.00", "unit_cost: 5.00")
HERE = "/v1/channels/production"


@pytest.fixture
async def plane(settings: Settings) -> AsyncIterator[Running]:
    async with running(replace(settings, channels=("staging",))) as plane:
        yield plane


async def ask(plane: Running, method: str, path: str, body: Any = None) -> httpx.Response:
    return await plane.client.request(method, path, json=body)


async def good(plane: Running, method: str, path: str, body: Any = None) -> Any:
    answer = await ask(plane, method, path, body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def refused(plane: Running, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = await ask(plane, method, path, body)
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "help"}, problem
    return answer.status_code, problem["type"].removeprefix("/problems/")


def change(settings: Settings) -> None:
    assert settings.catalog is not None
    write_catalog(settings.catalog, DEARER)


async def test_what_is_live_is_told_with_shares_pauses_and_the_shops_zone(plane: Running):
    (production, staging) = await good(plane, "GET", "/v1/channels")
    assert (production["name"], production["is_default"], production["zone"]) == (
        "production",
        True,
        "Europe/Berlin",
    )
    assert [release["share"] for release in production["live"]["releases"]] == [1.0]
    assert len(production["content_hashes"]) == 1
    assert (staging["name"], staging["live"], staging["ramp"]) == ("staging", None, None)


async def test_a_policy_goes_by_staging_to_production(plane: Running, settings: Settings):
    change(settings)
    checked = await good(plane, "POST", "/v1/channels/staging/check", {})
    assert checked["findings"] == [] and checked["content_hash"]
    tried = await good(plane, "POST", "/v1/channels/staging/publish", {"note": "first"})
    assert tried["releases"][0]["bundle"] == checked["bundle"]
    body = {"source": "staging", "bundle": checked["bundle"]}
    live = await good(plane, "POST", f"{HERE}/promote", body)
    assert (live["reason"], live["actor"]) == ("promote", "local")
    signings = await good(plane, "GET", f"{HERE}/signings?limit=1")
    assert signings["items"][0]["sequence"] == live["sequence"] and signings["next"]
    older = await good(plane, "GET", f"{HERE}/signings?after={signings['next']}")
    assert [item["reason"] for item in older["items"]] == ["publish"] and older["next"] is None
    first = older["items"][0]["releases"][0]["bundle"]
    back = await good(plane, "POST", f"{HERE}/roll-back", {"bundle": first})
    assert (back["reason"], back["releases"][0]["bundle"]) == ("roll-back", first)


async def test_switches_over_http(plane: Running):
    off = await good(plane, "POST", f"{HERE}/pause", {"rungs": ["ten-off/p20"], "all": True})
    assert off["paused"] == {
        "all": True, "offers": [], "rungs": ["ten-off/p20"], "placements": [],
    }  # fmt: skip
    on = await good(plane, "POST", f"{HERE}/resume", {"all": True})
    assert on["paused"]["all"] is False and on["paused"]["rungs"] == ["ten-off/p20"]
    for body in ({}, {"offers": ["nine-off"]}):
        assert await refused(plane, "POST", f"{HERE}/pause", body) == (422, "policy-refused")
    assert (await refused(plane, "POST", f"{HERE}/pause", {"offers": ["a\n"]}))[0] == 400


async def test_a_ramp_over_http(plane: Running, settings: Settings):
    change(settings)
    body = {"steps": [{"share": 0.25, "hold_s": 60}], "guard": {"profit": 0.5}, "note": "mugs"}
    started = await good(plane, "POST", f"{HERE}/ramps", body)
    ramp = started["ramp"]["id"]
    channel = await good(plane, "GET", HERE)
    assert channel["ramp"] == ramp
    assert [release["share"] for release in channel["live"]["releases"]] == [0.25, 0.75]
    assert await refused(plane, "POST", f"{HERE}/publish", {}) == (409, "ramp-open")
    assert (await good(plane, "POST", f"{HERE}/ramps/{ramp}/pause"))["due_s"] is None
    assert (await good(plane, "POST", f"{HERE}/ramps/{ramp}/resume"))["due_s"] is not None
    seen = await good(plane, "GET", f"{HERE}/ramps/{ramp}")
    assert {metric["state"] for metric in seen["metrics"]} == {"too-early"}
    assert seen["metrics"][0]["tolerated"] == 0.5
    done = await good(plane, "POST", f"{HERE}/ramps/{ramp}/finish")
    assert done["ramp"]["state"] == "finished"
    listed = await good(plane, "GET", f"{HERE}/ramps")
    assert [item["id"] for item in listed["items"]] == [ramp]
    assert await refused(plane, "POST", f"{HERE}/ramps/{ramp}/abort") == (422, "policy-refused")


async def test_schedules_and_the_calendar_over_http(plane: Running):
    action = {"do": "pause", "what": {"offers": ["ten-off"]}}
    body = {"action": action, "local": "2030-10-27T02:30", "grace_s": 60}
    assert await refused(plane, "POST", f"{HERE}/schedules", body) == (422, "policy-refused")
    made = await good(plane, "POST", f"{HERE}/schedules", body | {"occurrence": "second"})
    assert (made["zone"], made["state"], made["at_s"]) == ("Europe/Berlin", "waiting", 1919295000)
    assert made["action"] == {
        "do": "pause",
        "what": {"all": False, "offers": ["ten-off"], "rungs": [], "placements": []},
    }
    query = f"from_s={made['at_s'] - 5}&until_s={made['at_s'] + 5}&zone=America/New_York"
    found = await good(plane, "GET", f"{HERE}/calendar?{query}")
    assert [(e["kind"], e["local"]) for e in found["events"]] == [
        ("schedule", "2030-10-26T21:30:00-04:00")
    ]
    gone = await good(plane, "DELETE", f"{HERE}/schedules/{made['id']}")
    assert gone["state"] == "cancelled"
    listed = await good(plane, "GET", f"{HERE}/schedules")
    assert [item["state"] for item in listed["items"]] == ["cancelled"]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/v1/channels/attic", None, (404, "unknown-channel")),
        ("GET", "/v1/channels/attic/latency", None, (404, "unknown-channel")),
        ("POST", "/v1/channels/attic/publish", {}, (404, "unknown-channel")),
        ("GET", f"{HERE}/ramps/{'0' * 16}", None, (404, "unknown-ramp")),
        ("POST", f"{HERE}/ramps/{'0' * 16}/abort", None, (404, "unknown-ramp")),
        ("GET", f"{HERE}/schedules/{'0' * 16}", None, (404, "unknown-schedule")),
        ("DELETE", f"{HERE}/schedules/{'0' * 16}", None, (404, "unknown-schedule")),
        ("POST", f"{HERE}/publish", {"revision": "0" * 64}, (404, "unknown-revision")),
        ("POST", f"{HERE}/publish", {"bundle": "0" * 64}, (422, "policy-refused")),
        ("POST", f"{HERE}/roll-back", {"bundle": "0" * 64}, (422, "policy-refused")),
        ("POST", f"{HERE}/promote", {"source": "attic", "bundle": "0" * 64},
         (404, "unknown-channel")),
        ("POST", f"{HERE}/ramps", {"steps": [{"share": 1.0, "hold_s": 60}]},
         (400, "malformed-request")),
        ("POST", f"{HERE}/ramps", {"steps": []}, (400, "malformed-request")),
        ("GET", f"{HERE}/calendar?zone=Mars/Olympus", None, (422, "policy-refused")),
    ],
)  # fmt: skip
async def test_what_is_not_there_or_cannot_be_is_refused_by_name(
    plane: Running, method: str, path: str, body: Any, expected: tuple[int, str]
):
    assert await refused(plane, method, path, body) == expected


async def test_publishing_with_one_idempotency_key_publishes_once(plane: Running, tmp_path: Path):
    headers = {"Idempotency-Key": "friday"}
    answers = [
        await plane.client.post(f"{HERE}/publish", json={}, headers=headers) for _ in range(3)
    ]
    assert len({answer.json()["sequence"] for answer in answers}) == 1
