"""`GET /metrics`: what a control plane tells Prometheus, and what it never does."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.accounts.actor import PERMISSIONS
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.metrics import KEY_TEXTS
from control_plane.telemetry.pulse import Pulse, beat, beating
from tests.control_plane.conftest import Running

pytestmark = pytest.mark.anyio

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
LABELS = {
    "operation", "status", "le", "channel", "reason", "outcome", "background", "code", "level"
}  # fmt: skip


def read(answer: httpx.Response) -> Samples:
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def scrape(plane: Running) -> Samples:
    return read(await plane.client.get("/metrics"))


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


async def test_requests_are_counted_by_operation_and_status_and_timed(plane: Running) -> None:
    await plane.client.get("/v1/audit")
    await plane.client.get("/v1/audit", params={"limit": 0})
    await plane.client.get("/v1/audit/someone@example.org")
    await plane.client.get("/console?done=someone")
    found = await scrape(plane)
    requests = "proffer_requests_total"
    assert value(found, requests, operation="list_audit", status="200") == 1
    assert value(found, requests, operation="list_audit", status="400") == 1
    assert value(found, requests, operation="other", status="404") == 1
    assert value(found, requests, operation="console", status="200") == 1
    assert value(found, "proffer_request_seconds_count", operation="list_audit") == 2
    assert value(found, "proffer_request_seconds_bucket", operation="list_audit", le="10.0") == 2


async def test_what_the_shop_does_is_told_as_numbers(plane: Running) -> None:
    services = plane.services
    await plane.client.post(
        "/v1/beacons",
        content=b'[{"type": "nonsense"}]',
        headers={"Content-Type": "application/cloudevents-batch+json"},
    )
    await asyncio.to_thread(services.publisher.pause, "a-mug", actor="user:1")
    found = await scrape(plane)
    live = services.publisher.live()
    assert live is not None
    assert value(found, "proffer_events_total", outcome="quarantined") == 1
    assert value(found, "proffer_events_total", outcome="accepted") == 0
    signed = {"channel": "production"}
    assert value(found, "proffer_signings_total", **signed, reason="publish") == 1
    assert value(found, "proffer_manifest_sequence", **signed) == live.sequence == 2
    assert 0 <= value(found, "proffer_manifest_age_seconds", **signed) < 60
    assert value(found, "proffer_writes_waiting") < value(found, "proffer_writes_waiting_limit")
    assert value(found, "proffer_audit_rows") >= 2
    assert value(found, "proffer_database_up") == 1
    assert value(found, "process_open_fds") > 0


async def test_backgrounds_tell_when_they_last_did_well(plane: Running) -> None:
    name, found = "proffer_background_success_seconds", await scrape(plane)
    for _ in range(200):
        if value(found, name, background="keep_checkpointed"):
            break
        await asyncio.sleep(0.02)
        found = await scrape(plane)
    for background in ("keep_signed", "keep_checkpointed"):
        assert time.time() - value(found, name, background=background) < 60
        assert value(found, "proffer_background_failed", background=background) == 0
    assert value(found, name, background="keep_swept") == 0  # it waits first
    assert value(found, "proffer_manifest_expires_seconds", channel="production") > 80_000
    names = {name for name, _ in found}
    assert names.issuperset(set(KEY_TEXTS) - {"proffer_key_warning"})


async def test_a_background_that_breaks_down_is_told() -> None:
    pulse = Pulse("sweeping")

    async def sweeping() -> None:
        with beating(pulse):
            await asyncio.to_thread(beat)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await sweeping()
    assert (pulse.last_s > 0, pulse.failed) == (True, True)
    beat()  # nobody's


async def test_without_the_database_the_rest_is_told(
    plane: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise StorageUnavailable("the database cannot be reached")

    monkeypatch.setattr(plane.services.database, "reading", gone)
    found = await scrape(plane)
    assert value(found, "proffer_database_up") == 0
    assert value(found, "proffer_writes_waiting_limit") > 0
    assert ("proffer_audit_rows", ()) not in found


async def test_labels_are_of_closed_lists(plane: Running) -> None:
    """Whatever is asked for: the series are as many as before."""
    await scrape(plane)
    before = await scrape(plane)
    for number in range(30):
        await plane.client.get(f"/v1/nothing/{number}")
        await plane.client.request(f"M{number}", f"/v1/audit?actor=user:{number}")
        await plane.client.get(f"/console/static/{number}.js")
    after = await scrape(plane)
    assert {label for _, labels in after for label, _ in labels} <= LABELS
    grown = {key for key in after.keys() - before.keys() if not key[0].startswith("process")}
    assert {dict(labels)["operation"] for _, labels in grown} <= {"other", "console", "list_audit"}
    again = await scrape(plane)
    assert len(again) == len(after)


async def test_reading_numbers_takes_the_permission_to_read(plane: Running) -> None:
    document = (await plane.client.get("/v1/openapi.json")).json()
    assert document["paths"]["/metrics"]["get"]["x-permission"] == "read"
    assert "read" in PERMISSIONS
