"""Micros as people and other programs read them."""

from __future__ import annotations

MILLION = 1_000_000


def decimal_text(micros: int, minor_digits: int = 2) -> str:
    """A decimal string such as `12.50`; more digits only if the amount has them."""
    whole, rest = divmod(abs(micros), MILLION)
    fraction = f"{rest:06d}"
    kept = len(fraction.rstrip("0"))
    digits = fraction[: max(kept, minor_digits)]
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
