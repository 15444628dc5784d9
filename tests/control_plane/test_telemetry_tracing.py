"""Traces, received by a real collector over HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from control_plane.settings import Settings
from control_plane.telemetry.spans import traced
from tests.control_plane.collector import Collector, Got
from tests.control_plane.conftest import running

pytestmark = pytest.mark.anyio

CANARY = "canary-4711"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector().listening() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


def named(spans: list[Got], name: str) -> Got:
    found = [span for span in spans if span.name == name]
    assert found, [span.name for span in spans]
    return found[0]


async def test_a_request_and_its_jobs_are_spans_below_the_callers(
    settings: Settings, collector: Collector
) -> None:
    async with running(settings) as plane:
        answer = await plane.client.post(
            f"/v1/beacons?who={CANARY}",
            content=f'[{{"type": "{CANARY}"}}]'.encode(),
            headers={
                "Content-Type": "application/cloudevents-batch+json",
                "traceparent": f"00-{TRACE}-{CALLER}-01",
                "Cookie": f"visitor={CANARY}",
                "User-Agent": CANARY,
            },
        )
        assert answer.status_code in (200, 202, 400)
        await plane.client.post(
            "/v1/beacons",
            content=f'[{{"type": "{CANARY}"}}]'.encode(),
            headers={
                "Content-Type": "application/cloudevents-batch+json",
                "traceparent": f"00-{TRACE}-{CALLER}-01",
            },
        )
    request = [span for span in collector.spans if span.parent == CALLER][-1]
    assert (request.name, request.trace) == ("POST /v1/beacons", TRACE)
    assert request.service == "proffer-control-plane"
    assert request.says["http.route"] == "/v1/beacons"
    assert request.says["http.response.status_code"] == 202
    job = named(collector.spans, "storage Collector._store_all")
    assert (job.parent, job.trace) == (request.id, TRACE)
    assert CANARY.encode() not in collector.raw


async def test_an_address_that_does_not_exist_is_not_told(
    settings: Settings, collector: Collector
) -> None:
    async with running(settings) as plane:
        await plane.client.get(f"/v1/{CANARY}")
    span = named(collector.spans, "GET other")
    assert span.says["http.response.status_code"] == 404
    assert CANARY.encode() not in collector.raw


async def test_a_collector_that_is_gone_stops_nothing(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    async with running(settings) as plane:
        assert (await plane.client.get("/v1/audit")).status_code == 200
    assert time.monotonic() - began < 20
    assert collector.spans == []


async def test_nothing_is_traced_where_no_endpoint_is_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)

    def job() -> None: ...

    async with running(settings) as plane:
        assert (await plane.client.get("/v1/audit")).status_code == 200
        assert traced(job) is job


async def test_without_the_extra_a_start_that_wants_traces_says_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from control_plane.telemetry.tracing import tracing
with tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}):
    pass
"""
    command = [sys.executable, "-c", program]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "pip install 'proffer[otel]'" in ended.stderr
