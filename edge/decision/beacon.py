"""What a decision leaves behind: the verdict, the record, and the events.

Verdict: integers per (placement, slot), in the order they were decided.

    offset  size
    0       4     magic "PRVD"
    4       2     version (0)
    6       2     rows, n
    8       4     listed arms, m
    12      4     zero
    16      64*n  rows:
                    0  u16 placement row
                    2  u8  slot
                    3  u8  flags (below)
                    4  u32 epoch index
                    8  u16 redraw
                    10 u16 zero
                    12 shown track and
                    28 ghost track, each
                         0  u32 arm (0: nothing, the page's default)
                         4  u32 tickets of that arm out of 2^20
                         8  u8  draw kind (0 default, 1 fresh, 2 kept)
                         9  u8  reason
                         10 u16 listed arms
                         12 u32 candidates (those beyond the 31 best counted too)
                    44 16 bytes id of the drawing decision, for kept draws
                    60 u32 zero
    ...     8*m   u32 arm, u32 tickets: for each row, the arms that could be drawn
                  on the shown track (none first), then those on the ghost track
                  (left out while the tracks are equal)

Flags: 1 global holdout, 2 holdout of the placement, 4 decided for a page session
(consent `contextual`), 8 there was no state, 16 the state had dropped entries,
32 the offer needs a price disclosure here, 64 the tracks are equal.

A row without a draw (defaults) has draw kind 0, arm 0, no tickets, no list.  A
kept row has no tickets and no list: nothing was drawn.

Record: enough to replay the decision to the byte.

    offset  size
    0       4     magic "PRRC"
    4       2     version (0)
    6       2     zero
    8       32    bundle digest
    40      32    digest of the signed manifest
    72      4     size of the manifest block, b
    76      4     size of the encoded request, r
    80      4     size of the verdict, v
    84      4     zero
    88      b, r, v  the three

Decision id: first 16 bytes of SHA-256 over (bundle digest, manifest digest, encoded
request, u16 placement row, u16 slot), written as 32 hexadecimal digits.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct as Packing

from msgspec import Struct

from .errors import RequestError

VERDICT_MAGIC, RECORD_MAGIC = b"PRVD", b"PRRC"
HEADER = Packing("<4sHHII")
ROW = Packing("<HBBIHH IIBBHI IIBBHI 16sI".replace(" ", ""))
LISTED = Packing("<II")
RECORD = Packing("<4sHH32s32sIIII")
DEFAULT, FRESH, KEPT = range(3)
GLOBAL_HOLDOUT, HOLDOUT, SESSION, STATELESS, DROPPED, DISCLOSE, EQUAL = (1 << i for i in range(7))
NOBODY = bytes(16)


class Track(Struct, frozen=True):
    """One track's outcome for a slot; `listed` are (arm, tickets), none first."""

    arm: int = 0
    tickets: int = 0
    draw: int = DEFAULT
    reason: int = 0
    listed: tuple[tuple[int, int], ...] = ()
    candidates: int = 0


class Row(Struct, frozen=True, kw_only=True):
    """The verdict on one slot."""

    placement: int
    slot: int
    flags: int = 0
    epoch: int = 0
    redraw: int = 0
    shown: Track
    ghost: Track
    drawn_by: bytes = NOBODY


Verdict = tuple[Row, ...]


class Record(Struct, frozen=True, kw_only=True):
    """What replay needs: the inputs, by digest or by value, and the verdict."""

    bundle_digest: bytes
    manifest_digest: bytes
    manifest_block: bytes
    request: bytes
    verdict: bytes


def pack_verdict(rows: Verdict) -> bytes:
    listed = [entry for row in rows for track in tracks_of(row) for entry in track.listed]
    header = HEADER.pack(VERDICT_MAGIC, 0, len(rows), len(listed), 0)
    return header + b"".join(map(_pack_row, rows)) + b"".join(LISTED.pack(*x) for x in listed)


def tracks_of(row: Row) -> tuple[Track, ...]:
    """The tracks whose lists are written."""
    return (row.shown,) if row.flags & EQUAL else (row.shown, row.ghost)


def _pack_row(row: Row) -> bytes:
    ghost_listed = 0 if row.flags & EQUAL else len(row.ghost.listed)
    return ROW.pack(
        row.placement, row.slot, row.flags, row.epoch, row.redraw, 0,
        *_track_numbers(row.shown, len(row.shown.listed)),
        *_track_numbers(row.ghost, ghost_listed),
        row.drawn_by, 0,
    )  # fmt: skip


def _track_numbers(track: Track, listed: int) -> tuple[int, ...]:
    return track.arm, track.tickets, track.draw, track.reason, listed, track.candidates


def unpack_verdict(data: bytes) -> Verdict:
    """Raises `RequestError` ENCODING."""
    if len(data) < HEADER.size:
        raise RequestError("ENCODING", f"a verdict of {len(data)} bytes")
    magic, version, rows, count, zero = HEADER.unpack_from(data)
    middle = HEADER.size + rows * ROW.size
    if magic != VERDICT_MAGIC or version or zero or len(data) != middle + count * LISTED.size:
        raise RequestError("ENCODING", "this is no verdict of format 0")
    listed = list(LISTED.iter_unpack(data[middle:]))
    verdict = tuple(_row(entry, listed) for entry in ROW.iter_unpack(data[HEADER.size : middle]))
    if pack_verdict(verdict) != data:
        raise RequestError("ENCODING", "the verdict is not as a verdict is written")
    return verdict


def _row(entry: tuple, listed: list[tuple[int, int]]) -> Row:
    placement, slot, flags, epoch, redraw, _, *rest = entry
    shown = _track(rest[0:6], listed)
    ghost = _track(rest[6:12], listed)
    if flags & EQUAL:
        ghost = shown
    return Row(
        placement=placement, slot=slot, flags=flags, epoch=epoch, redraw=redraw,
        shown=shown, ghost=ghost, drawn_by=rest[12],
    )  # fmt: skip


def _track(numbers: list[int], listed: list[tuple[int, int]]) -> Track:
    arm, tickets, draw, reason, count, candidates = numbers
    own = tuple(listed[:count])
    del listed[:count]
    return Track(arm, tickets, draw, reason, own, candidates)


def pack_record(record: Record) -> bytes:
    parts = (record.manifest_block, record.request, record.verdict)
    header = RECORD.pack(
        RECORD_MAGIC, 0, 0, record.bundle_digest, record.manifest_digest, *map(len, parts), 0
    )
    return header + b"".join(parts)


def unpack_record(data: bytes) -> Record:
    """Raises `RequestError` ENCODING."""
    if len(data) < RECORD.size:
        raise RequestError("ENCODING", f"a record of {len(data)} bytes")
    magic, version, zero, bundle, manifest, b, r, v, pad = RECORD.unpack_from(data)
    if magic != RECORD_MAGIC or version or zero or pad or len(data) != RECORD.size + b + r + v:
        raise RequestError("ENCODING", "this is no record of format 0")
    block, request = data[88 : 88 + b], data[88 + b : 88 + b + r]
    return Record(
        bundle_digest=bundle,
        manifest_digest=manifest,
        manifest_block=block,
        request=request,
        verdict=data[88 + b + r :],
    )


def decision_id(bundle: bytes, manifest: bytes, request: bytes, placement: int, slot: int) -> bytes:
    """16 bytes that name the decision on one slot; `bundle` and `manifest` are digests."""
    where = placement.to_bytes(2, "little") + slot.to_bytes(2, "little")
    return sha256(bundle + manifest + request + where).digest()[:16]
