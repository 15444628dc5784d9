"""The encoded request: one encoding for each request, and nothing that crashes it."""

from __future__ import annotations

import json
import struct
import time
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.hashing import is_part
from edge.decision.manifest import pack_manifest
from edge.decision.request import (
    INVALID,
    NUMBER,
    SETS,
    STRINGS,
    Held,
    Request,
    Taken,
    pack_request,
    unpack_request,
)
from edge.decision.request_json import encode_request
from edge.decision.state import CapCount, Kept, State
from tests.support.decoding import accepted
from tests.support.policies import random_bundle
from tests.support.requests import RequestMaker

U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
UNIT = st.text(min_size=1, max_size=20).filter(is_part)
STRING = st.binary(max_size=20)
HELD = st.one_of(
    st.builds(Held, U16, st.just(NUMBER), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Held, U16, st.just(INVALID), st.just(0)),
    st.builds(Held, U16, st.just(STRINGS), STRING),
    st.builds(Held, U16, st.just(SETS), st.sets(STRING).map(lambda each: tuple(sorted(each)))),
)
STATES = st.builds(
    State,
    caps=st.lists(st.builds(CapCount, U32, U32, U32), max_size=4).map(tuple),
    kept=st.lists(
        st.builds(Kept, U32, U16, U16, U32, U32, st.binary(min_size=16, max_size=16)), max_size=4
    ).map(tuple),
    overflow=st.booleans(),
)
REQUESTS = st.builds(
    Request,
    consent=st.integers(0, 2),
    now_s=U32,
    visitor=st.just("") | UNIT,
    customer=st.just("") | UNIT,
    nonce=UNIT,
    locale=st.just("") | UNIT,
    placements=st.sets(U16, max_size=5).map(lambda rows: tuple(sorted(rows))),
    taken=st.lists(st.builds(Taken, U16, U16, U32), max_size=4).map(tuple),
    attributes=st.lists(HELD, max_size=6, unique_by=lambda held: held.attribute).map(
        lambda held: tuple(sorted(held, key=lambda one: one.attribute))
    ),
    state=st.none() | STATES,
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)


@cache
def bundle() -> Bundle:
    return random_bundle(4)


@cache
def real_requests() -> list[bytes]:
    maker = RequestMaker(bundle(), 4)
    return [encode_request(bundle(), maker.request().text).data for _ in range(20)]


@settings(max_examples=100)
@given(REQUESTS)
def test_what_is_packed_is_read_back(request: Request) -> None:
    data = pack_request(request)
    assert unpack_request(data) == request


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(RequestError):
        unpack_request(data)


@settings(max_examples=200)
@given(
    at=st.integers(0, 19),
    place=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 4),
    noise=st.binary(max_size=4),
)
def test_broken_bytes_are_refused_or_are_the_one_encoding_of_another_request(
    at: int, place: float, cut: int, noise: bytes
) -> None:
    data = real_requests()[at]
    where = int(place * len(data))
    changed = data[:where] + noise + data[where + cut :]
    request = accepted(unpack_request, changed, codes=("ENCODING",))
    assert request is None or pack_request(request) == changed


@settings(max_examples=200)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), at=st.integers(0, 19))
def test_deciding_on_broken_bytes_gives_a_verdict_or_a_request_error(
    place: float, bits: int, at: int
) -> None:
    data = bytearray(real_requests()[at])
    data[int(place * len(data))] ^= bits
    manifest = pack_manifest(RequestMaker(bundle(), at).manifest())
    verdict = accepted(decide, bundle(), manifest, bytes(data), codes=("ENCODING",))
    assert verdict is None or verdict[:4] == b"PRVD"


def test_a_request_for_another_bundle_is_refused_when_its_rows_do_not_fit() -> None:
    row = len(bundle().placement_rows)
    request = Request(consent=0, now_s=1, visitor="ada", nonce="n", placements=(row,))
    with pytest.raises(RequestError, match="another bundle"):
        decide(bundle(), pack_manifest(RequestMaker(bundle(), 0).manifest()), pack_request(request))


def test_the_header_is_as_drawn() -> None:
    request = Request(
        consent=1, now_s=7, visitor="ada", nonce="né", locale="de", placements=(2, 5),
        taken=(Taken(2, 1, 9),), attributes=(Held(3, STRINGS, b"xy"),), state=State(overflow=True),
    )  # fmt: skip
    data = pack_request(request)
    head = struct.unpack_from("<4sBBBBqHHHHHHHHHHI", data)
    assert head == (b"PRRQ", 0, 1, 3, 0, 7, 3, 0, 3, 2, 2, 1, 1, 0, 0, 0, 10)
    assert data[40:48] == bytes([2, 0, 0, 0, 5, 0, 0, 0])
    assert struct.unpack_from("<HHI", data, 48) == (2, 1, 9)
    assert struct.unpack_from("<HBBIq", data, 56) == (3, STRINGS, 0, 2, 8)
    assert data[72:] == "adanédexy".encode()


def test_a_request_of_more_than_64_kib_is_refused() -> None:
    held = tuple(Held(row, STRINGS, bytes(1000)) for row in range(70))
    with pytest.raises(RequestError) as refused:
        pack_request(Request(consent=0, now_s=1, nonce="n", placements=(0,), attributes=held))
    assert refused.value.code == "SIZE"


@settings(max_examples=100)
@given(JSON, st.sampled_from(["attributes", "state", "taken", "placements", "visitor", "now_s"]))
def test_any_json_is_encoded_or_refused(value: Any, field: str) -> None:
    fields = {"visitor": "ada", "nonce": "n", "consent": "full", "now_s": 1, "placements": ["p"]}
    for whole in (value, fields | {field: value}):
        text = json.dumps(whole).encode()
        encoded = accepted(encode_request, bundle(), text, codes=("JSON", "FIELD"))
        assert encoded is None or pack_request(unpack_request(encoded.data)) == encoded.data


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda s: s.encode(errors="replace")))
def test_any_text_is_refused_unless_it_is_a_request(text: bytes) -> None:
    with pytest.raises(RequestError):
        encode_request(bundle(), text)


@settings(max_examples=100)
@given(content=JSON)
def test_any_content_of_an_attribute_makes_at_most_that_attribute_invalid(content: Any) -> None:
    names = list(bundle().attribute_rows)
    fields = {"nonce": "n", "consent": "contextual", "now_s": 1, "placements": ["p"]}
    text = json.dumps(fields | {"attributes": dict.fromkeys(names, content)})
    if "NaN" in text or "Infinity" in text:
        return
    request = unpack_request(encode_request(bundle(), text.encode()).data)
    assert len(request.attributes) == (0 if content is None else len(names))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":"' + '\\"' * 32_000,
        '"' * 65_000,
        "[" * 65_000,
        '{"a":' * 13_000,
        "-" * 65_000,
        "1" * 65_000,
        '{"a": 1' + "0" * 65_000 + "}",
        "\\" * 65_000,
    ],
    ids=["escapes", "quotes", "brackets", "objects", "minus", "digits", "long number", "slashes"],
)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    """Quadratic reading of any of these would take many seconds."""
    started = time.monotonic()
    with pytest.raises(RequestError):
        encode_request(bundle(), text.encode())
    assert time.monotonic() - started < 2
