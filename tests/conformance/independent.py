"""The formulas of DESIGN section 7, written a second time and straight from its text.

Nothing here imports the core: these lines derive what cases expect.  Fractions and
SHA-256 are enough, so a port to any language fits on a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from math import floor

from tests.conformance.cases import Member, Shares

T = 2**20


def key(path: str) -> int:
    """The 32-bit key of a catalog object, such as `arm/welcome/p10`."""
    return int(sha256(path.encode()).hexdigest()[:8], 16)


def word(parts: Sequence[str]) -> int:
    return int(sha256("\x1f".join(parts).encode()).hexdigest()[:8], 16)


def ticket(parts: Sequence[str]) -> int:
    return word(parts) // 2**12


def is_member(member: Member) -> bool:
    return ticket(member.of) < member.share


def epoch(now_s: int, period_s: int, place: str, salt: str, unit: str) -> int:
    """Index of the epoch; every unit starts its epochs at a time of its own."""
    return (now_s + word(["epoch", place, salt, unit]) % period_s) // period_s


def decision_id(bundle: bytes, manifest_digest: bytes, encoded: bytes, where: bytes) -> str:
    """Name of one slot's decision; `where`: u16 placement row and u16 slot, little endian."""
    return sha256(sha256(bundle).digest() + manifest_digest + encoded + where).hexdigest()[:32]


def drawn(tickets: Mapping[str, int], number: int) -> str:
    """The arm whose run of tickets, in arm order, holds this number."""
    end = 0
    for arm, share in tickets.items():
        end += share
        if number < end:
            return arm
    raise ValueError(f"{tickets} sum to {end}, and the ticket is {number}")


def tickets(shares: Shares) -> dict[str, int]:
    """Tickets of each arm: all but one by formula, that one takes the rest."""
    worth = shares.weights if shares.policy == "allocation" else shares.scores
    if shares.policy == "allocation" and not any(worth.values()):
        return {arm: T * (arm == "none") for arm in worth}
    best = max(worth, key=lambda arm: worth[arm])  # the first among equals
    others = {arm: _other(shares, worth, best, arm) for arm in worth if arm != best}
    rest = T - sum(others.values())
    return {arm: others.get(arm, rest) for arm in worth}


def _other(shares: Shares, worth: Mapping[str, int], best: str, arm: str) -> int:
    count = len(worth)
    least = min(shares.floor, floor(Fraction(T, count)))
    match shares.policy:
        case "greedy":
            return 0
        case "epsilon":
            return max(least, floor(Fraction(T * shares.epsilon, T)) // count)
        case "inverse_gap":
            gap = worth[best] - worth[arm]
            return max(least, floor(T / (count + Fraction(shares.gamma, 2**24) * gap)))
        case "allocation":
            return floor(Fraction(T * worth[arm], sum(worth.values())))
