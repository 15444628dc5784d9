"""Sets of small numbers as integers: number i is in the set iff bit i is 1.

Python adds, intersects and stores such a set at the speed of machine words, whatever
its size, so it takes the place of a loop over rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress, count

ZERO_ONE = bytes.maketrans(b"01", b"\x00\x01")


def members(bits: int) -> list[int]:
    """The numbers in the set, ascending."""
    if bits.bit_count() << 5 > bits.bit_length():
        return _members_of_many(bits)
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


def _members_of_many(bits: int) -> list[int]:
    """The same, in time that grows with the highest number, not with how many there are."""
    lowest_first = bin(bits)[:1:-1].encode()
    return list(compress(count(), lowest_first.translate(ZERO_ONE)))


def set_of(numbers: Iterable[int], size: int) -> int:
    """The set of these numbers, each below `size`."""
    bits = bytearray((size + 7) // 8)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")
