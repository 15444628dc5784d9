"""Logging in over HTTP, and what everybody may do with their own login.

A login sets a cookie.  Requests that change something and come with it must carry the
answer's `form_token` in `X-CSRF-Token`, and an `Origin` of this server; programs had better
use an API key, which needs neither.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from control_plane.accounts.actor import LOCAL, Actor, Permission
from control_plane.accounts.authentication import (
    LoggedIn,
    address_of,
    check_origin,
    clear_cookie,
    logged_in_as,
    set_cookie,
)
from control_plane.accounts.roles import permissions_in_order
from control_plane.accounts.sessions import Opened, Session, form_token
from control_plane.accounts.users import UserName
from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.errors import Refused

TAG = "login"
Password = Annotated[str, Meta(max_length=1024)]
Token = Annotated[str, Meta(max_length=256)]


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=256)]
    password: Password


class Setup(Struct, frozen=True, forbid_unknown_fields=True):
    """`token` from a setup link; `name` is wanted by the first admin's alone."""

    token: Token
    password: Password
    name: UserName | None = None


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    present: Password
    new: Password


class OwnSession(Struct, frozen=True):
    session: Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]


class Caller(Struct, frozen=True, kw_only=True):
    """Who is calling.  `form_token` for `X-CSRF-Token` and `session` are of a login; null
    for keys and in the open console."""

    id: str
    name: str
    permissions: tuple[Permission, ...]
    session: Session | None = None
    form_token: str | None = None


async def log_in(call: Call) -> Answer:
    _check_own_page(call)
    asked, logins = call.body, call.services.accounts.logins
    address = address_of(call.request)
    opened = await asyncio.to_thread(logins.log_in, asked.name, asked.password, address)
    return await _opened(call, opened)


async def set_up(call: Call) -> Answer:
    _check_own_page(call)
    asked, logins = call.body, call.services.accounts.logins
    opened = await asyncio.to_thread(logins.set_up, asked.token, asked.name or "", asked.password)
    return await _opened(call, opened)


async def _opened(call: Call, opened: Opened) -> Answer:
    users = call.services.accounts.users
    user = await asyncio.to_thread(users.get, opened.session.user)
    headers = _cookie(call, opened)
    return Answer(_caller(user.actor, opened.session, form_token(opened.token)), 201, "", headers)


async def get_session(call: Call) -> Answer:
    logged_in = None if _is_keyed(call) else await logged_in_as(call.request, call.services)
    if logged_in is None:
        return Answer(_caller(call.actor))
    return Answer(_caller(call.actor, logged_in.session, logged_in.form_token))


async def log_out(call: Call) -> Answer:
    own = await _own(call)
    logins = call.services.accounts.logins
    await asyncio.to_thread(logins.revoke, call.actor, own.session.user, own.session.id)
    return Answer(status=204, headers=_cookie(call, None))


async def list_own(call: Call) -> Answer:
    own, logins = await _own(call), call.services.accounts.logins
    return Answer(await asyncio.to_thread(logins.sessions_of, own.session.user))


async def end_own(call: Call) -> Answer:
    own, logins = await _own(call), call.services.accounts.logins
    await asyncio.to_thread(logins.revoke, call.actor, own.session.user, call.params.session)
    return Answer(status=204)


async def change_password(call: Call) -> Answer:
    own, asked, logins = await _own(call), call.body, call.services.accounts.logins
    address = address_of(call.request)
    await asyncio.to_thread(
        logins.change_password, call.actor, asked.present, asked.new, own.session.id, address
    )
    return Answer(status=204)


def _check_own_page(call: Call) -> None:
    """Another page must not log somebody in as somebody else."""
    if "origin" in call.request.headers:
        check_origin(call.request)


async def _own(call: Call) -> LoggedIn:
    """Raises `Refused` not-a-person for a key and in the open console."""
    logged_in = None if _is_keyed(call) else await logged_in_as(call.request, call.services)
    if logged_in is None:
        raise Refused("not-a-person", f"{call.actor.name} did not log in")
    return logged_in


def _is_keyed(call: Call) -> bool:
    return call.actor.id == LOCAL.id or "authorization" in call.request.headers


def _caller(actor: Actor, session: Session | None = None, form_token: str | None = None) -> Caller:
    return Caller(
        id=actor.id,
        name=actor.name,
        permissions=permissions_in_order(actor.permissions),
        session=session,
        form_token=form_token,
    )


def _cookie(call: Call, opened: Opened | None) -> dict[str, str]:
    response = Response()
    if opened is None:
        clear_cookie(call.request, response)
    else:
        set_cookie(call.request, response, opened)
    return {"Set-Cookie": response.headers["set-cookie"]}


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/session",
        name="log_in",
        summary="Log in with name and password; the session is in a cookie.",
        tag=TAG,
        permission="public",
        handler=log_in,
        body=Login,
        answers={201: Caller},
        problems=("wrong-login", "too-many-logins", "forbidden", "busy"),
    ),
    Operation(
        method="POST",
        path="/v1/session/setup",
        name="set_up",
        summary="Use a setup link: set the password, and log in.",
        tag=TAG,
        permission="public",
        handler=set_up,
        body=Setup,
        answers={201: Caller},
        problems=("setup-link-spent", "weak-password", "forbidden", "busy"),
    ),
    Operation(
        method="GET",
        path="/v1/session",
        name="get_session",
        summary="Who is calling, and what they may do.",
        tag=TAG,
        permission="login",
        handler=get_session,
        answers={200: Caller},
    ),
    Operation(
        method="DELETE",
        path="/v1/session",
        name="log_out",
        summary="End this session.",
        tag=TAG,
        permission="login",
        handler=log_out,
        answers={204: None},
        problems=("not-a-person",),
    ),
    Operation(
        method="POST",
        path="/v1/session/password",
        name="change_password",
        summary="Change one's own password; ends one's other sessions.",
        tag=TAG,
        permission="login",
        handler=change_password,
        body=NewPassword,
        answers={204: None},
        problems=("not-a-person", "wrong-login", "weak-password", "too-many-logins", "busy"),
    ),
    Operation(
        method="GET",
        path="/v1/session/all",
        name="list_sessions",
        summary="Where one is logged in, newest first.",
        tag=TAG,
        permission="login",
        handler=list_own,
        answers={200: list[Session]},
        problems=("not-a-person",),
    ),
    Operation(
        method="DELETE",
        path="/v1/session/all/{session}",
        name="end_session",
        summary="End one of one's own sessions.",
        tag=TAG,
        permission="login",
        handler=end_own,
        params=OwnSession,
        answers={204: None},
        problems=("not-a-person", "not-found"),
    ),
)
