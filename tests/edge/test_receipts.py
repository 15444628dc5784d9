"""Receipts by themselves: what they carry, and how a state moves with them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.decision.beacon import DEFAULT, EQUAL, FRESH, HOLDOUT, KEPT, SESSION, Row, Track
from edge.decision.bundle import open_bundle
from edge.decision.state import CapCount, Kept, State, pack_state
from edge.receipts import LIFE_S, Receipt, advance, fit, read_receipt, receipt_of, write_receipt
from tests.support.edges import pocket_bundle

SECRET = b"s" * 32
ANN = "a" * 32
NOW_S = 1_790_000_000
DRAW, AGAIN = b"d" * 16, b"e" * 16
BUNDLE = open_bundle(pocket_bundle())
U32, NAMES = st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16)
TEN = BUNDLE.arm_rows["ten/p10"]
SIDE = BUNDLE.placement_rows["side"]


def a_row(
    track: Track, flags: int = EQUAL, ghost: Track | None = None, drawn_by: bytes = b""
) -> Row:
    return Row(
        placement=SIDE, slot=0, flags=flags, epoch=7, redraw=2,
        shown=track, ghost=ghost or track, drawn_by=drawn_by or bytes(16),
    )  # fmt: skip


def receipt(
    decision: bytes = DRAW, drawn_by: bytes = DRAW, window: int = 5, epoch: int = 7
) -> Receipt:
    kept = Kept(1, 0, 0, epoch, 99, drawn_by)
    return Receipt(decision=decision, kept=kept, issued_s=NOW_S, caps=((11, window),))


def test_a_fresh_draw_is_kept_by_its_own_name() -> None:
    made = receipt_of(BUNDLE, a_row(Track(arm=TEN, draw=FRESH)), DRAW, NOW_S)
    assert made is not None
    key = BUNDLE.tables.placement_key[SIDE]
    assert made.kept == Kept(key, 0, 2, 7, BUNDLE.tables.rung_key[TEN - 1], DRAW)
    assert made.caps == ((BUNDLE.tables.cap_key[0], NOW_S // 86_400),)


def test_an_arm_shown_again_stays_kept_by_the_name_of_its_draw() -> None:
    made = receipt_of(BUNDLE, a_row(Track(arm=TEN, draw=KEPT), drawn_by=DRAW), AGAIN, NOW_S)
    assert made is not None
    assert (made.decision, made.kept.drawn_by) == (AGAIN, DRAW)


def test_a_held_out_unit_carries_what_the_ghost_drew() -> None:
    row = a_row(Track(), flags=HOLDOUT, ghost=Track(arm=TEN, draw=FRESH))
    made = receipt_of(BUNDLE, row, DRAW, NOW_S)
    assert made is not None and made.kept.arm_key == BUNDLE.tables.rung_key[TEN - 1]


def test_none_that_won_is_kept_and_counts_under_no_cap() -> None:
    made = receipt_of(BUNDLE, a_row(Track(arm=0, draw=FRESH)), DRAW, NOW_S)
    assert made is not None
    assert (made.kept.arm_key, made.caps) == (0, ())


def test_where_nothing_was_drawn_or_nobody_is_known_there_is_no_receipt() -> None:
    assert receipt_of(BUNDLE, a_row(Track(draw=DEFAULT)), DRAW, NOW_S) is None
    session = a_row(Track(arm=TEN, draw=FRESH), flags=EQUAL | SESSION)
    assert receipt_of(BUNDLE, session, DRAW, NOW_S) is None


@given(
    st.builds(
        Receipt,
        decision=NAMES,
        kept=st.builds(
            Kept,
            U32, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), U32, U32, NAMES,
        ),
        issued_s=st.just(NOW_S),
        caps=st.lists(st.tuples(U32, U32), max_size=20)
        .map(tuple),
    )
)  # fmt: skip
def test_a_receipt_comes_back_as_it_was_written(made: Receipt) -> None:
    text = write_receipt(SECRET, ANN, made)
    assert read_receipt(SECRET, ANN, text, NOW_S) == made
    assert read_receipt(SECRET, "b" * 32, text, NOW_S) is None
    assert read_receipt(b"o" * 32, ANN, text, NOW_S) is None


def test_a_receipt_counts_from_its_issue_for_a_day() -> None:
    text = write_receipt(SECRET, ANN, receipt())
    alive = [read_receipt(SECRET, ANN, text, NOW_S + age) is not None for age in (-61, -60, 0)]
    assert alive == [False, True, True]
    assert read_receipt(SECRET, ANN, text, NOW_S + LIFE_S - 1) is not None
    assert read_receipt(SECRET, ANN, text, NOW_S + LIFE_S) is None


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert read_receipt(SECRET, ANN, text, NOW_S) is None


def test_a_draw_counts_once_however_often_it_is_told() -> None:
    once = advance(State(), receipt())
    assert advance(once, receipt()) == once
    assert once.caps == (CapCount(11, 5, 1),)


def test_showing_a_kept_arm_again_counts_again_and_keeps_its_draw() -> None:
    twice = advance(advance(State(), receipt()), receipt(decision=AGAIN))
    assert twice.caps == (CapCount(11, 5, 2),)
    assert [kept.drawn_by for kept in twice.kept] == [DRAW]


def test_an_old_receipt_does_not_bring_back_an_earlier_window() -> None:
    state = State(caps=(CapCount(11, 6, 3),))
    assert advance(state, receipt(window=5)).caps == (CapCount(11, 6, 3),)


def test_a_new_window_takes_the_place_of_the_old_one() -> None:
    state = State(caps=(CapCount(11, 4, 3),))
    assert advance(state, receipt(window=5)).caps == (CapCount(11, 5, 1),)


@given(
    st.lists(
        st.builds(CapCount, st.integers(0, 99), st.integers(0, 3), st.integers(1, 9)), max_size=90
    )
)
def test_a_state_fits_also_while_no_policy_says_what_its_windows_are(caps: list[CapCount]) -> None:
    assert len(pack_state(fit(State(caps=tuple(caps)), None, NOW_S))) <= 1200


def test_ended_windows_are_dropped_by_the_policys_own_periods() -> None:
    key, day = BUNDLE.tables.cap_key[0], NOW_S // 86_400
    state = State(caps=(CapCount(key, day - 1, 3), CapCount(1, 1, 1)))
    assert fit(state, BUNDLE, NOW_S).caps == ()
    assert fit(State(caps=(CapCount(key, day, 3),)), BUNDLE, NOW_S).caps == (CapCount(key, day, 3),)
