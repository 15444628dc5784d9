"""What edges and shops call.  `docs/reference/http.md` describes each of these."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from hashlib import sha256

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from control_plane.crowd import Crowd
from control_plane.errors import PROBLEMS, Refused
from control_plane.http import (
    check_type,
    is_shop,
    json_response,
    read_body,
    read_json,
    require_shop,
)
from control_plane.redemption import Reserve
from control_plane.services import Services
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_TYPE

FOR_EVER = "public, max-age=31536000, immutable"
FOR_AN_HOUR = "public, max-age=3600"
BATCH_WITHIN_S = 10.0
"""How long a batch may take to arrive; a sender that drips holds a place no longer."""
FOR_SECONDS = "public, max-age=5, stale-while-revalidate=30"


def services_of(request: Request) -> Services:
    return request.app.state.services


# --- objects ------------------------------------------------------------------


async def bundle(request: Request) -> Response:
    name = f"bundles/{request.path_params['digest']}"
    return await _object(request, name, FOR_EVER, "application/octet-stream")


async def release(request: Request) -> Response:
    name = f"releases/{request.path_params['digest']}"
    return await _object(request, name, FOR_EVER, "application/json")


async def root(request: Request) -> Response:
    name = f"keys/root.{request.path_params['version']}.jws"
    # Written once, but its name does not say what is in it.
    return await _object(request, name, FOR_AN_HOUR, "application/jose+json")


async def manifest(request: Request) -> Response:
    path = request.path_params
    name = f"channels/{path['channel']}/{path['projection']}.jws"
    return await _object(request, name, FOR_SECONDS, "application/jose")


async def _object(request: Request, name: str, caching: str, media_type: str) -> Response:
    """A published file; a missing one is never cached, since it may come any second.

    What is cached for ever was hashed just now: the store raises `Tampered` for a file that
    is not what its name says, and errors are not cached.
    """
    data = await asyncio.to_thread(services_of(request).published, name)
    if data is None:
        raise Refused("not-found", f"there is no object {name}")
    headers = {"ETag": f'"{sha256(data).hexdigest()}"', "Cache-Control": caching}
    if _is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media_type)


def _is_known(request: Request, etag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    known = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return etag in known or "*" in known


# --- beacons ------------------------------------------------------------------


async def beacons(request: Request) -> Response:
    """202 once every event is stored or in quarantine, durably."""
    services = services_of(request)
    check_type(request, BATCH_TYPE)
    from_shop = is_shop(request, services.keys.shop_key)
    crowd: Crowd = request.app.state.crowd
    with nullcontext() if from_shop else crowd.place():
        body = await read_body(request, BATCH_LIMIT_BYTES, within_s=BATCH_WITHIN_S)
        return json_response(await services.collector.accept(body, from_shop), 202)


# --- redemption ---------------------------------------------------------------


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """The reservation that commit, release and reverse are about."""

    reservation: str


async def reserve(request: Request) -> Response:
    services = services_of(request)
    require_shop(request, services.keys.shop_key)
    asked = await read_json(request, Reserve)
    return json_response(await services.redemptions.reserve(asked))


async def commit(request: Request) -> Response:
    services = services_of(request)
    return json_response(await services.redemptions.commit(await _named(request)))


async def release_reservation(request: Request) -> Response:
    services = services_of(request)
    return json_response(await services.redemptions.release(await _named(request)))


async def reverse(request: Request) -> Response:
    services = services_of(request)
    return json_response(await services.redemptions.reverse(await _named(request)))


async def _named(request: Request) -> str:
    require_shop(request, services_of(request).keys.shop_key)
    return (await read_json(request, Named)).reservation


# --- about itself -------------------------------------------------------------


class Health(Struct, frozen=True, kw_only=True):
    """`sequence` and `expires_s` of the live manifest, None before the first publish."""

    status: str
    sequence: int | None
    expires_s: int | None


def healthz(request: Request) -> Response:
    """Whether the database answers."""
    live = services_of(request).publisher.live()
    health = Health(
        status="ok",
        sequence=live.sequence if live else None,
        expires_s=live.expires_s if live else None,
    )
    return json_response(health)


async def problem(request: Request) -> Response:
    """What a problem's `type` points to."""
    name = request.path_params["name"]
    if name not in PROBLEMS:
        raise Refused("not-found", f"there is no problem type {name[:80]!a}")
    kind = PROBLEMS[name]
    return PlainTextResponse(f"{kind.title} ({kind.status})\n\n{kind.help}\n")
