"""What an isolate's home does by itself: what it writes over, and how it cuts batches."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.isolate.home import MESSAGE_LIMIT_BYTES, is_news, messages
from tests.conformance.trust.publisher import LIVE, manifest, second_root, signed_root
from tests.conformance.trust.publisher import ROOT as ROOT_KEY


def test_what_is_there_already_is_not_written_again() -> None:
    assert is_news(manifest(), None)
    assert not is_news(manifest(), manifest())
    assert not is_news(LIVE, LIVE)


def test_an_isolate_that_is_behind_does_not_lower_the_floor() -> None:
    older, newer = manifest(sequence=7), manifest(sequence=8)
    assert is_news(newer, older)
    assert not is_news(older, newer)
    assert is_news(manifest(epoch=2, sequence=0), newer)


def test_what_is_kept_and_makes_no_sense_is_written_over() -> None:
    for nonsense in (b"", b"a.b.c", b"damaged", manifest()[:-9] + b".", b"\xff.\xff.\xff"):
        assert is_news(LIVE, nonsense)
    assert is_news(manifest(), b"a.b")
    assert is_news(second_root(), signed_root(ROOT_KEY))


@given(st.lists(st.integers(2, 70_000), max_size=40))
def test_a_batch_is_cut_into_messages_and_loses_nothing(sizes: list[int]) -> None:
    batch = [msgspec.Raw(b'"' + b"x" * (size - 2) + b'"') for size in sizes]
    cut = list(messages(batch))
    events = [event for message in cut for event in msgspec.json.decode(message, type=list[str])]
    assert events == [msgspec.json.decode(event) for event in batch]
    assert all(len(message) <= MESSAGE_LIMIT_BYTES for message in cut)
    assert all(len(a) + len(b) > MESSAGE_LIMIT_BYTES for a, b in pairwise(cut))
