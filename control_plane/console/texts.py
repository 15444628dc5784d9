"""Numbers and times as people read them; the templates' filters."""

from __future__ import annotations

from datetime import UTC, datetime

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}
SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
MINUS = "\u2212"


def number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def money(value: float, currency: str, *, signed: bool = False, short: bool = False) -> str:
    """`€1,234.50`; `signed`: a plus before gains; `short`: no cents from 10,000 on."""
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    symbol = SYMBOLS.get(currency, f"{currency} " if currency else "")
    digits = 0 if short and abs(value) >= 10_000 else 2
    return f"{sign}{symbol}{abs(value):,.{digits}f}"


def percent(part: float, whole: float, digits: int = 1) -> str:
    return f"{part / whole:.{digits}%}" if whole else "–"


def span(seconds: int) -> str:
    """`2 h 5 min`: the two largest parts."""
    left, parts = max(0, seconds), []
    for size, name in SPANS:
        if left >= size or (size == 1 and not parts):
            parts.append(f"{left // size} {name}")
            left %= size
        if len(parts) == 2 or (parts and left == 0):
            break
    return " ".join(parts)


def size(size_bytes: int) -> str:
    return f"{size_bytes / 1024:,.1f} KiB"


def utc(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


FILTERS = {
    "number": number,
    "money": money,
    "percent": percent,
    "span": span,
    "size": size,
    "utc": utc,
}
