"""Bodies that are wrong: bytes changed at random, and JSON with one thing spoiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 2**64, 1e308, 0.1, "", "x", "x" * 300, "\x00", "é", "1e9", "NaN",
    [], {}, [[]], [None], {"": ""}, "2026-13-01T00:00:00Z", "a" * 32, "shop.proffer.order",
)  # fmt: skip


def mutated(body: bytes, random: Random) -> bytes:
    """The body with one to three changes; never the same bytes."""
    found = body
    while found == body:
        for _ in range(random.randrange(1, 4)):
            found = random.choice(CHANGES)(found, random)
    return found


def _flipped(body: bytes, random: Random) -> bytes:
    if not body:
        return b"\xff"
    at = random.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << random.randrange(8)]) + body[at + 1 :]


def _cut(body: bytes, random: Random) -> bytes:
    return body[: random.randrange(len(body) + 1)]


def _without(body: bytes, random: Random) -> bytes:
    first = random.randrange(len(body) + 1)
    return body[:first] + body[first + random.randrange(1, 40) :]


def _with_more(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    odd = (random.randbytes(8), b"\\ud800", b"\\u0000", b"[" * 2000, b"}", b",,", b"1e999", b'"')
    return body[:at] + random.choice(odd) + body[at:]


def _spoiled(body: bytes, random: Random) -> bytes:
    """One value or name of the JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _flipped(body, random)
    places = list(_places(value))
    if not places:
        return json.dumps(random.choice(ODD)).encode()
    inside, key = random.choice(places)
    how = random.randrange(4)
    if how == 0:
        del inside[key]
    elif how == 1 and isinstance(inside, dict):
        inside[random.choice([f"{key}x", str(key).upper(), ""])] = inside.pop(key)
    elif how == 2:
        inside[key] = [inside[key]]
    else:
        inside[key] = random.choice(ODD)
    return json.dumps(value).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys, from outside to inside."""
    keys = list(value) if isinstance(value, dict) else []
    keys = list(range(len(value))) if isinstance(value, list) else keys
    return [(value, key) for key in keys] + [p for key in keys for p in _places(value[key])]


CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped, _cut, _without, _with_more, _spoiled, _spoiled, _spoiled, _spoiled,
)  # fmt: skip
