"""The encoded request: everything a decision may know, as bytes.

    offset  size
    0       4     magic "PRRQ"
    4       1     version (0)
    5       1     consent: 0 full, 1 contextual, 2 none
    6       1     flags: 1 = there is a state, 2 = the state dropped entries
    7       1     zero
    8       8     i64 now_s, below 2^32 (so epochs and windows fit 32 bits)
    16      2     size of visitor          (0: unknown)
    18      2     size of customer         (0: unknown)
    20      2     size of nonce
    22      2     size of locale
    24      2     wanted placements, w
    26      2     taken arms, t
    28      2     attributes, a
    30      2     cap counts, c
    32      2     kept choices, k
    34      2     zero
    36      4     size of the heap
    40      4*w   u16 placement row, u16 zero
    ...     8*t   u16 placement row, u16 slot, u32 arm (0xffffffff: unknown here)
    ...     16*a  u16 attribute row, u8 form, u8 zero,
                  u32 size, i64 value
                  - form 0, number: bool, int, timestamp, decimal times 10^scale
                  - form 1, invalid: something was sent and is not of the type
                  - form 2, string: `size` bytes at heap offset `value`
                  - form 3, set: `size` elements from heap offset `value`, each a u16
                    size and its bytes; ascending, no duplicates
    ...     12*c  cap counts and
    ...     32*k  kept choices, as drawn in `state.py`
    ...     heap  visitor, customer, nonce, locale, then strings and sets

Little endian, at most 64 KiB, 64 placements, 64 taken arms, 48 cap counts and 48 kept
choices.  Placements and attributes ascend by row; absent
ones are left out.  The heap holds its parts in that order, without gaps; what is
not used is zero: a request has one encoding.  Rows are those of one bundle; a
record names that bundle.  `request_json.py` makes one of these from JSON.
"""

from __future__ import annotations

from itertools import pairwise
from struct import Struct as Packing

from msgspec import Struct

from .errors import RequestError
from .hashing import is_part
from .state import CAP, ENTRY_LIMIT, KEPT, CapCount, Kept, State

MAGIC = b"PRRQ"
HEADER = Packing("<4sBBBBqHHHHHHHHHHI")
WANTED = Packing("<HH")
TAKEN = Packing("<HHI")
ENTRY = Packing("<HBBIq")
SIZE_LIMIT = 64 << 10
NOW_LIMIT_S = 1 << 32
UNKNOWN_ARM = 0xFFFFFFFF
FULL, CONTEXTUAL, NONE = range(3)
CONSENTS = ("full", "contextual", "none")
NUMBER, INVALID, STRINGS, SETS = range(4)
SET_LIMIT = 64
WANTED_LIMIT = EARLIER_LIMIT = 64
COUNT_LIMITS = (WANTED_LIMIT, EARLIER_LIMIT, 0xFFFF, ENTRY_LIMIT, ENTRY_LIMIT)
"""Of wanted placements, taken arms, attributes, cap counts, kept choices: `bounds.py` and the
size of a verdict rest on them."""


Content = int | bytes | tuple[bytes, ...]


class Taken(Struct, frozen=True):
    """An arm that an earlier call of the same page view showed."""

    placement: int
    slot: int
    arm: int


class Held(Struct, frozen=True):
    """An attribute that was sent: its form, and its value unless it is invalid."""

    attribute: int
    form: int
    value: Content = 0


class Request(Struct, frozen=True, kw_only=True):
    """A decoded request; rows are those of the bundle it was encoded for."""

    consent: int
    now_s: int
    visitor: str = ""
    customer: str = ""
    nonce: str
    locale: str = ""
    placements: tuple[int, ...]
    taken: tuple[Taken, ...] = ()
    attributes: tuple[Held, ...] = ()
    state: State | None = None


def pack_request(request: Request) -> bytes:
    """The bytes drawn above.  Raises `RequestError` SIZE beyond 64 KiB."""
    units = [s.encode() for s in (request.visitor, request.customer, request.nonce, request.locale)]
    heap = bytearray(b"".join(units))
    entries = b"".join(_pack_held(held, heap) for held in request.attributes)
    state = request.state or State()
    flags = (request.state is not None) | state.overflow << 1
    counts = (request.placements, request.taken, request.attributes, state.caps, state.kept)
    data = b"".join(
        [
            HEADER.pack(
                MAGIC, 0, request.consent, flags, 0, request.now_s,
                *map(len, units), *map(len, counts), 0, len(heap),
            ),
            *(WANTED.pack(row, 0) for row in request.placements),
            *(TAKEN.pack(x.placement, x.slot, x.arm) for x in request.taken),
            entries,
            *(CAP.pack(c.key, c.window, c.count) for c in state.caps),
            *(KEPT.pack(k.placement_key, k.slot, k.redraw, k.epoch, k.arm_key, k.drawn_by)
              for k in state.kept),
            heap,
        ]
    )  # fmt: skip
    if len(data) > SIZE_LIMIT:
        raise RequestError("SIZE", f"{len(data)} bytes encoded; at most {SIZE_LIMIT}")
    return data


def _pack_held(held: Held, heap: bytearray) -> bytes:
    value, offset = held.value, len(heap)
    if isinstance(value, int):
        return ENTRY.pack(held.attribute, held.form, 0, 0, value)
    if isinstance(value, bytes):
        heap += value
    else:
        heap += b"".join(len(x).to_bytes(2, "little") + x for x in value)
    return ENTRY.pack(held.attribute, held.form, 0, len(value), offset)


def unpack_request(data: bytes) -> Request:
    """Read the bytes back.  Raises `RequestError` ENCODING for anything malformed."""
    if not HEADER.size <= len(data) <= SIZE_LIMIT:
        raise RequestError("ENCODING", f"{len(data)} bytes")
    header = HEADER.unpack_from(data)
    magic, version, consent, flags, zero, now_s = header[:6]
    units, counts, pad, heap_size = header[6:10], header[10:15], header[15], header[16]
    if magic != MAGIC or version or consent > NONE or flags > 3 or zero or pad or flags == 2:
        raise RequestError("ENCODING", "the header is not one of format 0")
    if not 0 <= now_s < NOW_LIMIT_S:
        raise RequestError("ENCODING", f"now_s is {now_s}")
    blocks = _blocks(data, counts, heap_size)
    heap = blocks[5]
    return Request(
        consent=consent,
        now_s=now_s,
        **_units(heap, units),
        placements=_wanted(blocks[0]),
        taken=tuple(Taken(*entry) for entry in TAKEN.iter_unpack(blocks[1])),
        attributes=_attributes(blocks[2], heap, sum(units)),
        state=_state_of(flags, blocks[3], blocks[4]),
    )


def _blocks(data: bytes, counts: tuple[int, ...], heap_size: int) -> list[bytes]:
    sizes = [n * p.size for n, p in zip(counts, (WANTED, TAKEN, ENTRY, CAP, KEPT), strict=True)]
    if any(count > most for count, most in zip(counts, COUNT_LIMITS, strict=True)):
        raise RequestError("ENCODING", f"counts are {counts}, at most {COUNT_LIMITS}")
    blocks, offset = [], HEADER.size
    for size in (*sizes, heap_size):
        blocks.append(data[offset : offset + size])
        offset += size
    if offset != len(data):
        raise RequestError("ENCODING", f"{len(data)} bytes, counts say {offset}")
    return blocks


def _units(heap: bytes, sizes: tuple[int, ...]) -> dict[str, str]:
    units, offset = {}, 0
    for name, size in zip(("visitor", "customer", "nonce", "locale"), sizes, strict=True):
        try:
            units[name] = heap[offset : offset + size].decode()
        except UnicodeDecodeError:
            raise RequestError("ENCODING", f"{name} is not UTF-8") from None
        offset += size
        if offset > len(heap) or (size and not is_part(units[name])):
            raise RequestError("ENCODING", f"{name} is outside the heap or holds a control byte")
    if not units["nonce"]:
        raise RequestError("ENCODING", "there is no nonce")
    return units


def _state_of(flags: int, caps: bytes, kept: bytes) -> State | None:
    if not flags & 1:
        if caps or kept:
            raise RequestError("ENCODING", "there are entries of a state, and no state")
        return None
    return State(
        caps=tuple(CapCount(*entry) for entry in CAP.iter_unpack(caps)),
        kept=tuple(Kept(*entry) for entry in KEPT.iter_unpack(kept)),
        overflow=bool(flags & 2),
    )


def _wanted(block: bytes) -> tuple[int, ...]:
    wanted = list(WANTED.iter_unpack(block))
    if any(zero for _, zero in wanted) or any(a >= b for (a, _), (b, _) in pairwise(wanted)):
        raise RequestError("ENCODING", "wanted placements do not ascend")
    return tuple(row for row, _ in wanted)


def _attributes(block: bytes, heap: bytes, offset: int) -> tuple[Held, ...]:
    """`offset`: where the heap's strings and sets begin."""
    attributes: list[Held] = []
    last = -1
    for attribute, form, zero, size, value in ENTRY.iter_unpack(block):
        content: Content = value
        if form > INVALID:
            content, offset = _from_heap(heap, offset, attribute, form, size, value)
        elif size or (value and form == INVALID):
            raise RequestError("ENCODING", f"attribute {attribute} has form {form}, size {size}")
        if zero or attribute <= last:
            raise RequestError("ENCODING", "attributes do not ascend")
        attributes.append(Held(attribute, form, content))
        last = attribute
    if offset != len(heap):
        raise RequestError("ENCODING", f"{len(heap)} bytes of heap, {offset} are used")
    return tuple(attributes)


def _from_heap(
    heap: bytes, offset: int, attribute: int, form: int, size: int, value: int
) -> tuple[Content, int]:
    if form > SETS or value != offset:
        raise RequestError("ENCODING", f"attribute {attribute} has form {form} at {value}")
    read = _string_at if form == STRINGS else _set_at
    content, end = read(heap, offset, size)
    if end > len(heap):
        raise RequestError("ENCODING", f"attribute {attribute} goes on to {end} of the heap")
    return content, end


def _string_at(heap: bytes, offset: int, size: int) -> tuple[bytes, int]:
    return heap[offset : offset + size], offset + size


def _set_at(heap: bytes, offset: int, count: int) -> tuple[tuple[bytes, ...], int]:
    elements: list[bytes] = []
    for _ in range(min(count, SET_LIMIT + 1)):
        size = int.from_bytes(heap[offset : offset + 2], "little")
        elements.append(heap[offset + 2 : offset + 2 + size])
        offset += 2 + size
    if count > SET_LIMIT or any(a >= b for a, b in pairwise(elements)):
        raise RequestError("ENCODING", "a set is too large or does not ascend")
    return tuple(elements), offset
