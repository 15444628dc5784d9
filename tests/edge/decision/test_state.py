"""The state cookie and the manifest block: round trips, limits, garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision.errors import RequestError, StateError
from edge.decision.manifest import ManifestBlock, pack_manifest, unpack_manifest
from edge.decision.state import (
    ENTRY_LIMIT,
    SIZE_LIMIT,
    CapCount,
    Kept,
    State,
    count_exposure,
    keep_choice,
    pack_state,
    trim,
    unpack_state,
    window_index,
)
from tests.support.decoding import accepted

U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
CAPS = st.builds(CapCount, U32, U32, U32)
KEPT = st.builds(Kept, U32, U16, U16, U32, U32, st.binary(min_size=16, max_size=16))
STATES = st.builds(
    State,
    caps=st.lists(CAPS, max_size=20).map(tuple),
    kept=st.lists(KEPT, max_size=20).map(tuple),
    overflow=st.booleans(),
)
KEYS = st.sets(U32, max_size=4).map(lambda keys: tuple(sorted(keys)))
BLOCKS = st.builds(
    ManifestBlock,
    digest=st.binary(min_size=32, max_size=32),
    issued_s=st.integers(-(2**63), 2**63 - 1),
    expires_s=st.integers(-(2**63), 2**63 - 1),
    all_paused=st.booleans(),
    paused_offers=KEYS,
    paused_rungs=KEYS,
    paused_placements=KEYS,
    multipliers=st.dictionaries(U32, st.integers(0, 1 << 24), max_size=4).map(
        lambda by_key: tuple(sorted(by_key.items()))
    ),
)


@given(STATES)
def test_a_state_that_is_packed_is_read_back(state: State) -> None:
    fits = trim(state, {cap.key: cap.window for cap in state.caps})
    assert unpack_state(pack_state(fits)) == fits


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda b: b"\0\0\1\1" + b))
def test_any_bytes_are_a_state_or_refused(data: bytes) -> None:
    state = accepted(unpack_state, data, codes=StateError.CODES)
    assert state is None or pack_state(state) == data


@given(STATES, st.dictionaries(U32, U32, max_size=5))
def test_a_trimmed_state_fits_and_says_when_it_dropped_something(
    state: State, current: dict[int, int]
) -> None:
    current |= {cap.key: cap.window for cap in state.caps[::2]}
    fits = trim(state, current)
    alive = [cap for cap in state.caps if current.get(cap.key) == cap.window]
    assert len(pack_state(fits)) <= SIZE_LIMIT
    assert len(fits.caps) + len(fits.kept) <= ENTRY_LIMIT
    dropped = len(fits.caps) < len(alive) or len(fits.kept) < len(state.kept)
    assert fits.overflow == (state.overflow or dropped)
    assert set(fits.caps) <= set(alive) and set(fits.kept) <= set(state.kept)


def test_the_least_counts_go_first() -> None:
    caps = tuple(CapCount(key, 0, key % 50 + 1) for key in range(60))
    fits = trim(State(caps=caps), dict.fromkeys(range(60), 0))
    assert fits.overflow
    assert len(fits.caps) == ENTRY_LIMIT
    least = min(cap.count for cap in fits.caps)
    assert all(cap.count <= least for cap in set(caps) - set(fits.caps))


def test_ended_windows_go_without_a_trace() -> None:
    state = State(caps=(CapCount(1, 5, 9), CapCount(2, 6, 1)))
    assert trim(state, {1: 6, 2: 6}) == State(caps=(CapCount(2, 6, 1),))


def test_an_exposure_counts_on_in_its_window_and_starts_a_new_one_at_one() -> None:
    state = count_exposure(count_exposure(State(), 7, 3), 7, 3)
    assert state.caps == (CapCount(7, 3, 2),)
    assert count_exposure(state, 7, 4).caps == (CapCount(7, 4, 1),)
    assert count_exposure(state, 8, 4).count(7, 3) == 2


def test_a_kept_choice_replaces_the_one_of_its_slot_only() -> None:
    old, other = Kept(1, 0, 0, 5, 9, bytes(16)), Kept(1, 1, 0, 5, 9, bytes(16))
    new = Kept(1, 0, 1, 6, 8, bytes(16))
    state = keep_choice(State(kept=(old, other)), new)
    assert state.kept == (other, new)
    assert state.choice(1, 0, 6) == new
    assert state.choice(1, 0, 5) is None


def test_windows_tumble_and_a_cap_without_period_has_one() -> None:
    assert [window_index(now_s, 3600) for now_s in (3599, 3600, 7199)] == [0, 1, 1]
    assert window_index(10**9, 0) == 0


@pytest.mark.parametrize("size", [0, 3, 1201])
def test_states_of_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(StateError, match="SIZE"):
        unpack_state(bytes(size))


@given(BLOCKS)
def test_a_manifest_block_that_is_packed_is_read_back(block: ManifestBlock) -> None:
    assert unpack_manifest(pack_manifest(block)) == block


@given(BLOCKS, st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.binary(max_size=3))
def test_a_broken_manifest_block_is_refused_or_another_one(
    block: ManifestBlock, place: float, cut: int, noise: bytes
) -> None:
    data = pack_manifest(block)
    where = int(place * len(data))
    changed = data[:where] + noise + data[where + cut :]
    other = accepted(unpack_manifest, changed, codes=("ENCODING",))
    assert other is None or pack_manifest(other) == changed


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_no_manifest_block(data: bytes) -> None:
    with pytest.raises(RequestError):
        unpack_manifest(data)
