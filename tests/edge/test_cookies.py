"""Cookies that the edge knows again, and everything else that it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cookies import (
    STATE_COOKIE,
    VISITOR_COOKIE,
    forget_cookies,
    mac,
    read_cookies,
    read_state,
    read_visitor,
    seal,
    state_cookie,
    unseal,
    visitor_cookie,
)
from edge.decision.state import CapCount, Kept, State

SECRET, OTHER = b"s" * 32, b"o" * 32
ANN, BOB = "a" * 32, "b" * 32
STATE = State(caps=(CapCount(1, 2, 3),), kept=(Kept(4, 0, 1, 5, 6, b"d" * 16),), overflow=True)


def sent_back(set_cookie: str) -> dict[str, str]:
    """The cookie as a browser returns it."""
    return read_cookies(set_cookie.partition(";")[0])


def test_a_visitor_is_known_again() -> None:
    assert read_visitor(SECRET, sent_back(visitor_cookie(SECRET, ANN))) == ANN


def test_a_state_comes_back_with_the_time_it_was_issued() -> None:
    remembered = read_state(SECRET, sent_back(state_cookie(SECRET, ANN, STATE, 1_790_000_000)), ANN)
    assert remembered is not None
    assert (remembered.state, remembered.issued_s) == (STATE, 1_790_000_000)


@pytest.mark.parametrize(
    "cookie", [visitor_cookie(SECRET, ANN), state_cookie(SECRET, ANN, STATE, 1)]
)
def test_cookies_belong_to_one_host_and_to_no_script(cookie: str) -> None:
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"} == attributes
    assert cookie.startswith("__Host-")


def test_a_full_state_fits_into_a_cookie() -> None:
    kept = tuple(Kept(k, 0, 0, 0, 0, bytes(16)) for k in range(36))
    caps = tuple(CapCount(k, 0, 1) for k in range(3))
    cookie = state_cookie(SECRET, ANN, State(caps=caps, kept=kept), 1_790_000_000)
    assert len(cookie) < 4096
    assert read_state(SECRET, sent_back(cookie), ANN) is not None


def test_a_state_of_somebody_else_is_none() -> None:
    assert read_state(SECRET, sent_back(state_cookie(SECRET, ANN, STATE, 1)), BOB) is None


@pytest.mark.parametrize("place", range(0, 76, 5))
def test_a_changed_visitor_is_unknown(place: int) -> None:
    value = sent_back(visitor_cookie(SECRET, ANN))[VISITOR_COOKIE]
    changed = value[:place] + ("0" if value[place] != "0" else "1") + value[place + 1 :]
    assert read_visitor(SECRET, {VISITOR_COOKIE: changed}) == ""


def test_every_changed_character_of_a_state_is_noticed() -> None:
    value = sent_back(state_cookie(SECRET, ANN, STATE, 1))[STATE_COOKIE]
    for place, character in enumerate(value):
        changed = value[:place] + ("A" if character != "A" else "B") + value[place + 1 :]
        assert read_state(SECRET, {STATE_COOKIE: changed}, ANN) is None, place


def test_another_edges_cookies_are_none_of_ours() -> None:
    assert read_visitor(OTHER, sent_back(visitor_cookie(SECRET, ANN))) == ""
    assert read_state(OTHER, sent_back(state_cookie(SECRET, ANN, STATE, 1)), ANN) is None


def test_only_ids_of_our_form_are_visitors_even_if_signed() -> None:
    assert read_visitor(SECRET, sent_back(visitor_cookie(SECRET, "root"))) == ""


def test_what_is_sealed_for_one_purpose_does_not_pass_for_another() -> None:
    assert unseal(SECRET, "receipt", seal(SECRET, "state", b"x")) is None


def test_parts_cannot_be_shifted_into_each_other() -> None:
    assert mac(SECRET, "p", b"ab", b"c") != mac(SECRET, "p", b"a", b"bc")


def test_forgetting_ends_both_cookies() -> None:
    names = [cookie.partition("=")[0] for cookie in forget_cookies()]
    assert names == [VISITOR_COOKIE, STATE_COOKIE]
    assert all("Max-Age=0" in cookie for cookie in forget_cookies())


def test_of_two_cookies_with_one_name_the_first_counts() -> None:
    assert read_cookies("a=1; b=x=y ;a=2; nonsense; c=") == {"a": "1", "b": "x=y", "c": ""}


@given(st.text())
def test_no_header_is_too_strange(header: str) -> None:
    cookies = read_cookies(header)
    assert read_visitor(SECRET, cookies) == ""
    assert read_state(SECRET, cookies, ANN) is None


@given(st.text())
def test_no_value_is_too_strange(value: str) -> None:
    assert read_visitor(SECRET, {VISITOR_COOKIE: value}) == ""
    assert read_state(SECRET, {STATE_COOKIE: value}, ANN) is None
    assert unseal(SECRET, "receipt", value) is None
