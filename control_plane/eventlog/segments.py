"""Batches in bytes: frames, in a segment of the log and in a file of the spill alike.

    frame    4 bytes length N, 4 bytes CRC-32 of the rest, N bytes: a Batch as MessagePack
    segment  "PFLOG001", 32 bytes SHA-256 of the rest, frames
    spill    "PFSPIL01", frames, and after a crash perhaps a torn one

(Numbers are big-endian.)  A segment is whole or damaged: its hash says which, and of a
damaged one the frames that are whole can still be read.  A spill file has no end that
anybody could hash, so each of its frames answers for itself: the one at the end that is
not whole was never acknowledged, since the sync that would have ended in an
acknowledgement did not return.  A frame is never empty, so a tail of zeros is no frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import sha256
from zlib import crc32

import msgspec
from msgspec import Struct

from control_plane.eventlog.store import Batch

MAGIC = b"PFLOG001"
SPILL_MAGIC = b"PFSPIL01"
BODY_AT = len(MAGIC) + sha256().digest_size
HEAD = struct.Struct(">II")
SEGMENT_LIMIT_BYTES = 4 << 20
"""When a segment is full; the frame that fills it still goes in."""
FRAME_LIMIT_BYTES = 16 << 20


class Frames(Struct, frozen=True):
    """What is in a stretch of bytes: whole frames, damaged pieces before a whole one, the end."""

    whole: list[bytes]
    damaged: list[bytes]
    tail: bytes


class Segment(Struct, frozen=True):
    """What can be read of a segment; `damage` says why not all of it, "" if it is whole."""

    batches: list[Batch]
    damage: str


def frame(batch: Batch) -> bytes:
    body = msgspec.msgpack.encode(batch)
    return HEAD.pack(len(body), crc32(body)) + body


def batch_of(piece: bytes) -> Batch:
    """Raises `msgspec.ValidationError` for a batch of another version."""
    return msgspec.msgpack.decode(memoryview(piece)[HEAD.size :], type=Batch)


def segment(frames: Iterable[bytes]) -> bytes:
    body = b"".join(frames)
    return MAGIC + sha256(body).digest() + body


def read_segment(data: bytes) -> Segment:
    """Never fails: damage is told, and what is whole is read."""
    body = data[BODY_AT:]
    damage = ""
    if data[: len(MAGIC)] != MAGIC:
        damage = "it is no segment"
    elif data[len(MAGIC) : BODY_AT] != sha256(body).digest():
        damage = "its hash is not that of its content"
    batches: list[Batch] = []
    for piece in read_frames(body).whole:
        try:
            batches.append(batch_of(piece))
        except msgspec.MsgspecError as error:
            damage = damage or f"a batch cannot be read: {error}"
    return Segment(batches, damage)


def read_frames(data: bytes) -> Frames:
    whole: list[bytes] = []
    damaged: list[bytes] = []
    bad: list[bytes] = []
    at = 0
    while (end := _end(data, at)) <= len(data):
        piece = data[at:end]
        if crc32(piece[HEAD.size :]) == HEAD.unpack_from(piece)[1]:
            damaged += bad
            bad = []
            whole.append(piece)
        else:
            bad.append(piece)
        at = end
    return Frames(whole, damaged, b"".join(bad) + data[at:])


def _end(data: bytes, at: int) -> int:
    """Where the frame that begins there ends; beyond the data if there is none."""
    if at + HEAD.size > len(data):
        return len(data) + 1
    length, _ = HEAD.unpack_from(data, at)
    if not 0 < length <= FRAME_LIMIT_BYTES:
        return len(data) + 1
    return at + HEAD.size + length


def chunks(frames: Iterable[bytes]) -> Iterable[list[bytes]]:
    """In order, each as much as a segment takes."""
    chunk: list[bytes] = []
    size_bytes = 0
    for piece in frames:
        chunk.append(piece)
        size_bytes += len(piece)
        if size_bytes >= SEGMENT_LIMIT_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk
