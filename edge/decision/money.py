"""Money in integers, with the same rounding at the edge and at redemption.

Amounts are micros (1/1,000,000 of a currency unit).  A rate in parts per million
applies to an amount in *minor units* (cents), so that with amounts below 2^33
minor units and rates up to 2^20 every product stays below 2^53.
"""

from __future__ import annotations

from .tables import HALF_EVEN, HALF_UP

MILLION = 1_000_000


def share_of(amount_micros: int, rate_ppm: int, minor_micros: int, rounding: int) -> int:
    """`rate_ppm` of an amount, rounded to the minor unit in the shop's mode, in micros."""
    whole, rest = divmod((amount_micros // minor_micros) * rate_ppm, MILLION)
    if rounding == HALF_UP:
        whole += 2 * rest >= MILLION
    elif rounding == HALF_EVEN:
        whole += 2 * rest > MILLION or (2 * rest == MILLION and whole % 2 == 1)
    return whole * minor_micros


def to_micros(number: int, scale: int) -> int:
    """A decimal of `scale` fraction digits as micros."""
    return number * 10 ** (6 - scale)
