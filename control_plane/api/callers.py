"""Who is calling, and whether they may.

    credentials      -> an actor, or `unauthorized`
    the operation    -> its permission, or `not-permitted`

Redeeming and collecting are for programs that show a key: what they tell is believed where
money is counted.  So an open console, in which everybody on this machine may do everything,
does not make a page's beacon the shop's.
"""

from __future__ import annotations

from starlette.requests import Request

from control_plane.accounts.actor import LOCAL, Actor
from control_plane.accounts.authentication import CHALLENGE, actor_of
from control_plane.api.operation import Operation
from control_plane.errors import Refused
from control_plane.services import Services

ANYBODY = Actor(id="anybody", name="anybody", permissions=frozenset())
"""Who calls a public operation, as far as it cares."""

FOR_PROGRAMS = frozenset({"redeem", "collect"})


async def caller(operation: Operation, request: Request, services: Services) -> Actor:
    """Raises `Refused` unauthorized or not-permitted."""
    if operation.permission == "public":
        shows = operation.knows_caller and "authorization" in request.headers
        return await _known(request, services) if shows else ANYBODY
    actor = await _known(request, services)
    if operation.permission == "login":
        return actor
    if actor.id == LOCAL.id and operation.permission in FOR_PROGRAMS:
        raise _unauthorized("there is no Authorization header")
    if operation.permission not in actor.permissions:
        raise Refused(
            "not-permitted",
            f"{actor.name} may not {operation.name}: that takes {operation.permission!r}",
        )
    return actor


async def _known(request: Request, services: Services) -> Actor:
    actor = await actor_of(request, services)
    if actor is not None:
        return actor
    raise _unauthorized("there is no Authorization header")


def _unauthorized(what: str) -> Refused:
    return Refused("unauthorized", what, headers=CHALLENGE)
