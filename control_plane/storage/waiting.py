"""What waits for the writer, and how whoever waits for it is told.

A thread waits for a `concurrent.futures.Future`.  A coroutine waits for a future of its event
loop, which only that loop may touch: all those of a transaction are told by one call into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from msgspec import Struct


class Waiting(Struct, eq=False):
    """A job: `write` of a connection; if it `shares` the call, also of what each brings."""

    write: Callable[..., Any]
    future: Future[Any] | asyncio.Future[Any]
    shares: bool = False
    brought: Any = None
    size_bytes: int = 0
    parent: Any = None
    """The span that it goes below."""

    def begin(self) -> bool:
        """Whether it shall run: what a coroutine handed over runs even if it was cancelled."""
        if isinstance(self.future, Future):
            return self.future.set_running_or_notify_cancel()
        return True


class Outcome(Struct):
    """A result, or the exception instead of it."""

    result: Any = None
    error: Exception | None = None


Told = list[tuple[asyncio.Future[Any], Outcome]]


def settle_all(group: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
    """Tell everybody; called after the commit."""
    of_loops: dict[asyncio.AbstractEventLoop, Told] = {}
    for one, outcome in zip(group, outcomes, strict=True):
        future = one.future
        if isinstance(future, Future):
            _settle(future, outcome)
        else:
            of_loops.setdefault(future.get_loop(), []).append((future, outcome))
    for loop, told in of_loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits there
            loop.call_soon_threadsafe(_settle_in_loop, told)


def _settle_in_loop(told: Told) -> None:
    for future, outcome in told:
        if not future.done():
            _settle(future, outcome)


def _settle(future: Future[Any] | asyncio.Future[Any], outcome: Outcome) -> None:
    if outcome.error is None:
        future.set_result(outcome.result)
    else:
        future.set_exception(outcome.error)
