"""Numbers of the event log, where there is one; what this process knows of it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from control_plane.services import Services


def log_metrics(services: Services) -> Iterator[Metric]:
    """None where events go straight into the database."""
    log, folding = services.log, services.folding
    if log is None or folding is None:
        return
    seen = folding.seen
    segments = CounterMetricFamily(
        "proffer_log_segments",
        "Segments of the event log: written and folded by this process.",
        labels=["did"],
    )
    segments.add_metric(["written"], log.gate.segments)
    segments.add_metric(["folded"], seen.folded)
    yield segments
    yield _gauge("aside", "Segments that were set aside, ever, by all.", seen.aside)
    yield _gauge("missing", "Segments that somebody removed unfolded, ever.", seen.missing)
    yield _gauge("lag_seconds", "How old the newest folded batch was; 0: all folded.", seen.lag_s)
    yield _gauge("up", "Whether the log's store took the last segment.", int(log.gate.is_open))
    yield _gauge("spill_bytes", "Waiting for the store on this disk.", log.spill.size_bytes)
    yield _gauge("spill_limit_bytes", "More is turned away.", log.spill.limit_bytes)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"proffer_log_{name}", what, value)
