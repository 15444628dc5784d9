"""The numbers of a manifest that a decision reads, as a block of bytes.

    offset  size
    0       4     magic "PRMB"
    4       1     version (0)
    5       1     flags: 1 = everything is paused
    6       2     zero
    8       32    SHA-256 of the signed manifest
    40      8     i64 issued_s
    48      8     i64 expires_s
    56      2     paused offers, o
    58      2     paused rungs, r
    60      2     paused placements, p
    62      2     budget multipliers, m
    64      4*... u32 keys of those offers, rungs and placements, each ascending
    ...     8*m   u32 budget key, u32 multiplier in 1/65536 (at most 2^24), by key

Little endian.  Things are named by key: a pause holds over publishes.
"""

from __future__ import annotations

from itertools import pairwise
from struct import Struct as Packing

from msgspec import Struct

from .errors import RequestError

MAGIC = b"PRMB"
HEADER = Packing("<4sBBH32sqqHHHH")
MULTIPLIER = Packing("<II")


class ManifestBlock(Struct, frozen=True, kw_only=True):
    digest: bytes
    issued_s: int
    expires_s: int
    all_paused: bool = False
    paused_offers: tuple[int, ...] = ()
    paused_rungs: tuple[int, ...] = ()
    paused_placements: tuple[int, ...] = ()
    multipliers: tuple[tuple[int, int], ...] = ()

    def multiplier(self, budget_key: int) -> int:
        """Unsigned Q16: what a unit of this budget costs beyond its price; 0 if unset."""
        return dict(self.multipliers).get(budget_key, 0)


def pack_manifest(block: ManifestBlock) -> bytes:
    paused = (block.paused_offers, block.paused_rungs, block.paused_placements)
    header = HEADER.pack(
        MAGIC, 0, block.all_paused, 0, block.digest, block.issued_s, block.expires_s,
        *map(len, paused), len(block.multipliers),
    )  # fmt: skip
    keys = [key for keys in paused for key in sorted(keys)]
    packed_keys = Packing(f"<{len(keys)}I").pack(*keys)
    return header + packed_keys + b"".join(MULTIPLIER.pack(*m) for m in sorted(block.multipliers))


def unpack_manifest(data: bytes) -> ManifestBlock:
    """Raises `RequestError` ENCODING."""
    if len(data) < HEADER.size:
        raise RequestError("ENCODING", f"a manifest block of {len(data)} bytes")
    magic, version, flags, zero, digest, issued_s, expires_s, *counts = HEADER.unpack_from(data)
    if magic != MAGIC or version or flags > 1 or zero:
        raise RequestError("ENCODING", "the manifest block is not one of format 0")
    middle = HEADER.size + 4 * sum(counts[:3])
    if len(data) != middle + MULTIPLIER.size * counts[3]:
        raise RequestError("ENCODING", f"a manifest block of {len(data)} bytes")
    keys = memoryview(data)[HEADER.size : middle].cast("I")
    lists = [tuple(keys[sum(counts[:i]) : sum(counts[: i + 1])]) for i in range(3)]
    multipliers = tuple(MULTIPLIER.iter_unpack(data[middle:]))
    if any(value > 1 << 24 for _, value in multipliers):
        raise RequestError("ENCODING", "a multiplier exceeds 256")
    ordered = [*lists, tuple(key for key, _ in multipliers)]
    if any(a >= b for run in ordered for a, b in pairwise(run)):
        raise RequestError("ENCODING", "keys of the manifest block do not ascend")
    return ManifestBlock(
        digest=digest,
        issued_s=issued_s,
        expires_s=expires_s,
        all_paused=bool(flags),
        paused_offers=lists[0],
        paused_rungs=lists[1],
        paused_placements=lists[2],
        multipliers=multipliers,
    )
