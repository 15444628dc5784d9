"""Accounts over HTTP, for admins: people, their roles and sessions.

Accounts are made without a password: whoever makes one gets a setup link to hand on.  What
is secret is answered once and kept nowhere, so these take no Idempotency-Key: keeping the
answer for whoever asks again would keep the secret.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from control_plane.accounts import key_operations, session_operations
from control_plane.accounts.actor import ROLES, Role
from control_plane.accounts.sessions import Session
from control_plane.accounts.setup import SetupLink
from control_plane.accounts.users import User, UserName, login_of
from control_plane.api.call import Answer, Call, quoted
from control_plane.api.operation import Link, Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.errors import Refused

TAG = "accounts"
Id = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Roles = Annotated[list[Role], Meta(max_length=len(ROLES))]


class OfUser(Struct, frozen=True):
    user: Id


class OfSession(Struct, frozen=True):
    user: Id
    session: Id


class NewUser(Struct, frozen=True, forbid_unknown_fields=True):
    name: UserName
    roles: Roles = []


class NewRoles(Struct, frozen=True, forbid_unknown_fields=True):
    roles: Roles


class Invited(Struct, frozen=True):
    """`setup` is shown once; `setup.path` goes behind this server's own address."""

    user: User
    setup: SetupLink


class Ended(Struct, frozen=True):
    """How many sessions ended."""

    ended: int


async def list_users(call: Call) -> Answer:
    query: Pages = call.query
    after = key_of(query.after, str)
    users = call.services.accounts.users
    found = await asyncio.to_thread(users.listed, query.limit + 1, after[0] if after else "")
    return Answer(page_of(found, query.limit, lambda user: (login_of(user.name),)))


async def create_user(call: Call) -> Answer:
    accounts, new = call.services.accounts, call.body

    def make() -> Invited:
        user = accounts.users.add(call.actor, new.name, new.roles)
        return Invited(user, accounts.logins.new_link(call.actor, user.id))

    made = await asyncio.to_thread(make)
    headers = {"Location": f"/v1/accounts/users/{made.user.id}"}
    return Answer(made, 201, quoted(made.user.version), headers)


async def get_user(call: Call) -> Answer:
    return _told(await asyncio.to_thread(call.services.accounts.users.get, call.params.user))


async def set_roles(call: Call) -> Answer:
    users, roles, wanted = call.services.accounts.users, call.body.roles, call.if_match

    def check(old: User) -> None:
        if wanted not in ("*", quoted(old.version)):
            raise Refused("precondition-failed", f"it is at version {old.version} by now")

    return _told(
        await asyncio.to_thread(users.set_roles, call.actor, call.params.user, roles, check)
    )


async def disable_user(call: Call) -> Answer:
    users = call.services.accounts.users
    return _told(await asyncio.to_thread(users.disable, call.actor, call.params.user))


async def enable_user(call: Call) -> Answer:
    users = call.services.accounts.users
    return _told(await asyncio.to_thread(users.enable, call.actor, call.params.user))


async def create_link(call: Call) -> Answer:
    logins = call.services.accounts.logins
    return Answer(await asyncio.to_thread(logins.new_link, call.actor, call.params.user), 201)


async def list_sessions(call: Call) -> Answer:
    logins = call.services.accounts.logins
    return Answer(await asyncio.to_thread(logins.sessions_of, call.params.user))


async def end_session(call: Call) -> Answer:
    logins, of = call.services.accounts.logins, call.params
    await asyncio.to_thread(logins.revoke, call.actor, of.user, of.session)
    return Answer(status=204)


async def end_sessions(call: Call) -> Answer:
    logins = call.services.accounts.logins
    return Answer(Ended(await asyncio.to_thread(logins.revoke_all, call.actor, call.params.user)))


def _told(user: User) -> Answer:
    return Answer(user, etag=quoted(user.version))


THIS_USER = (
    Link(to="get_user", parameters={"user": "user.id"}),
    Link(to="set_user_roles", parameters={"user": "user.id"}),
    Link(to="disable_user", parameters={"user": "user.id"}),
    Link(to="list_user_sessions", parameters={"user": "user.id"}),
)

OF_PEOPLE = (
    Operation(
        method="GET",
        path="/v1/accounts/users",
        name="list_users",
        summary="Everybody who has, or had, an account, by name.",
        tag=TAG,
        permission="accounts",
        handler=list_users,
        query=Pages,
        answers={200: Page[User]},
    ),
    Operation(
        method="POST",
        path="/v1/accounts/users",
        name="create_user",
        summary="Make an account, with the setup link that its owner sets a password with.",
        tag=TAG,
        permission="accounts",
        handler=create_user,
        body=NewUser,
        answers={201: Invited},
        problems=("name-taken", "not-permitted"),
        gives_etag=True,
        links=THIS_USER,
    ),
    Operation(
        method="GET",
        path="/v1/accounts/users/{user}",
        name="get_user",
        summary="An account.",
        tag=TAG,
        permission="accounts",
        handler=get_user,
        params=OfUser,
        answers={200: User},
        problems=("not-found",),
        gives_etag=True,
    ),
    Operation(
        method="PUT",
        path="/v1/accounts/users/{user}/roles",
        name="set_user_roles",
        summary="Give somebody these roles instead of theirs.",
        tag=TAG,
        permission="accounts",
        handler=set_roles,
        params=OfUser,
        body=NewRoles,
        answers={200: User},
        problems=("not-found", "not-permitted", "last-admin", "precondition-failed"),
        takes_if_match=True,
        gives_etag=True,
    ),
    Operation(
        method="POST",
        path="/v1/accounts/users/{user}/disable",
        name="disable_user",
        summary="Keep somebody out from now on: ends their sessions, their keys, their links.",
        tag=TAG,
        permission="accounts",
        handler=disable_user,
        params=OfUser,
        answers={200: User},
        problems=("not-found", "not-permitted", "last-admin"),
        gives_etag=True,
    ),
    Operation(
        method="POST",
        path="/v1/accounts/users/{user}/enable",
        name="enable_user",
        summary="Let somebody who was disabled log in again.",
        tag=TAG,
        permission="accounts",
        handler=enable_user,
        params=OfUser,
        answers={200: User},
        problems=("not-found", "not-permitted"),
        gives_etag=True,
    ),
    Operation(
        method="POST",
        path="/v1/accounts/users/{user}/setup-link",
        name="create_setup_link",
        summary="A link with which somebody sets a new password; their earlier links are void.",
        tag=TAG,
        permission="accounts",
        handler=create_link,
        params=OfUser,
        answers={201: SetupLink},
        problems=("not-found", "not-permitted", "account-disabled"),
    ),
    Operation(
        method="GET",
        path="/v1/accounts/users/{user}/sessions",
        name="list_user_sessions",
        summary="Where somebody is logged in, newest first.",
        tag=TAG,
        permission="accounts",
        handler=list_sessions,
        params=OfUser,
        answers={200: list[Session]},
        problems=("not-found",),
    ),
    Operation(
        method="DELETE",
        path="/v1/accounts/users/{user}/sessions",
        name="end_user_sessions",
        summary="Log somebody out everywhere.",
        tag=TAG,
        permission="accounts",
        handler=end_sessions,
        params=OfUser,
        answers={200: Ended},
        problems=("not-found", "not-permitted"),
    ),
    Operation(
        method="DELETE",
        path="/v1/accounts/users/{user}/sessions/{session}",
        name="end_user_session",
        summary="End one session of somebody.",
        tag=TAG,
        permission="accounts",
        handler=end_session,
        params=OfSession,
        answers={204: None},
        problems=("not-found", "not-permitted"),
    ),
)

OPERATIONS = (*session_operations.OPERATIONS, *OF_PEOPLE, *key_operations.OPERATIONS)
