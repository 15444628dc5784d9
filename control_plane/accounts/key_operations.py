"""API keys over HTTP, for admins.  A key is answered once, when it is made."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from control_plane.accounts.actor import PERMISSIONS, Permission
from control_plane.accounts.api_keys import ApiKey, KeyName, NewKey
from control_plane.api.call import Answer, Call
from control_plane.api.operation import Link, Operation
from control_plane.api.paging import Page, Pages, key_of, page_of

TAG = "accounts"


class OfKey(Struct, frozen=True):
    key: Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]


class WantedKey(Struct, frozen=True, forbid_unknown_fields=True):
    """`scopes` are permissions; `expires_s` Unix seconds, null: never."""

    name: KeyName
    scopes: Annotated[list[Permission], Meta(min_length=1, max_length=len(PERMISSIONS))]
    expires_s: Annotated[int, Meta(ge=0, le=2**53)] | None = None


async def list_keys(call: Call) -> Answer:
    query: Pages = call.query
    after = key_of(query.after, str)
    keys = call.services.accounts.keys
    found = await asyncio.to_thread(keys.listed, query.limit + 1, after[0] if after else "")
    return Answer(page_of(found, query.limit, lambda key: (key.id,)))


async def create_key(call: Call) -> Answer:
    keys, new = call.services.accounts.keys, call.body
    made = await asyncio.to_thread(keys.add, call.actor, new.name, new.scopes, new.expires_s)
    return Answer(made, 201)


async def revoke_key(call: Call) -> Answer:
    keys = call.services.accounts.keys
    return Answer(await asyncio.to_thread(keys.revoke, call.actor, call.params.key))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/accounts/keys",
        name="list_keys",
        summary="All API keys without their secrets, revoked ones, too.",
        tag=TAG,
        permission="accounts",
        handler=list_keys,
        query=Pages,
        answers={200: Page[ApiKey]},
    ),
    Operation(
        method="POST",
        path="/v1/accounts/keys",
        name="create_key",
        summary="Make an API key; its secret is in this answer and nowhere else.",
        tag=TAG,
        permission="accounts",
        handler=create_key,
        body=WantedKey,
        answers={201: NewKey},
        problems=("not-permitted",),
        links=(Link(to="revoke_key", parameters={"key": "key.id"}),),
    ),
    Operation(
        method="DELETE",
        path="/v1/accounts/keys/{key}",
        name="revoke_key",
        summary="Make a key worthless, at once and for ever.",
        tag=TAG,
        permission="accounts",
        handler=revoke_key,
        params=OfKey,
        answers={200: ApiKey},
        problems=("not-found", "not-permitted"),
    ),
)
