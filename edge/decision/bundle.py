"""The policy bundle: one immutable file of integer tables.

    offset  size
    0       4     magic "PRFR"
    4       2     format version: major << 8 | minor (1.0: 0x0100)
    6       2     number of sections, n
    8       4     size of the whole file in bytes
    12      4     zero
    16      12*n  section table, in ascending order of id:
                    u16 id    u8 type    u8 zero    u32 offset    u32 count
    ...           sections, each at a multiple of 8, zero-padded, in that order

All integers are little endian.  A section is one *column*: an array of `count`
integers of one type (0 u8, 1 u16, 2 u32, 3 i8, 4 i16, 5 i32, 6 i64), so Python
reads it with `memoryview.cast`, JavaScript with a typed array, C with a load.
The writer picks the narrowest type that holds the column's values; a reader
takes any.  Absent sections are empty columns.  No integer reaches 2^53.

`tables.py` says which columns there are and what they mean.  `open_bundle` checks
every one once, so deciding needs no check that could fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from operator import le
from struct import Struct as Packing
from typing import Literal

from msgspec import Struct

from .eligibility import ClauseIndex
from .errors import BundleError, RequestError
from .lanes import Lanes
from .notes import Notes, unpack_notes
from .offersets import OfferSets
from .request import Request
from .situation import Gauge, gauge_of
from .tables import COLUMNS, HEAD_TENANT, NO_OP, Ints, Kind, Tables, cell_count, table_of
from .wellformed import check_meaning

MAGIC = b"PRFR"
FORMAT = 0x0100
PREAMBLE = Packing("<4sHHII")
ENTRY = Packing("<HBBII")
TYPES: tuple[Literal["B", "H", "I", "b", "h", "i", "q"], ...] = ("B", "H", "I", "b", "h", "i", "q")
WIDTHS = (1, 2, 4, 1, 2, 4, 8)
SIZE_LIMIT = 64 << 20


class Bundle(Struct, kw_only=True, frozen=True, dict=True):
    """An opened bundle: its name (SHA-256), its columns, and rows by name."""

    digest: bytes
    size_bytes: int
    tables: Tables
    rows: dict[str, int]

    @cached_property
    def attribute_rows(self) -> dict[str, int]:
        """Attributes that a request may send, by name."""
        op, names = self.tables.attribute_op, self.tables.attribute_name
        return {self.text(text): row for row, text in enumerate(names) if op[row] == NO_OP}

    @cached_property
    def placement_rows(self) -> dict[str, int]:
        return {self.text(text): row for row, text in enumerate(self.tables.placement_name)}

    @cached_property
    def arm_rows(self) -> dict[str, int]:
        return {self.arm_name(arm): arm for arm in range(self.rows["rung"] + 1)}

    @cached_property
    def arm_keys(self) -> dict[int, int]:
        """Arms by the key that states and pauses name them with; key 0 is "none"."""
        return {0: 0} | {key: arm for arm, key in enumerate(self.tables.rung_key, 1)}

    @cached_property
    def words(self) -> list[dict[bytes, int]]:
        """Per attribute: the strings that the policy mentions, with their index."""
        starts, texts = self.tables.attribute_word, self.tables.word_text
        return [
            {self.text(texts[w]).encode(): w - low for w in range(low, high)}
            for low, high in pairwise(starts)
        ]

    @cached_property
    def gauges(self) -> list[Gauge]:
        """Per attribute."""
        return [gauge_of(self.tables, row, words) for row, words in enumerate(self.words)]

    @cached_property
    def derived(self) -> list[int]:
        """The derived attributes."""
        return [row for row, op in enumerate(self.tables.attribute_op) if op != NO_OP]

    @cached_property
    def notes(self) -> Notes:
        """Raises `BundleError` TEXT; `open_bundle` has read them once."""
        return unpack_notes(bytes(self.tables.notes))

    @cached_property
    def clauses(self) -> ClauseIndex:
        return ClauseIndex(self.tables, self.rows["clause"])

    @cached_property
    def offer_sets(self) -> OfferSets:
        return OfferSets(self.tables)

    @cached_property
    def lanes(self) -> list[Lanes]:
        """Per model."""
        return [Lanes(self.tables, model) for model in range(self.rows["model"])]

    @cached_property
    def placement_words(self) -> list[tuple[str, str]]:
        """Per placement: its name and the salt of its choices."""
        salts = self.tables.placement_salt
        return [(self.placement_name(row), self.text(salt)) for row, salt in enumerate(salts)]

    def text(self, row: int) -> str:
        starts = self.tables.text_start
        return bytes(self.tables.heap[starts[row] : starts[row + 1]]).decode()

    def head(self, index: int) -> int:
        return self.tables.head[index]

    @property
    def tenant(self) -> str:
        return self.text(self.head(HEAD_TENANT))

    def placement_name(self, row: int) -> str:
        return self.text(self.tables.placement_name[row])

    def arm_name(self, arm: int) -> str:
        """`none`, or `offer/rung`."""
        if arm == 0:
            return "none"
        offer = self.tables.rung_offer[arm - 1]
        rung = self.text(self.tables.rung_name[arm - 1])
        return f"{self.text(self.tables.offer_name[offer])}/{rung}"

    def check_rows(self, request: Request) -> None:
        """Raises `RequestError` if the request wants placements that are not here."""
        if max(request.placements, default=-1) >= self.rows["placement"]:
            raise RequestError("ENCODING", "the request was encoded for another bundle")

    def arms(self, offer: int) -> range:
        starts = self.tables.offer_rung
        return range(starts[offer] + 1, starts[offer + 1] + 1)

    def cells(self, attribute: int) -> int:
        """How many cells the values of this attribute fall into (0 for sets)."""
        return cell_count(self.tables, attribute)


def open_bundle(data: bytes) -> Bundle:
    """Read and validate all of `data`.  Raises `BundleError`, and nothing else."""
    tables = Tables(**dict(_read_sections(data)))
    rows = _count_rows(tables)
    for name, kind in COLUMNS.items():
        _check_column(name, kind, getattr(tables, name), rows)
    check_meaning(tables, rows)
    digest = sha256(data).digest()
    bundle = Bundle(digest=digest, size_bytes=len(data), tables=tables, rows=rows)
    _check_notes(bundle)
    return bundle


def _said(version: int) -> str:
    return f"{version >> 8}.{version & 255}"


def _read_sections(data: bytes) -> Iterator[tuple[str, Ints]]:
    """Yield (column, values) as views into `data`; layout checks only."""
    if sys.byteorder != "little":
        raise BundleError("FORMAT", "this machine is big endian; columns are read in place")
    if not PREAMBLE.size <= len(data) <= SIZE_LIMIT:
        raise BundleError("SIZE", f"{len(data)} bytes")
    magic, version, count, size, zero = PREAMBLE.unpack_from(data)
    if magic != MAGIC:
        raise BundleError("MAGIC", "does not begin with PRFR")
    if version != FORMAT or zero:
        raise BundleError("FORMAT", f"format {_said(version)}, this edge reads {_said(FORMAT)}")
    if size != len(data) or PREAMBLE.size + count * ENTRY.size > size:
        raise BundleError("SIZE", f"says {size} bytes and {count} sections, is {len(data)} bytes")
    names = list(COLUMNS)
    end, last = PREAMBLE.size + count * ENTRY.size, 0
    view = memoryview(data)
    for i in range(count):
        number, code, pad, offset, rows = ENTRY.unpack_from(data, PREAMBLE.size + i * ENTRY.size)
        if not last < number <= len(names) or code >= len(TYPES) or pad or not rows:
            raise BundleError("SECTION", f"entry {i}: id {number}, type {code}, {rows} rows")
        if offset != (end + 7) & ~7 or offset + rows * WIDTHS[code] > size:
            raise BundleError("SECTION", f"section {number} at {offset} with {rows} rows")
        if any(view[end:offset]):
            raise BundleError("SECTION", f"padding before section {number} is not zero")
        end, last = offset + rows * WIDTHS[code], number
        yield names[number - 1], view[offset:end].cast(TYPES[code])
    if end != size:
        raise BundleError("SIZE", f"{size - end} bytes after the last section")


def _check_notes(bundle: Bundle) -> None:
    for table in ("attribute", "offer", "placement", "budget"):
        notes = getattr(bundle.notes, f"{table}s")
        if len(notes) != bundle.rows[table]:
            raise BundleError("TEXT", f"notes on {len(notes)} of {bundle.rows[table]} {table}s")


def _count_rows(tables: Tables) -> dict[str, int]:
    rows: dict[str, int] = {}
    for name, kind in COLUMNS.items():
        count = len(getattr(tables, name)) - (kind.name == "start")
        if rows.setdefault(table_of(name), count) != count:
            raise BundleError("TABLE", f"{name} has {count} rows, not {rows[table_of(name)]}")
    return rows


def _check_column(name: str, kind: Kind, column: Ints, rows: dict[str, int]) -> None:
    if kind.name == "start":
        ok = column[0] == 0 and column[-1] == rows[kind.target] and all(map(le, column, column[1:]))
    elif not column:
        ok = True
    elif kind.name == "plain":
        ok = _type_fits(column, kind) or kind.low <= min(column) <= max(column) <= kind.high
    elif kind.name == "blob":
        ok = isinstance(column, bytes) or (isinstance(column, memoryview) and column.format == "B")
    else:
        ok = min(column) >= -(kind.name == "maybe") and max(column) < rows[kind.target]
    if not ok:
        raise BundleError("COLUMN", f"{name} breaks its kind ({kind.name} {kind.target})")


def _type_fits(column: Ints, kind: Kind) -> bool:
    """Whether no value of the column's type breaks the bounds."""
    if not isinstance(column, memoryview):
        return False
    low, high = _bounds_of(TYPES.index(column.format))  # type: ignore[arg-type]
    return kind.low <= low and high <= kind.high


def write_bundle(tables: Tables) -> bytes:
    """The bytes of these tables, narrowest types, same input -> same bytes."""
    sections = [
        (number, code, _pack(values, code))
        for number, name in enumerate(COLUMNS, 1)
        if len(values := getattr(tables, name)) and not _is_default(name, values)
        for code in [_narrowest(values)]
    ]
    offset = PREAMBLE.size + ENTRY.size * len(sections)
    entries, body = bytearray(), bytearray()
    for number, code, packed in sections:
        gap = -(offset + len(body)) % 8
        body += bytes(gap)
        count = len(packed) // WIDTHS[code]
        entries += ENTRY.pack(number, code, 0, offset + len(body), count)
        body += packed
    size = offset + len(body)
    return PREAMBLE.pack(MAGIC, FORMAT, len(sections), size, 0) + bytes(entries) + bytes(body)


def _is_default(name: str, values: Ints) -> bool:
    """An empty list column is (0,); it is written as no section at all."""
    return COLUMNS[name].name == "start" and len(values) == 1


def _narrowest(values: Ints) -> int:
    low, high = min(values), max(values)
    for code in (0, 3, 1, 4, 2, 5, 6):
        floor, top = _bounds_of(code)
        if floor <= low and high <= top:
            return code
    raise ValueError(f"{high} or {low} does not fit into 64 bits")


def _bounds_of(code: int) -> tuple[int, int]:
    """The least and the greatest integer of a type."""
    bits = WIDTHS[code] * 8
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if code >= 3 else (0, (1 << bits) - 1)


def _pack(values: Ints, code: int) -> bytes:
    return bytes(values) if code == 0 else Packing(f"<{len(values)}{TYPES[code]}").pack(*values)
