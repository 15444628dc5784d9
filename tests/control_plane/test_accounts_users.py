"""Users, roles and API keys: who may change them, and what always stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from control_plane.accounts.actor import LOCAL, Actor, Permission, Role
from control_plane.accounts.users import User
from control_plane.errors import Refused
from control_plane.storage import tables_accounts as t
from control_plane.storage.tables_audit import audit
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.people import PASSWORD, Office, found_admin, member, office

HOMES = BOTH


@pytest.fixture
def services(tmp_path: Path, home: StorageHome) -> Iterator[Office]:
    with office(tmp_path, home) as made:
        yield made


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.name


def anything(user: User) -> None:
    """No condition."""


def actor(*permissions: Permission) -> Actor:
    return Actor(id="key:0", name="a key", permissions=frozenset(permissions))


def entries(services: Office) -> list[tuple[str, str, str]]:
    query = select(audit.c.actor, audit.c.action, audit.c.subject).order_by(audit.c.number)
    with services.database.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]


# --- users --------------------------------------------------------------------


def test_roles_come_together_and_without_doubles(services: Office):
    users = services.accounts.users
    made = users.add(LOCAL, "eva", ["publisher", "editor", "editor"])
    assert made.roles == ("editor", "publisher")
    assert made.permissions == {"read", "edit", "publish", "kill"}
    assert not made.can_log_in


@pytest.mark.parametrize("name", ["Eva", "EVA", "\uff25va"])
def test_no_two_people_differ_by_case_or_width_alone(services: Office, name: str):
    services.accounts.users.add(LOCAL, "eva", [])
    assert refusal(lambda: services.accounts.users.add(LOCAL, name, [])) == "name-taken"


def test_the_last_admin_stays(services: Office):
    found_admin(services)
    users = services.accounts.users
    anna, berta = users.named("anna"), users.add(LOCAL, "berta", ["admin"])
    assert refusal(lambda: users.disable(LOCAL, anna.id)) == "last-admin"  # berta has no password
    assert refusal(lambda: users.set_roles(LOCAL, anna.id, ["viewer"], anything)) == "last-admin"
    assert users.get(anna.id) == anna
    clara = member(services, "clara", ["admin"]).user
    assert users.disable(LOCAL, anna.id).disabled
    assert refusal(lambda: users.disable(LOCAL, clara.id)) == "last-admin"
    users.disable(LOCAL, berta.id)
    assert not users.enable(LOCAL, anna.id).disabled


def test_whoever_is_disabled_is_out_at_once(services: Office):
    member(services, "anna", ["admin"])
    eva = member(services, "eva", ["editor"]).user
    key = services.accounts.keys.add(eva.actor, "mine", ["read"], None)
    services.accounts.users.disable(LOCAL, eva.id)
    assert services.accounts.logins.sessions_of(eva.id) == []
    assert services.accounts.keys.actor_of(key.secret) is None
    link = lambda: services.accounts.logins.new_link(LOCAL, eva.id)  # noqa: E731
    assert refusal(link) == "account-disabled"
    services.accounts.users.enable(LOCAL, eva.id)
    assert services.accounts.keys.actor_of(key.secret) is not None


@pytest.mark.parametrize("role", ["editor", "publisher", "admin"])
def test_nobody_gives_or_takes_what_they_may_not_do(services: Office, role: Role):
    anna = member(services, "anna", ["admin"]).user
    weak, users = actor("accounts", "read"), services.accounts.users
    somebody = users.add(weak, "eva", ["viewer"])
    attempts = [
        lambda: users.add(weak, "puppet", [role]),
        lambda: users.set_roles(weak, somebody.id, [role], anything),
        lambda: users.set_roles(weak, anna.id, [], anything),
        lambda: users.disable(weak, anna.id),
        lambda: services.accounts.logins.new_link(weak, anna.id),
        lambda: services.accounts.logins.revoke_all(weak, anna.id),
        lambda: services.accounts.keys.add(weak, "puppet", ["publish"], None),
    ]
    for attempt in attempts:
        assert refusal(attempt) == "not-permitted"
    assert [user.name for user in users.listed(10)] == ["anna", "eva"]


def test_every_change_is_in_the_audit_log_and_a_refused_one_is_not(services: Office):
    found_admin(services)
    before, accounts = len(entries(services)), services.accounts
    anna = accounts.users.named("anna")
    eva = accounts.users.add(anna.actor, "eva", ["viewer"])
    accounts.users.set_roles(anna.actor, eva.id, ["editor"], anything)
    accounts.logins.new_link(anna.actor, eva.id)
    accounts.users.disable(anna.actor, eva.id)
    key = accounts.keys.add(anna.actor, "ci", ["read"], None).key
    accounts.keys.revoke(anna.actor, key.id)
    accounts.keys.revoke(anna.actor, key.id)
    refusal(lambda: accounts.users.disable(anna.actor, anna.id))
    accounts.logins.log_in("anna", PASSWORD, "192.0.2.1")
    who = f"user:{anna.id}"
    assert entries(services)[before:] == [
        (who, "account.add", f"user/{eva.id}"),
        (who, "account.roles", f"user/{eva.id}"),
        (who, "account.link", f"user/{eva.id}"),
        (who, "account.disable", f"user/{eva.id}"),
        (who, "key.add", f"key/{key.id}"),
        (who, "key.revoke", f"key/{key.id}"),
        (who, "session.open", f"user/{anna.id}"),
    ]


def test_the_log_tells_roles_before_and_after(services: Office):
    eva = services.accounts.users.add(LOCAL, "eva", ["viewer"])
    services.accounts.users.set_roles(LOCAL, eva.id, ["editor"], anything)
    query = select(audit.c.before, audit.c.after).where(audit.c.action == "account.roles")
    with services.database.reading() as connection:
        before, after = connection.execute(query).one()
    assert msgspec.json.decode(before)["roles"] == ["viewer"]
    assert msgspec.json.decode(after)["roles"] == ["editor"]


# --- keys ---------------------------------------------------------------------


def test_a_key_is_its_prefix_and_a_secret_and_acts_for_its_owner(services: Office):
    eva = member(services, "eva", ["editor"]).user
    made = services.accounts.keys.add(eva.actor, "ci", ["edit", "read"], None)
    assert made.secret.startswith(made.key.prefix + "_")
    acting = services.accounts.keys.actor_of(made.secret)
    assert acting is not None
    assert (acting.id, acting.person) == (f"key:{made.key.id}", eva.actor.id)
    assert acting.permissions == {"edit", "read"}


def test_a_key_that_a_key_makes_acts_for_the_same_person(services: Office):
    anna, keys = member(services, "anna", ["admin"]).user, services.accounts.keys
    first = keys.actor_of(keys.add(anna.actor, "one", ["accounts", "edit"], None).secret)
    assert first is not None
    second = keys.actor_of(keys.add(first, "two", ["edit"], None).secret)
    assert second is not None
    assert second.person == anna.actor.id


@pytest.mark.parametrize("how", ["revoked", "expired", "demoted", "altered"])
def test_a_key_that_is_not_good_is_nobodys(services: Office, how: str):
    eva, keys = member(services, "eva", ["editor"]).user, services.accounts.keys
    made = keys.add(eva.actor, "ci", ["edit"], int(time.time()) + 3600)
    assert keys.actor_of(made.secret) is not None
    if how == "revoked":
        keys.revoke(LOCAL, made.key.id)
    elif how == "expired":
        with services.database.writing() as connection:
            connection.execute(update(t.api_keys).values(expires_s=int(time.time())))
    elif how == "demoted":
        services.accounts.users.set_roles(LOCAL, eva.id, ["viewer"], anything)
    secret = made.secret[:-1] + ("A" if made.secret[-1] != "A" else "B")
    assert keys.actor_of(secret if how == "altered" else made.secret) is None


@pytest.mark.parametrize("text", ["", "proffer_", "proffer_0000000000000000_" + "A" * 43, "é\0"])
def test_what_is_no_key_is_nobodys(services: Office, text: str):
    assert services.accounts.keys.actor_of(text) is None


def test_when_a_key_was_used_is_kept(services: Office):
    keys = services.accounts.keys
    made = keys.add(LOCAL, "ci", ["read"], None)
    keys.actor_of(made.secret)
    services.writer.run(lambda connection: None)  # after what was handed over before
    (listed,) = keys.listed(10)
    assert listed.used_s is not None
    assert abs(listed.used_s - time.time()) < 60


def test_a_key_cannot_begin_expired(services: Office):
    add = lambda: services.accounts.keys.add(LOCAL, "ci", ["read"], 1)  # noqa: E731
    assert refusal(add) == "malformed-request"
