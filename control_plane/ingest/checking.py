"""What is checked of every event, whatever its format: times, names, amounts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeVar

import msgspec

from control_plane.ingest.typed import Arrival, Reason, Rejected
from edge.decision.events import EVENT_AGE_LIMIT_S, EVENT_LIMIT_BYTES
from edge.decision.hashing import is_part

T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON of strangers raises."""

AHEAD_LIMIT_S = 600
"""How far a sender's clock may be ahead."""
NAME_LIMIT_BYTES = 256
MONEY = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)
DECISION = re.compile(r"[0-9a-f]{32}", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
MICROS = 1_000_000
AMOUNT_DIGITS = 9
"""Before the point."""
REASON_CHARS = 200


def decode(raw: bytes | msgspec.Raw, kind: type[T], reason: Reason = Reason.BAD_DATA) -> T:
    """Raises `Rejected`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as error:
        raise Rejected(reason, str(error)) from None


def check_size(raw: bytes) -> None:
    if len(raw) > EVENT_LIMIT_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(raw)} bytes; at most {EVENT_LIMIT_BYTES}")


def check_time(time_s: int, arrival: Arrival, *, ages: bool = True, attested: bool = False) -> None:
    """`ages`: it counts only within a week, which is how long names of events are kept."""
    if not 0 <= time_s <= arrival.now_s + AHEAD_LIMIT_S:
        what = f"time_s {time_s} when it was {arrival.now_s}"
        raise Rejected(Reason.BAD_TIME, what, attested=attested)
    age_s = arrival.arrived_s - time_s
    if ages and age_s > EVENT_AGE_LIMIT_S:
        what = f"{age_s} s old when it came; at most {EVENT_AGE_LIMIT_S}"
        raise Rejected(Reason.TOO_OLD, what, attested=attested)


def check_decision(decision: str) -> None:
    if not DECISION.fullmatch(decision):
        raise Rejected(Reason.BAD_DATA, "decision must be 32 hexadecimal digits")


def is_name(text: str) -> bool:
    if text.isascii() and text.isprintable():  # most are, and this is the fastest look
        return 0 < len(text) <= NAME_LIMIT_BYTES
    return is_part(text) and len(text.encode()) <= NAME_LIMIT_BYTES


def check_name(name: str, what: str) -> None:
    if not is_name(name):
        raise Rejected(Reason.BAD_DATA, f"{what} must be 1 to {NAME_LIMIT_BYTES} bytes of text")


def check_names(names: Iterable[str | None], what: str) -> None:
    """Those that are told."""
    for name in filter(None, names):
        check_name(name, what)


def check_currency(currency: str, arrival: Arrival) -> None:
    if not CURRENCY.fullmatch(currency):
        raise Rejected(Reason.BAD_DATA, "currency must be three capital letters, such as EUR")
    if currency != (arrival.currency or currency):
        raise Rejected(Reason.WRONG_CURRENCY, f"{currency}, not {arrival.currency}")


def check_from_shop(arrival: Arrival, what: str) -> None:
    if not arrival.from_shop:
        raise Rejected(Reason.NOT_FROM_SHOP, what)


def checked_reason(text: str) -> str:
    """Why something went back, in a few plain words."""
    if len(text) > REASON_CHARS or (text and not is_part(text)):
        raise Rejected(Reason.BAD_DATA, f"reason must be at most {REASON_CHARS} plain characters")
    return text


def micros_of(text: str, what: str, *, negative: bool = False) -> int:
    """Decimal money as micros; at most a billion, so that sums stay far below 2^63."""
    if not MONEY.fullmatch(text) or (text.startswith("-") and not negative):
        raise Rejected(Reason.BAD_DATA, f"{what} {text[:40]!a} is no amount such as 12.50")
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.lstrip("-").partition(".")
    return sign * (int(whole) * MICROS + int(fraction.ljust(6, "0")))


def micros(amount: Decimal, what: str, *, negative: bool = False) -> int:
    """An amount of others, who send numbers and not texts; the nearest micro."""
    if amount.is_finite() and amount.is_zero():  # its exponent may be whatever
        return 0
    # only the exponent is looked at: counting with 1e1000000 raises
    is_large = not amount.is_finite() or amount.adjusted() >= AMOUNT_DIGITS
    if is_large or (amount.is_signed() and not negative):
        raise Rejected(Reason.BAD_DATA, f"{what} {str(amount)[:40]} is no amount such as 12.50")
    return int((amount * MICROS).to_integral_value(ROUND_HALF_EVEN))


def seconds(moment: datetime) -> int:
    """Unix seconds; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())
