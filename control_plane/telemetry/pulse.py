"""Signs of life of what runs beside the server.

A background calls `beat()` whenever a round of its work went well.  Whose beat it is, it need
not know: `app.py` starts each one under a `Pulse`, which goes along into its threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct


class Pulse(Struct):
    """A background: its last success, Unix seconds (0: none yet), and whether it broke down."""

    name: str
    last_s: float = 0.0
    failed: bool = False


_CURRENT: ContextVar[Pulse | None] = ContextVar("pulse", default=None)


def beat() -> None:
    """A round of work went well."""
    pulse = _CURRENT.get()
    if pulse is not None:
        pulse.last_s = time.time()


@contextmanager
def beating(pulse: Pulse) -> Iterator[None]:
    """While the block runs, it is this background; what it raises ends it."""
    token = _CURRENT.set(pulse)
    try:
        yield
    except Exception:
        pulse.failed = True
        raise
    finally:
        _CURRENT.reset(token)
