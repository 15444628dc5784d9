"""For decoders that are fed anything: a value, or the refusal that was announced."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edge.decision.errors import CoreError

Value = TypeVar("Value")


def accepted(read: Callable[..., Value], *given: object, codes: tuple[str, ...]) -> Value | None:
    """What `read` makes of it, or None if it refuses with one of these codes."""
    try:
        return read(*given)
    except CoreError as refusal:
        if refusal.code not in codes:
            raise
        return None
