"""Words: the only source of chance in a decision.

    word(purpose, key, salt, unit, ...) =
        first 4 bytes, big endian, of SHA-256(parts joined by 0x1f)

A word is a uniform integer in [0, 2^32); its upper 20 bits are a *ticket* in
[0, T), T = 2^20.  A unit belongs to a share s (an integer out of T) iff its
ticket is below s.  Anyone can recompute a word in SQL:

    ('0x' || left(sha256('holdout' || chr(31) || ...), 8))::bigint

Keys name things that must keep their identity over publishes (arms, caps,
placements): the same first 4 bytes, of the thing's path.
"""

from __future__ import annotations

from hashlib import sha256

T = 1 << 20
SEPARATOR = "\x1f"


def word(purpose: str, *parts: str) -> int:
    """The 32-bit word of these parts; no part may hold a byte below 0x20."""
    text = SEPARATOR.join((purpose, *parts))
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big")


def ticket(purpose: str, *parts: str) -> int:
    """The upper 20 bits of the word: an integer in [0, T)."""
    return word(purpose, *parts) >> 12


def in_share(share: int, purpose: str, *parts: str) -> bool:
    """Whether this unit is a member of a share out of T."""
    return share > 0 and ticket(purpose, *parts) < share


def key_of(path: str) -> int:
    """The 32-bit key of a catalog object, from its path such as `arm/welcome/p10`."""
    return int.from_bytes(sha256(path.encode()).digest()[:4], "big")


def is_part(text: str) -> bool:
    """Whether `text` may be a part of a word: non-empty, no control bytes, valid Unicode."""
    return bool(text) and min(text) >= " " and not any("\ud800" <= c <= "\udfff" for c in text)
