"""Spans, for code that shall not care whether anybody traces.

Without a tracer every function here does nothing, and OpenTelemetry need not be installed.
`tracing.py` puts one in.  A span's name and attributes are of closed lists: names of
operations and of jobs, methods, statuses.  Nothing of what a request holds is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Span(Protocol):
    """A span that is open."""

    @property
    def trace_id(self) -> str: ...

    def answered(self, name: str, route: str, status: int) -> None:
        """What the request was, which is known only now, and how it ended."""
        ...


class Tracer(Protocol):
    """Opens spans."""

    def request(self, method: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A request's span, below the caller's where its headers name one."""
        ...

    def job(self, name: str, parent: Any) -> AbstractContextManager[object]: ...

    def here(self) -> Any:
        """What a span that is opened elsewhere can be put below."""
        ...


class _Slot:
    tracer: Tracer | None = None


def set_tracer(tracer: Tracer | None) -> None:
    _Slot.tracer = tracer


def request_span(
    method: str, headers: Callable[[], Mapping[str, str]]
) -> AbstractContextManager[Span] | nullcontext[None]:
    """`headers` is called only where somebody traces."""
    tracer = _Slot.tracer
    return nullcontext() if tracer is None else tracer.request(method, headers())


def traced(job: Callable[..., T]) -> Callable[..., T]:
    """A job that runs in a span below the one of whoever hands it over."""
    tracer = _Slot.tracer
    if tracer is None:
        return job
    parent, name = tracer.here(), name_of(job)

    def run(*given: Any) -> T:
        with tracer.job(name, parent):
            return job(*given)

    return run


def parent_here() -> Any:
    """What a span that `spans_below` opens can be put below; None without a tracer."""
    tracer = _Slot.tracer
    return None if tracer is None else tracer.here()


def spans_below(
    job: Callable[..., object], parents: Iterable[Any]
) -> AbstractContextManager[object]:
    """One span below each of these, while a job runs that is for all of them."""
    tracer = _Slot.tracer
    if tracer is None:
        return nullcontext()
    stack = ExitStack()
    for parent in parents:
        if parent is not None:  # else it was handed over before there was a tracer
            stack.enter_context(tracer.job(name_of(job), parent))
    return stack


def name_of(job: Callable[..., object]) -> str:
    """The function that made it: `Signings.add` for its inner `job`."""
    name = getattr(job, "__qualname__", type(job).__name__)
    return f"storage {name.partition('.<locals>')[0]}"
