"""OpenTelemetry traces, where OTEL_EXPORTER_OTLP_ENDPOINT says where to send them.

An extra: `pip install 'proffer[otel]'`.  A span per request, named by its operation, and below
it one per job of the database's writer.  Callers' trace context comes and goes on in W3C's
`traceparent`.  Everything else (headers, service name, sampling, TLS) is OpenTelemetry's own
variables: OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and so on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from control_plane.storage.failures import MissingExtra
from control_plane.telemetry.spans import Span, set_tracer

ENDPOINT = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "proffer-control-plane"
CLOSE_WITHIN_S = 3.0


def is_wanted(environ: Mapping[str, str]) -> bool:
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(environ.get(name) for name in ENDPOINT)


@contextmanager
def tracing(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Traces are sent while the block runs, if they are wanted.

    Raises `MissingExtra` if they are, but OpenTelemetry is not installed.
    """
    if not is_wanted(environ):
        yield
        return
    provider, exporter = _provider()
    set_tracer(OtelTracer(provider))
    try:
        yield
    finally:
        set_tracer(None)
        _close(provider, exporter)


def _close(provider: Any, exporter: Any) -> None:
    """Send what is left; a collector that is gone does not hold up the end."""
    closing = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
    closing.start()
    closing.join(CLOSE_WITHIN_S)
    if closing.is_alive():
        exporter.shutdown()  # it tries no longer
        closing.join(CLOSE_WITHIN_S)


def _provider() -> tuple[Any, Any]:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtra(
            "traces need packages that are not installed: pip install 'proffer[otel]'"
        ) from None
    named = Resource.create() if os.environ.get("OTEL_SERVICE_NAME") else Resource.create(
        {SERVICE_NAME: SERVICE}
    )  # fmt: skip
    provider = TracerProvider(resource=named)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


class OtelTracer:
    """A `Tracer`."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("proffer")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        from opentelemetry.trace import SpanKind

        context = self._propagator.extract(headers)
        with self._tracer.start_as_current_span(
            method, context, kind=SpanKind.SERVER, record_exception=False
        ) as span:
            span.set_attribute("http.request.method", method)
            yield OtelSpan(span, method)

    @contextmanager
    def job(self, name: str, parent: Any) -> Iterator[object]:
        """Without what an exception says: it may hold what a request held."""
        with self._tracer.start_as_current_span(
            name, parent, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def here(self) -> Any:
        from opentelemetry.context import get_current

        return get_current()


class OtelSpan:
    """A `Span`."""

    def __init__(self, span: Any, method: str) -> None:
        self._span = span
        self._method = method

    @property
    def trace_id(self) -> str:
        return format(self._span.get_span_context().trace_id, "032x")

    def answered(self, name: str, route: str, status: int) -> None:
        from opentelemetry.trace import StatusCode

        self._span.update_name(f"{self._method} {route}" if route else f"{self._method} {name}")
        self._span.set_attribute("proffer.operation", name)
        if route:
            self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
