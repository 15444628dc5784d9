"""Verdicts and records: what is written is read, and records replay to the byte."""

from __future__ import annotations

import struct
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.decision import beacon
from edge.decision.beacon import (
    Record,
    Row,
    Track,
    decision_id,
    pack_record,
    pack_verdict,
    unpack_record,
    unpack_verdict,
)
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import encode_request
from tests.support.decoding import accepted
from tests.support.policies import random_bundle
from tests.support.requests import RequestMaker

U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
DIGEST = st.binary(min_size=32, max_size=32)
TRACKS = st.builds(
    Track,
    arm=U32,
    tickets=U32,
    draw=st.integers(0, 2),
    reason=st.integers(1, 11),
    listed=st.lists(st.tuples(U32, U32), max_size=5).map(tuple),
    candidates=U32,
)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    shown = draw(TRACKS)
    ghost = shown if draw(st.booleans()) else draw(TRACKS)
    flags = draw(st.integers(0, 63)) | (beacon.EQUAL if ghost == shown else 0)
    return Row(
        placement=draw(U16), slot=draw(st.integers(0, 255)), flags=flags, epoch=draw(U32),
        redraw=draw(U16), shown=shown, ghost=ghost,
        drawn_by=draw(st.binary(min_size=16, max_size=16)),
    )  # fmt: skip


VERDICTS = st.lists(rows(), max_size=4).map(tuple)
RECORDS = st.builds(
    Record,
    bundle_digest=DIGEST,
    manifest_digest=DIGEST,
    manifest_block=st.binary(max_size=30),
    request=st.binary(max_size=30),
    verdict=st.binary(max_size=30),
)


@cache
def bundle() -> Bundle:
    return random_bundle(8)


@cache
def records() -> list[bytes]:
    maker = RequestMaker(bundle(), 8)
    return [_recorded(maker) for _ in range(60)]


def _recorded(maker: RequestMaker) -> bytes:
    block = maker.manifest()
    manifest, request = pack_manifest(block), encode_request(bundle(), maker.request().text).data
    return pack_record(
        Record(
            bundle_digest=bundle().digest,
            manifest_digest=block.digest,
            manifest_block=manifest,
            request=request,
            verdict=decide(bundle(), manifest, request),
        )
    )


@given(VERDICTS)
def test_a_verdict_that_is_packed_is_read_back(verdict: tuple[Row, ...]) -> None:
    assert unpack_verdict(pack_verdict(verdict)) == verdict


@given(RECORDS)
def test_a_record_that_is_packed_is_read_back(record: Record) -> None:
    assert unpack_record(pack_record(record)) == record


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_neither(data: bytes) -> None:
    for read in (unpack_verdict, unpack_record):
        with pytest.raises(RequestError):
            read(data)


@settings(max_examples=200)
@given(
    at=st.integers(0, 59),
    place=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 3),
    noise=st.binary(max_size=3),
)
def test_broken_verdicts_are_refused_or_written_just_so(
    at: int, place: float, cut: int, noise: bytes
) -> None:
    data = unpack_record(records()[at]).verdict
    where = int(place * len(data))
    changed = data[:where] + noise + data[where + cut :]
    verdict = accepted(unpack_verdict, changed, codes=("ENCODING",))
    assert verdict is None or pack_verdict(verdict) == changed


@given(at=st.integers(0, 59), place=st.floats(0, 1, exclude_max=True))
def test_truncated_records_are_refused(at: int, place: float) -> None:
    data = records()[at]
    with pytest.raises(RequestError):
        unpack_record(data[: int(place * len(data))])


def test_a_record_replays_to_the_same_bytes() -> None:
    for data in records():
        record = unpack_record(data)
        assert record.bundle_digest == bundle().digest
        assert decide(bundle(), record.manifest_block, record.request) == record.verdict


def test_a_row_is_as_drawn() -> None:
    shown = Track(arm=2, tickets=3, draw=1, reason=1, listed=((0, 5), (2, 3)), candidates=7)
    row = Row(
        placement=1, slot=4, flags=beacon.HOLDOUT, epoch=6, redraw=8, shown=shown,
        ghost=Track(reason=5), drawn_by=bytes(range(16)),
    )  # fmt: skip
    data = pack_verdict((row,))
    assert struct.unpack_from("<4sHHII", data) == (b"PRVD", 0, 1, 2, 0)
    assert struct.unpack_from("<HBBIHH", data, 16) == (1, 4, 2, 6, 8, 0)
    assert struct.unpack_from("<IIBBHI", data, 28) == (2, 3, 1, 1, 2, 7)
    assert struct.unpack_from("<IIBBHI", data, 44) == (0, 0, 0, 5, 0, 0)
    assert data[60:76] == bytes(range(16))
    assert struct.unpack_from("<IIIII", data, 76) == (0, 0, 5, 2, 3)


def test_lists_that_rows_do_not_own_or_lack_are_refused() -> None:
    data = pack_verdict((Row(placement=0, slot=0, shown=Track(), ghost=Track(), flags=64),))
    more = data[:8] + struct.pack("<I", 1) + data[12:] + bytes(8)
    claimed = data[:38] + struct.pack("<H", 1) + data[40:]
    for wrong in (more, claimed):
        with pytest.raises(RequestError):
            unpack_verdict(wrong)


def test_a_decision_is_named_by_its_inputs_and_its_slot() -> None:
    expected = sha256(b"B" * 32 + b"M" * 32 + b"req" + b"\x02\x01\x03\x00").digest()[:16]
    assert decision_id(b"B" * 32, b"M" * 32, b"req", 258, 3) == expected
    others = {
        decision_id(b"C" * 32, b"M" * 32, b"req", 258, 3),
        decision_id(b"B" * 32, b"N" * 32, b"req", 258, 3),
        decision_id(b"B" * 32, b"M" * 32, b"rex", 258, 3),
        decision_id(b"B" * 32, b"M" * 32, b"req", 259, 3),
        decision_id(b"B" * 32, b"M" * 32, b"req", 258, 4),
    }
    assert len(others | {expected}) == 6
