"""The generated cases as one file: `generated.bin.gz`.

Unpacked, and little endian like everything here:

    offset  size
    0       4     magic "PRGC"
    4       2     version (0)
    6       2     zero
    8       4     bundles, b
    12      4     manifest blocks, m
    16      4     cases, n
    ...     b times  u32 size, then a bundle
    ...     m times  u32 size, then a manifest block
    ...     n times  u16 row of its bundle, u16 row of its manifest block,
                     u32 size, then the encoded request,
                     u32 size, then the verdict; size 0: the request is refused

Nothing is aligned: a reader walks from the first byte to the last.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from struct import Struct as Packing

from msgspec import Struct

FILE = Path(__file__).parent / "generated.bin.gz"
MAGIC = b"PRGC"
HEADER = Packing("<4sHHIII")
ROWS = Packing("<HH")
SIZE = Packing("<I")
REFUSED = b""


class Question(Struct, frozen=True):
    """Rows of bundle and manifest block, and an encoded request, well-formed or not."""

    bundle: int
    manifest: int
    request: bytes


class Generated(Struct, frozen=True):
    """`verdicts` is empty until somebody answered the questions."""

    bundles: tuple[bytes, ...]
    manifests: tuple[bytes, ...]
    questions: tuple[Question, ...]
    verdicts: tuple[bytes, ...] = ()


def pack_generated(all_of_it: Generated) -> bytes:
    """The bytes drawn above, not yet compressed."""
    counts = (all_of_it.bundles, all_of_it.manifests, all_of_it.questions)
    parts = [HEADER.pack(MAGIC, 0, 0, *map(len, counts))]
    parts += _sized([*all_of_it.bundles, *all_of_it.manifests])
    for question, verdict in zip(all_of_it.questions, all_of_it.verdicts, strict=True):
        parts.append(ROWS.pack(question.bundle, question.manifest))
        parts += _sized([question.request, verdict])
    return b"".join(parts)


def _sized(blocks: Iterable[bytes]) -> list[bytes]:
    return [part for block in blocks for part in (SIZE.pack(len(block)), block)]


def unpack_generated(data: bytes) -> Generated:
    """Raises `ValueError` or `struct.error` for anything but such a file."""
    magic, version, _, bundles, manifests, cases = HEADER.unpack_from(data)
    if magic != MAGIC or version:
        raise ValueError("these are no generated cases of version 0")
    reader = _Reader(data, HEADER.size)
    opened = [reader.block() for _ in range(bundles)], [reader.block() for _ in range(manifests)]
    answered = [(*reader.rows(), reader.block(), reader.block()) for _ in range(cases)]
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes follow the last case")
    return Generated(
        bundles=tuple(opened[0]),
        manifests=tuple(opened[1]),
        questions=tuple(Question(*each[:3]) for each in answered),
        verdicts=tuple(each[3] for each in answered),
    )


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def block(self) -> bytes:
        (size,) = SIZE.unpack_from(self.data, self.at)
        first = self.at + SIZE.size
        self.at = first + size
        return self.data[first : self.at]

    def rows(self) -> tuple[int, int]:
        bundle, manifest = ROWS.unpack_from(self.data, self.at)
        self.at += ROWS.size
        return bundle, manifest


def read_generated(file: Path) -> Generated:
    return unpack_generated(gzip.decompress(file.read_bytes()))


def write_generated(file: Path, all_of_it: Generated) -> None:
    """Compressors differ between versions; what they hold must not."""
    file.write_bytes(gzip.compress(pack_generated(all_of_it), 9, mtime=0))
