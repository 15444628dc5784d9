"""Numbers of a running control plane, in Prometheus' text format: `GET /metrics`.

What is counted here is of this process: ask each.  What is read from the database (signings,
rows of the audit log, manifests) is the same in all.  Labels are of closed lists only:
operations, statuses, channels, reasons, backgrounds; nobody who calls can make them grow,
and nothing of a visitor, a user or a shop's customer is in them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.audit.reading import newest_number
from control_plane.key_watch import WATCH, gauges
from control_plane.services import Services
from control_plane.storage.tables import signings
from control_plane.storage.writer import WAITING_LIMIT, StorageUnavailable
from control_plane.telemetry.log_metrics import log_metrics
from control_plane.telemetry.pulse import Pulse

disable_created_metrics()  # series that only say since when
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What one application counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "proffer_requests",
            "Requests by operation and status.",
            ["operation", "status"],
            registry=self._registry,
        )
        self._spent = Histogram(
            "proffer_request_seconds",
            "From a request's head to the end of its answer.",
            ["operation"],
            registry=self._registry,
            buckets=BUCKETS_S,
        )
        self._series: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.pulses: list[Pulse] = []

    def answered(self, operation: str, status: int, spent_s: float) -> None:
        """The series are looked up once: their labels are of closed lists."""
        series = self._series.get((operation, status))
        if series is None:
            counter = self._requests.labels(operation, str(status))
            series = (counter, self._spent.labels(operation))
            self._series[operation, status] = series
        series[0].inc()
        series[1].observe(spent_s)

    def begin(self, name: str) -> Pulse:
        """A background starts."""
        self.pulses.append(Pulse(name))
        return self.pulses[-1]

    def watch(self, services: Services) -> None:
        """Read these too, each time somebody asks."""
        self._registry.register(_ServicesCollector(services, self.pulses))

    def text(self) -> bytes:
        """Blocks: it asks the database."""
        return generate_latest(self._registry)


class _ServicesCollector(Collector):
    """What the services know, as numbers."""

    def __init__(self, services: Services, pulses: list[Pulse]) -> None:
        self._services = services
        self._pulses = pulses

    def describe(self) -> list[Metric]:
        return []  # else it would be asked before everything is there

    def collect(self) -> Iterator[Metric]:
        yield self._events()
        yield _gauge("writes_waiting", "Jobs that wait to be written.", self._waiting())
        yield _gauge("writes_waiting_limit", "More are turned away.", WAITING_LIMIT)
        yield from self._backgrounds()
        yield from self._keys()
        yield from log_metrics(self._services)
        stored, is_up = [], 1
        try:
            stored = list(self._stored())
        except StorageUnavailable:
            is_up = 0
        yield _gauge("database_up", "Whether the database answered just now.", is_up)
        yield from stored

    def _waiting(self) -> int:
        return self._services.writer.waiting

    def _events(self) -> Metric:
        received = self._services.collector.received
        events = CounterMetricFamily(
            "proffer_events", "Events that beacons brought.", labels=["outcome"]
        )
        for outcome in ("accepted", "duplicates", "quarantined"):
            events.add_metric([outcome], getattr(received, outcome))
        return events

    def _backgrounds(self) -> Iterator[Metric]:
        last = GaugeMetricFamily(
            "proffer_background_success_seconds",
            "When it last did its work well, Unix; 0: not yet.",
            labels=["background"],
        )
        failed = GaugeMetricFamily(
            "proffer_background_failed", "1 once it broke down.", labels=["background"]
        )
        for pulse in self._pulses:
            last.add_metric([pulse.name], pulse.last_s)
            failed.add_metric([pulse.name], int(pulse.failed))
        yield last
        yield failed

    def _keys(self) -> Iterator[Metric]:
        """Expiry of root and manifests, and warnings about keys."""
        families: dict[str, GaugeMetricFamily] = {}
        for name, labels, value in gauges(WATCH.status, int(time.time())):
            if name not in families:
                families[name] = GaugeMetricFamily(name, KEY_TEXTS[name], labels=list(labels))
            families[name].add_metric(list(labels.values()), value)
        yield from families.values()

    # --- in the database ----------------------------------------------------

    def _stored(self) -> Iterator[Metric]:
        services = self._services
        tenant = services.settings.tenant
        signed = CounterMetricFamily(
            "proffer_signings", "Manifests ever signed.", labels=["channel", "reason"]
        )
        of = signings.c
        query = select(of.channel, of.reason, func.count()).where(of.tenant == tenant)
        with services.database.reading() as connection:
            for channel, reason, count in connection.execute(query.group_by(of.channel, of.reason)):
                signed.add_metric([channel, reason], count)
            rows = newest_number(connection, tenant)
        yield signed
        yield _gauge("audit_rows", "Rows of the audit log.", rows)
        yield from self._manifests()

    def _manifests(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "proffer_manifest_age_seconds", "Since it was signed.", labels=["channel"]
        )
        sequence = GaugeMetricFamily(
            "proffer_manifest_sequence", "Sequence of the newest.", labels=["channel"]
        )
        for name, publisher in self._services.channels.items():
            live = publisher.live()
            if live is not None:
                age.add_metric([name], time.time() - live.issued_s)
                sequence.add_metric([name], live.sequence)
        yield age
        yield sequence


KEY_TEXTS: Mapping[str, str] = {
    "proffer_root_expires_seconds": "Until the root expires.",
    "proffer_root_version": "Version of the newest root.",
    "proffer_manifest_expires_seconds": "Until the channel's manifest expires.",
    "proffer_key_warning": "1 while there is this warning about keys.",
}


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"proffer_{name}", what, value)


# --- the API ------------------------------------------------------------------


async def get_metrics(call: Call) -> Answer:
    metrics: Metrics = call.request.app.state.metrics
    return Answer(await asyncio.to_thread(metrics.text))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/metrics",
        name="get_metrics",
        summary="Numbers of this process, for Prometheus.",
        tag="telemetry",
        permission="read",
        handler=get_metrics,
        answers={200: str},
        answer_media=CONTENT_TYPE_PLAIN_0_0_4,
    ),
)
