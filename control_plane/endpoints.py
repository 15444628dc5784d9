"""What edges and shops call.  `docs/reference/http.md` describes each of these."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from hashlib import sha256
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.requests import Request

from control_plane.api.call import Answer, Call, quoted
from control_plane.api.operation import Link, Operation
from control_plane.crowd import Crowd
from control_plane.errors import PROBLEMS, Refused
from control_plane.facts import Receipt
from control_plane.http import read_body
from control_plane.redemption import Reservation, Reserve
from control_plane.services import Services
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS, BATCH_TYPE

FOR_EVER = "public, max-age=31536000, immutable"
FOR_AN_HOUR = "public, max-age=3600"
FOR_SECONDS = "public, max-age=5, stale-while-revalidate=30"
BATCH_WITHIN_S = 10.0
"""How long a batch may take to arrive; a sender that drips holds a place no longer."""

Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", description="SHA-256, hexadecimal.")]
Name = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9-]{0,62}\Z")]


# --- objects ------------------------------------------------------------------


class OfDigest(Struct, frozen=True):
    digest: Digest


class OfVersion(Struct, frozen=True):
    version: Annotated[int, Meta(ge=1, le=1_000_000)]


class OfChannel(Struct, frozen=True):
    channel: Name
    projection: Name


async def bundle(call: Call) -> Answer:
    return await _object(call, f"bundles/{call.params.digest}")


async def release(call: Call) -> Answer:
    return await _object(call, f"releases/{call.params.digest}")


async def root(call: Call) -> Answer:
    return await _object(call, f"keys/root.{call.params.version}.jws")


async def manifest(call: Call) -> Answer:
    return await _object(call, f"channels/{call.params.channel}/{call.params.projection}.jws")


async def _object(call: Call, name: str) -> Answer:
    """A published file; a missing one is never cached, since it may come any second.

    What is cached for ever was hashed just now: the store raises `Tampered` for a file that
    is not what its name says, and errors are not cached.
    """
    data = await asyncio.to_thread(call.services.published, name)
    if data is None:
        raise Refused("not-found", f"there is no object {name}")
    return Answer(data, etag=quoted(sha256(data).hexdigest()))


# --- beacons ------------------------------------------------------------------

Batch = Annotated[
    Any,
    Meta(
        description=f"An array of at most {BATCH_LIMIT_EVENTS} CloudEvents 1.0; what is none goes"
        " to quarantine, and is answered 202 as well."
    ),
]


async def beacons(call: Call) -> Answer:
    """202 once every event is stored or in quarantine, durably."""
    from_shop = call.actor.may("collect")
    return Answer(await taken(call.request, call.services, from_shop), 202)


async def taken(request: Request, services: Services, from_shop: bool) -> Receipt:
    """A batch, durably.  Raises `Refused` and `StorageUnavailable`."""
    crowd: Crowd = request.app.state.crowd
    with nullcontext() if from_shop else crowd.place(request):
        body = await read_body(request, BATCH_LIMIT_BYTES, within_s=BATCH_WITHIN_S)
        agent = request.headers.get("user-agent", "")
        batch = services.collector.batch(body, from_shop, user_agent=agent)
        return await services.events.keep(batch)


# --- redemption ---------------------------------------------------------------


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """The reservation that commit, release and reverse are about."""

    reservation: str


Buying = Annotated[
    Reserve,
    Meta(
        extra_json_schema={
            "anyOf": [
                {"required": [who], "properties": {who: {"minLength": 1}}}
                for who in ("visitor", "customer", "subject")
            ]
        }
    ),
]
"""At least one of the three is told."""


async def reserve(call: Call) -> Answer:
    return Answer(await call.services.redemptions.reserve(call.body))


async def commit(call: Call) -> Answer:
    return Answer(await call.services.redemptions.commit(call.body.reservation))


async def release_reservation(call: Call) -> Answer:
    return Answer(await call.services.redemptions.release(call.body.reservation))


async def reverse(call: Call) -> Answer:
    return Answer(await call.services.redemptions.reverse(call.body.reservation))


# --- about itself -------------------------------------------------------------


class Health(Struct, frozen=True, kw_only=True):
    """`sequence` and `expires_s` of the live manifest, None before the first publish."""

    status: Literal["ok"]
    sequence: int | None
    expires_s: int | None


class OfProblem(Struct, frozen=True):
    name: Annotated[str, Meta(pattern=r"\A[a-z-]{1,60}\Z")]


async def healthz(call: Call) -> Answer:
    """Whether the database answers."""
    live = await asyncio.to_thread(call.services.publisher.live)
    health = Health(
        status="ok",
        sequence=live.sequence if live else None,
        expires_s=live.expires_s if live else None,
    )
    return Answer(health)


async def problem(call: Call) -> Answer:
    """What a problem's `type` points to."""
    name = call.params.name
    if name not in PROBLEMS:
        raise Refused("not-found", f"there is no problem type {name!a}")
    kind = PROBLEMS[name]
    return Answer(f"{kind.title} ({kind.status})\n\n{kind.help}\n")


# --- all of them --------------------------------------------------------------


def _file(
    name: str, path: str, summary: str, params: type[Struct], media: str, caching: str
) -> Operation:
    handlers = {"bundle": bundle, "release": release, "root": root, "manifest": manifest}
    return Operation(
        method="GET",
        path=path,
        name=f"get_{name}",
        summary=summary,
        tag="objects",
        permission="public",
        handler=handlers[name],
        params=params,
        answers={200: bytes},
        problems=("damaged",),
        answer_media=media,
        caching=caching,
        gives_etag=True,
    )


def _step(name: str, summary: str, handler: Any, *problems: str) -> Operation:
    """What becomes of a reservation."""
    return Operation(
        method="POST",
        path=f"/v1/redemptions/{name}",
        name=f"{name}_redemption",
        summary=summary,
        tag="redemption",
        permission="redeem",
        handler=handler,
        body=Named,
        answers={200: Reservation},
        problems=("unknown-reservation", "reservation-closed", *problems),
    )


OPERATIONS = (
    # written once, but a root's name does not say what is in it
    _file("root", "/v1/keys/root.{version}.jws", "A root: which keys are believed.", OfVersion,
          "application/jose+json", FOR_AN_HOUR),
    _file("manifest", "/v1/channels/{channel}/{projection}.jws", "The live manifest of a channel.",
          OfChannel, "application/jose", FOR_SECONDS),
    _file("release", "/v1/releases/{digest}", "A release: which bundles belong together.", OfDigest,
          "application/json", FOR_EVER),
    _file("bundle", "/v1/bundles/{digest}", "A bundle: one policy, as edges read it.", OfDigest,
          "application/octet-stream", FOR_EVER),
    Operation(
        method="POST",
        path="/v1/beacons",
        name="send_beacons",
        summary="Takes a batch of events; 202 once it is durable.",
        tag="beacons",
        permission="public",
        knows_caller=True,
        handler=beacons,
        body=Batch,
        body_media=BATCH_TYPE,
        body_limit_bytes=BATCH_LIMIT_BYTES,
        reads_body_itself=True,
        answers={202: Receipt},
        problems=("busy",),
    ),
    Operation(
        method="POST",
        path="/v1/redemptions/reserve",
        name="reserve_redemption",
        summary="Holds an offer for an order.",
        tag="redemption",
        permission="redeem",
        handler=reserve,
        body=Buying,
        answers={200: Reservation},
        problems=("wrong-subject", "token-spent", "cap-reached", "offer-paused",
                  "reservation-closed", "token-expired", "token-invalid", "not-redeemable"),
        links=tuple(
            Link(to=f"{step}_redemption", body={"reservation": "reservation"})
            for step in ("commit", "release", "reverse")
        ),
    ),
    _step("commit", "Uses a reserved offer up.", commit),
    _step("release", "Gives a reserved offer back.", release_reservation),
    _step("reverse", "Takes a committed redemption back.", reverse),
    Operation(
        method="GET",
        path="/healthz",
        name="get_health",
        summary="Whether it answers, and the live manifest's sequence and expiry.",
        tag="about",
        permission="public",
        handler=healthz,
        answers={200: Health},
    ),
    Operation(
        method="GET",
        path="/problems/{name}",
        name="get_problem_type",
        summary="What a problem's type means.",
        tag="about",
        permission="public",
        handler=problem,
        params=OfProblem,
        answers={200: str},
        answer_media="text/plain",
    ),
)  # fmt: skip
