"""The bundle's format: what is written is read, and what is broken is refused."""

from __future__ import annotations

import struct
import time
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.decision import tables as t
from edge.decision.bundle import FORMAT, Bundle, open_bundle, write_bundle
from edge.decision.decide import decide
from edge.decision.errors import BundleError, RequestError
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import encode_request
from edge.decision.tables import COLUMNS, Tables
from policy_compiler.emit import emit
from tests.support.bundles import tiny_bundle
from tests.support.decoding import accepted
from tests.support.policies import random_plan
from tests.support.requests import RequestMaker

SEEDS = st.integers(0, 5)


@cache
def a_bundle(seed: int) -> bytes:
    return emit(random_plan(seed))


@cache
def questions(seed: int) -> list[tuple[bytes, bytes]]:
    """(manifest block, JSON text) that suit the bundle."""
    maker = RequestMaker(open_bundle(a_bundle(seed)), seed)
    return [(pack_manifest(maker.manifest()), maker.request().text) for _ in range(4)]


def tables_of(bundle: Bundle) -> dict[str, list[int]]:
    return {name: list(getattr(bundle.tables, name)) for name in COLUMNS}


@pytest.mark.parametrize("seed", range(25))
def test_a_bundle_that_is_opened_and_written_again_is_the_same(seed: int) -> None:
    data = a_bundle(seed)
    assert write_bundle(open_bundle(data).tables) == data


def test_columns_come_back_as_they_were() -> None:
    plain = tables_of(open_bundle(a_bundle(1)))
    assert tables_of(open_bundle(write_bundle(Tables(**plain | _blobs(plain))))) == plain


def _blobs(plain: dict[str, list[int]]) -> dict[str, bytes]:
    return {"heap": bytes(plain["heap"]), "notes": bytes(plain["notes"])}


def test_the_preamble_and_the_section_table_are_as_drawn() -> None:
    data = a_bundle(2)
    magic, version, sections, size, zero = struct.unpack_from("<4sHHII", data)
    assert (magic, version, size, zero) == (b"PRFR", 0x0100, len(data), 0)
    end, last = 16 + 12 * sections, 0
    for i in range(sections):
        number, code, pad, offset, count = struct.unpack_from("<HBBII", data, 16 + 12 * i)
        assert number > last and pad == 0 and count > 0
        assert offset == (end + 7) // 8 * 8
        assert not any(data[end:offset])
        end, last = offset + count * (1, 2, 4, 1, 2, 4, 8)[code], number
    assert end == len(data)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([0, 255], 0),
        ([-1, 127], 3),
        ([256], 1),
        ([-1, 128], 4),
        ([65536], 2),
        ([-1, 40000], 5),
        ([2**32], 6),
        ([-(2**31) - 1], 6),
    ],
)
def test_a_column_takes_the_narrowest_type_that_holds_it(values: list[int], code: int) -> None:
    data = write_bundle(Tables(head=values))
    assert struct.unpack_from("<HB", data, 16) == (1, code)


@given(seed=SEEDS, size=st.floats(0, 1, exclude_max=True))
def test_a_truncated_bundle_is_refused(seed: int, size: float) -> None:
    data = a_bundle(seed)
    with pytest.raises(BundleError):
        open_bundle(data[: int(size * len(data))])


@given(seed=SEEDS, more=st.binary(min_size=1, max_size=40))
def test_a_bundle_with_bytes_after_its_end_is_refused(seed: int, more: bytes) -> None:
    with pytest.raises(BundleError):
        open_bundle(a_bundle(seed) + more)


@settings(max_examples=200)
@given(
    seed=SEEDS,
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
)
def test_a_bundle_with_flipped_bits_is_refused_or_decides_without_failing(
    seed: int, flips: list[tuple[float, int]]
) -> None:
    """What `open_bundle` lets pass may mean anything, but never fails a decision."""
    data = bytearray(a_bundle(seed))
    tables_end = len(data) - len(open_bundle(a_bundle(seed)).tables.notes)
    for place, bits in flips:
        data[int(place * tables_end)] ^= bits
    bundle = accepted(open_bundle, bytes(data), codes=BundleError.CODES)
    for manifest, text in questions(seed) if bundle else ():
        request = accepted(encode_request, bundle, text, codes=RequestError.CODES)
        verdict = request and accepted(decide, bundle, manifest, request.data, codes=("ENCODING",))
        assert verdict is None or verdict[:4] == b"PRVD"


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_bundle(data: bytes) -> None:
    with pytest.raises(BundleError):
        open_bundle(data)
    with pytest.raises(BundleError):
        open_bundle(struct.pack("<4sHHII", b"PRFR", FORMAT, 9, 16 + len(data), 0) + data)


@settings(max_examples=100)
@given(seed=SEEDS, cut=st.floats(0, 1, exclude_max=True), noise=st.binary(max_size=30))
def test_broken_notes_are_refused(seed: int, cut: float, noise: bytes) -> None:
    bundle = open_bundle(a_bundle(seed))
    notes = bytes(bundle.tables.notes)
    at = int(cut * len(notes))
    broken = _with_notes(bundle, notes[:at] + noise + notes[at + len(noise) :])
    opened = accepted(open_bundle, broken, codes=("TEXT",))
    assert opened is None or len(opened.notes.offers) == bundle.rows["offer"]


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x91" * 200_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa5title\xa2\xff\xff",
        b"",
        msgspec.msgpack.encode({"title": "x"}),
    ],
    ids=["deep", "long list", "long map", "no UTF-8", "nothing", "too little"],
)
def test_hostile_notes_are_refused_at_once(hostile: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(BundleError) as refused:
        open_bundle(_with_notes(open_bundle(tiny_bundle()), hostile))
    assert refused.value.code == "TEXT"
    assert time.monotonic() - started < 2


def _with_notes(bundle: Bundle, notes: bytes) -> bytes:
    return write_bundle(msgspec.structs.replace(bundle.tables, notes=notes))


def broken(**columns: object) -> bytes:
    """A real bundle with some columns replaced."""
    return write_bundle(msgspec.structs.replace(open_bundle(a_bundle(0)).tables, **columns))


def test_each_refusal_names_its_kind() -> None:
    tables = open_bundle(a_bundle(0)).tables
    booleans = [
        2 if kind == t.BOOL else high
        for kind, high in zip(tables.attribute_type, tables.attribute_high, strict=True)
    ]
    cases = {
        "MAGIC": b"PRFX" + a_bundle(0)[4:],
        "FORMAT": a_bundle(0)[:4] + b"\x01\x01" + a_bundle(0)[6:],
        "SIZE": a_bundle(0)[:-1],
        "COLUMN": broken(placement_slots=[17] * len(tables.placement_slots)),
        "TABLE": broken(placement_rank=list(tables.placement_rank)[:-1]),
        "MEANING": broken(attribute_high=booleans),
    }
    for code, data in cases.items():
        with pytest.raises(BundleError) as refused:
            open_bundle(data)
        assert refused.value.code == code
        assert refused.value.detail


def test_words_and_names_are_found_by_text() -> None:
    bundle = open_bundle(a_bundle(3))
    assert bundle.tenant == "made-up"
    assert bundle.arm_rows["none"] == 0
    for name, arm in bundle.arm_rows.items():
        assert bundle.arm_name(arm) == name
        assert arm == 0 or arm in bundle.arms(bundle.tables.rung_offer[arm - 1])
    assert not bundle.attribute_rows.keys() & {"b.age", "b.gap", "b.both"}
