"""One spelling of each byte, and one meaning of each JSON."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision.errors import TrustError
from edge.decision.jws import (
    HEADER_LIMIT_BYTES,
    Header,
    from_base64url,
    read_compact,
    read_json,
    to_base64url,
)


@given(st.binary(max_size=100))
def test_bytes_come_back_from_base64url(data: bytes) -> None:
    text = to_base64url(data)
    assert from_base64url(text) == data
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=")


@given(st.text(alphabet="AQgwBx-_+/= \n.\xff", max_size=12))
def test_a_text_is_either_the_one_spelling_or_refused(text: str) -> None:
    spelled = text.encode("latin-1")
    try:
        data = from_base64url(spelled)
    except ValueError:
        return
    assert to_base64url(data) == spelled


@pytest.mark.parametrize("text", [b"A", b"AB", b"AA=", b"AA==", b"A A", b"AA\n", b"+/AA", b"\xff"])
def test_other_spellings_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        from_base64url(text)


def test_a_key_given_twice_is_named() -> None:
    with pytest.raises(ValueError, match="'typ' is given twice"):
        read_json(b'{"alg":"a","typ":"b","kid":"c","typ":"d"}', Header)


def test_a_header_of_512_bytes_is_read_and_none_longer() -> None:
    def file(size_bytes: int) -> bytes:
        header = b'{"alg":"Ed25519","typ":"t","kid":"k"}'
        part = to_base64url(header.ljust(size_bytes * 3 // 4))
        assert len(part) == size_bytes
        return part + b".e30.AAAA"

    assert read_compact(file(HEADER_LIMIT_BYTES), "t").payload == b"{}"
    with pytest.raises(TrustError, match="513 bytes"):
        read_compact(b"A" + file(HEADER_LIMIT_BYTES), "t")
