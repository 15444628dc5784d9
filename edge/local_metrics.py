"""Numbers about a running edge, in Prometheus' text format.

`prometheus_client` keeps and writes them: small, pure Python, kept by Prometheus itself.
They are of one process; ask each.  Labels are of closed lists only (routes, statuses,
reasons), so that no visitor can make them grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.app import Health

disable_created_metrics()  # series that only say since when
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class PrometheusMeter:
    """A `Meter`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = self._counter("requests", "Requests by route and status.", "route status")
        self._decisions = self._counter("decisions", "Slots decided.", "reason offer")
        self._pages = self._counter("pages", "HTML of the origin.", "content")
        self._spent = Histogram(
            "proffer_request_seconds",
            "From the request's head to the end of its answer.",
            ["route"],
            registry=self._registry,
            buckets=BUCKETS_S,
        )

    def _counter(self, name: str, what: str, labels: str) -> Counter:
        return Counter(f"proffer_{name}", what, labels.split(), registry=self._registry)

    def watch(self, health: Callable[[], Health]) -> None:
        """Read these too, each time somebody asks."""
        self._registry.register(_HealthCollector(health))

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def answered(self, route: str, status: int, spent_s: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._spent.labels(route).observe(spent_s)

    def decided(self, reason: str, offer: bool) -> None:
        self._decisions.labels(reason, "yes" if offer else "no").inc()

    def page(self, content: str) -> None:
        self._pages.labels(content).inc()


class _HealthCollector(Collector):
    """What `/_proffer/healthz` tells, as numbers."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        health = self._health()
        refreshing, outbox = health.refreshing, health.outbox
        yield _gauge("policy_ok", "1 while there is a policy that has not expired.",
                     health.status == "ok")  # fmt: skip
        if health.policy is not None:
            policy = health.policy
            yield _gauge("policy_sequence", "Sequence of the manifest.", policy.sequence)
            yield _gauge("policy_age_seconds", "Since it was signed.", policy.age_s)
            yield _gauge("policy_expires_seconds", "When it expires, Unix.", policy.expires_s)
        yield _count("policy_swaps", "Policies taken.", refreshing.swaps)
        yield _count("policy_refusals", "Policies refused.", refreshing.refusals)
        yield _count("policy_failures", "Looks for a policy that failed.", refreshing.failures)
        yield _gauge("requests_open", "Requests that are being answered.", health.open)
        yield _gauge("records_queued", "Records that wait to be sent.", health.queued)
        yield _count("records_sent", "Records that the control plane has.", outbox.sent)
        yield _count("records_failures", "Attempts to send that failed.", outbox.failures)
        lost = CounterMetricFamily("proffer_records_lost", "Records dropped.", labels=["why"])
        lost.add_metric(["full"], outbox.dropped_full)
        lost.add_metric(["large"], outbox.dropped_large)
        lost.add_metric(["refused"], outbox.dropped_refused)
        yield lost


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"proffer_{name}", what, value)


def _count(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"proffer_{name}", what, value)
