"""Logging in: passwords, setup links, sessions, and how guessing is slowed down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from control_plane.accounts import throttle
from control_plane.accounts.actor import LOCAL
from control_plane.accounts.passwords import LENGTH_LEAST, Passwords, check_good
from control_plane.accounts.setup import SetupLink
from control_plane.accounts.throttle import ADDRESS_LIMIT, PAIR_LIMIT
from control_plane.accounts.users import User
from control_plane.errors import Refused
from control_plane.storage import tables_accounts as t
from control_plane.storage.tables_audit import audit
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.people import PASSWORD, Office, first_token, found_admin, office

HOMES = BOTH
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.9"


@pytest.fixture
def services(tmp_path: Path, home: StorageHome) -> Iterator[Office]:
    with office(tmp_path, home) as made:
        yield made


@pytest.fixture
def shop(services: Office) -> Office:
    """With one account, Anna's, who is an admin."""
    found_admin(services, "Anna")
    return services


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.name


def log_in(services: Office, password: str = PASSWORD, name: str = "Anna", where: str = HERE):
    return services.accounts.logins.log_in(name, password, where)


def anna(services: Office) -> User:
    return services.accounts.users.named("Anna")


def token_of(link: SetupLink | None) -> str:
    assert link is not None
    return link.path.partition("token=")[2]


# --- passwords ----------------------------------------------------------------


def test_name_and_password_open_a_session_whatever_the_case_of_the_name(shop: Office):
    assert log_in(shop, name="ANNA").session.user == anna(shop).id


@pytest.mark.parametrize("name", ["Anna", "nobody", "", "a\0b", "\ud800", "x" * 1000])
def test_what_is_wrong_is_not_told(shop: Office, name: str):
    with pytest.raises(Refused) as caught:
        log_in(shop, "not the password", name)
    assert caught.value.name == "wrong-login"
    assert caught.value.detail == "there is no account with this name and this password"


def test_an_unknown_name_takes_as_long_as_a_known_one():
    passwords = Passwords(passes=2, memory_kib=8 << 10)
    stored = passwords.hashed(PASSWORD)
    passwords.is_right("", PASSWORD)

    def fastest_s(hash: str) -> float:
        times = []
        for _ in range(15):
            began = time.perf_counter()
            assert not passwords.is_right(hash, "wrong")
            times.append(time.perf_counter() - began)
        return min(times)

    known, unknown = fastest_s(stored), fastest_s("")
    assert 0.5 < unknown / known < 2


def test_a_hash_of_other_costs_is_understood_and_made_anew(shop: Office):
    old = Passwords(passes=2, memory_kib=16).hashed(PASSWORD)
    with shop.database.writing() as connection:
        connection.execute(update(t.users).values(password=old))
    log_in(shop)
    with shop.database.reading() as connection:
        assert "m=8,t=1" in connection.execute(select(t.users.c.password)).scalar_one()
    log_in(shop)


@pytest.mark.parametrize(
    "password",
    ["", "short", "x" * 300, "abababababababab", "anna12345678", "Anna-Anna-Anna", "é" * 20],
)
def test_what_is_easily_guessed_is_not_taken(password: str):
    assert refusal(lambda: check_good(password, "anna")) == "weak-password"


@given(st.text(min_size=LENGTH_LEAST, max_size=60))
def test_a_password_is_what_was_typed_and_nothing_else(password: str):
    passwords = Passwords(passes=1, memory_kib=8)
    stored = passwords.hashed(password)
    assert passwords.is_right(stored, password)
    assert not passwords.is_right(stored, password + "x")
    assert not passwords.is_right(stored, "")


def test_a_letter_is_the_same_however_it_is_composed():
    passwords = Passwords(passes=1, memory_kib=8)
    assert passwords.is_right(passwords.hashed("cafe\u0301 au lait"), "caf\u00e9 au lait")


def test_changing_the_password_ends_the_other_sessions(shop: Office):
    mine, other = log_in(shop), log_in(shop)
    actor, logins = anna(shop).actor, shop.accounts.logins
    new = "another horse, another battery"
    wrong = lambda: logins.change_password(actor, "wrong", new, mine.session.id, HERE)  # noqa: E731
    assert refusal(wrong) == "wrong-login"
    logins.change_password(actor, PASSWORD, new, mine.session.id, HERE)
    assert [each.id for each in logins.sessions_of(anna(shop).id)] == [mine.session.id]
    assert other.session.id != mine.session.id
    assert refusal(lambda: log_in(shop)) == "wrong-login"
    log_in(shop, new)


# --- setup links --------------------------------------------------------------


def test_the_first_link_makes_the_first_admin_once(services: Office):
    first, second = first_token(services), first_token(services)
    logins = services.accounts.logins
    assert logins.looked_at(first) == logins.looked_at(first) == ""
    logins.set_up(first, "anna", PASSWORD)
    assert services.accounts.users.named("anna").roles == ("admin",)
    for token in (first, second):
        assert refusal(lambda token=token: logins.set_up(token, "b", PASSWORD)) == (
            "setup-link-spent"
        )
    assert logins.first_link() is None


def test_of_many_who_race_for_the_first_account_one_gets_it(services: Office):
    tokens = [first_token(services) for _ in range(2)] * 4

    def attempt(number: int) -> str:
        try:
            services.accounts.logins.set_up(tokens[number], f"user{number}", PASSWORD)
        except Refused as refused:
            return refused.name
        return "made"

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(attempt, range(8)))
    assert outcomes == ["made"] + ["setup-link-spent"] * 7
    assert len(services.accounts.users.listed(10)) == 1


def test_a_weak_password_does_not_use_the_link_up(services: Office):
    token, logins = first_token(services), services.accounts.logins
    assert refusal(lambda: logins.set_up(token, "anna", "weak")) == "weak-password"
    assert refusal(lambda: logins.set_up(token, "", PASSWORD)) == "malformed-request"
    logins.set_up(token, "anna", PASSWORD)


def test_a_link_ends_with_its_time(shop: Office):
    token = token_of(shop.accounts.logins.new_link(LOCAL, anna(shop).id))
    with shop.database.writing() as connection:
        connection.execute(update(t.setup_links).values(expires_s=int(time.time())))
    assert refusal(lambda: shop.accounts.logins.looked_at(token)) == "setup-link-spent"


def test_a_new_link_voids_the_one_before_and_lets_a_locked_out_admin_in(shop: Office):
    session, logins = log_in(shop), shop.accounts.logins
    old, new = (token_of(logins.new_link(LOCAL, anna(shop).id)) for _ in range(2))
    assert refusal(lambda: logins.looked_at(old)) == "setup-link-spent"
    assert logins.looked_at(new) == "Anna"
    fresh = logins.set_up(new, "the name does not matter", "another horse battery")
    assert [each.id for each in logins.sessions_of(session.session.user)] == [fresh.session.id]
    log_in(shop, "another horse battery")


def test_no_secret_is_stored(shop: Office):
    link = shop.accounts.logins.new_link(LOCAL, anna(shop).id)
    key = shop.accounts.keys.add(LOCAL, "ci", ["read"], None)
    secrets = [PASSWORD, token_of(link), key.secret, log_in(shop).token]
    tables = (t.users, t.sessions, t.setup_links, t.api_keys, t.login_failures, audit)
    with shop.database.reading() as connection:
        stored = repr([connection.execute(select(table)).all() for table in tables])
    assert not [secret for secret in secrets if secret in stored]
    assert HERE not in stored


# --- guessing -----------------------------------------------------------------


def guess(services: Office, times: int, name: str = "Anna", where: str = HERE) -> list[str]:
    return [refusal(lambda: log_in(services, "guess", name, where)) for _ in range(times)]


def test_guessing_from_one_place_ends_and_locks_nobody_else_out(shop: Office):
    assert set(guess(shop, PAIR_LIMIT)) == {"wrong-login"}
    with pytest.raises(Refused) as caught:
        log_in(shop)
    assert caught.value.name == "too-many-logins"
    assert 0 < int(caught.value.headers["Retry-After"]) <= throttle.WINDOW_S
    log_in(shop, where=ELSEWHERE)


def test_a_place_that_tries_many_names_is_stopped_too(shop: Office):
    names = [f"name{number}" for number in range(ADDRESS_LIMIT)]
    found = [guess(shop, 1, name, "2001:db8::1")[0] for name in names]
    assert set(found) == {"wrong-login"}
    assert guess(shop, 1, "other", "2001:db8::2") == ["too-many-logins"]
    log_in(shop, where="2001:db8:1::1")


def test_many_guesses_at_once_are_as_many_failures(shop: Office):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: guess(shop, 1)[0], range(PAIR_LIMIT * 3)))
    assert found.count("wrong-login") == PAIR_LIMIT


def test_a_login_that_works_wipes_the_failures_of_its_name_there(shop: Office):
    for _ in range(3):
        guess(shop, PAIR_LIMIT - 1)
        log_in(shop)


def test_a_place_is_let_in_again_after_the_window(shop: Office):
    guess(shop, PAIR_LIMIT)
    with shop.database.writing() as connection:
        connection.execute(update(t.login_failures).values(until_s=int(time.time())))
    log_in(shop)


# --- sessions -----------------------------------------------------------------


def test_sessions_are_ended_one_by_one_and_all_at_once(shop: Office):
    logins, user = shop.accounts.logins, anna(shop)
    logins.revoke_all(user.actor, user.id)
    first, second, third = (log_in(shop).session.id for _ in range(3))
    logins.revoke(user.actor, user.id, second)
    assert {each.id for each in logins.sessions_of(user.id)} == {first, third}
    assert refusal(lambda: logins.revoke(user.actor, user.id, second)) == "not-found"
    assert logins.revoke_all(user.actor, user.id, but=third) == 1
    assert [each.id for each in logins.sessions_of(user.id)] == [third]


def test_sweeping_forgets_what_is_over_and_nothing_else(shop: Office):
    kept = log_in(shop).session.id
    log_in(shop)
    with shop.database.writing() as connection:
        others = update(t.sessions).where(t.sessions.c.id != kept)
        connection.execute(others.values(ends_s=int(time.time())))
    guess(shop, 1)
    shop.accounts.logins.sweep()
    with shop.database.reading() as connection:
        assert connection.execute(select(t.sessions.c.id)).scalars().all() == [kept]
        assert len(connection.execute(select(t.login_failures)).all()) == 2
