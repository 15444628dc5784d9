"""Whether an event is about somebody: in every format, and however it is written."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.rights.mentions import Mentions
from control_plane.rights.subjects import Subject

LONG, SHORT = "visitor-4f2a91", "7"
PERSON = Subject(visitors=[LONG], customers=[SHORT])


def mentions(value: Any) -> bool:
    return Mentions(PERSON)(value if isinstance(value, bytes) else msgspec.json.encode(value))


@pytest.mark.parametrize(
    "event",
    [
        {"data": {"visitor": LONG}},
        {"data": {"customer": SHORT}},
        {"client_id": LONG, "events": []},
        {"user_id": 7},
        {"anonymousId": LONG, "type": "track"},
        {"userId": SHORT},
        {"context": {"page": {"url": f"https://shop.example/?v={LONG}"}}},
        {LONG: 1},
        {"id": f"exposure-{LONG}"},
        json.dumps({"visitor": LONG}).replace("v", "\\u0076").encode(),
        b'{"visitor": "%s", ' % LONG.encode(),
        b"\xff\x00" + LONG.encode(),
        b'{"customer": "7"',
        b"\x00" + base64.b64encode(b"?" + LONG.encode() + b"??"),
    ],
    ids=str,
)
def test_these_are_about_the_person(event: Any):
    assert mentions(event)


@pytest.mark.parametrize(
    "event",
    [
        {"data": {"visitor": LONG[:-1]}},
        {"data": {"customer": "77"}},
        {"data": {"slot": 7, "quantity": "7"}},
        {"user_id": 70},
        {"user_id": True},
        b'{"quantity": 7, ',
        b"",
        b"[]",
    ],
    ids=str,
)
def test_these_are_not(event: Any):
    assert not mentions(event)


def test_what_an_event_tells_leads_to_others():
    search = Mentions(PERSON)
    returned = msgspec.json.encode({"data": {"order_id": "o1", "return_id": "r1"}})
    assert not search(returned)
    assert search(msgspec.json.encode({"data": {"order_id": "o1", "visitor": LONG}}))
    assert search(returned) and search.orders == {"o1"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(JSON, st.text(max_size=5), st.text(max_size=5), st.booleans())
def test_a_long_id_is_found_wherever_it_stands(value: Any, before: str, after: str, ascii: bool):
    hidden = {"a": [value, {"b": before + LONG + after}]}
    assert mentions(json.dumps(hidden, ensure_ascii=ascii).encode(errors="replace"))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_long_id_is_found_in_bytes_packed_or_not(before: bytes, after: bytes):
    whole = before + LONG.encode() + after
    assert mentions(b"\x00" + whole)
    assert mentions(b"\x00" + base64.b64encode(whole))


@given(st.binary(max_size=200))
def test_bytes_of_strangers_break_nothing(data: bytes):
    assert mentions(data + LONG.encode()) and mentions(data) in (True, False)
