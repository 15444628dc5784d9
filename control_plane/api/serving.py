"""Operations as routes.  What a call goes through, in order:

    1. who is calling       credentials -> actor                        401
    2. permission           may this actor do this                      403
    3. rate limit           by actor, or by address                     429
    4. path and query       typed; a path that does not fit             404, 400
    5. precondition         an edit names the version it is of          428
    6. body                 media type, size, time, JSON, types         415, 413, 408, 400
    7. Idempotency-Key      asked before: the answer of then            409, 422
    8. the handler          raises `Refused`, or answers
    9. the answer           typed JSON, entity tag, 304

Nothing before step 8 changes anything but the row of step 7.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from control_plane.accounts.actor import Actor
from control_plane.api import idempotency
from control_plane.api.call import Answer, Call, is_known
from control_plane.api.callers import ANYBODY, caller
from control_plane.api.idempotency import Repeats, checked_key, digest_of
from control_plane.api.limits import Limits, address_of
from control_plane.api.operation import JSON, Operation
from control_plane.api.reading import decode_body, read_params, read_query, read_raw
from control_plane.errors import Refused
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.naming import name_request
from policy_compiler.diagnostics import CatalogRefused

log = logging.getLogger(__name__)

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
TOLD = (Refused, StorageUnavailable, PublishRefused, CatalogRefused)
"""What says that nothing was changed, or that repeating does no harm."""


def routes_of(operations: Sequence[Operation]) -> list[BaseRoute]:
    """One route per path, so that a wrong method is told all the right ones.

    Names come before parameters: `/v1/drafts/import` is not the draft called "import".
    """
    paths: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_method = paths.setdefault(operation.path, {})
        if operation.method in by_method:
            raise ValueError(f"{operation.method} {operation.path} is there twice")
        by_method[operation.method] = operation
    return [_route(path, paths[path]) for path in sorted(paths, key=_parameters_last)]


def _parameters_last(path: str) -> list[tuple[bool, str]]:
    return [("{" in part, part) for part in path.split("/")]


def _route(path: str, by_method: Mapping[str, Operation]) -> Route:
    heads = ["HEAD"] if "GET" in by_method else []
    allow = ", ".join(sorted([*by_method, *heads, "OPTIONS"]))

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allow, "Cache-Control": "no-store"})
        operation = by_method.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            raise HTTPException(405, headers={"Allow": allow})
        name_request(request.scope, operation.name, operation.path)
        return await serve(operation, request)

    route = Route(path, endpoint)
    # every method comes here: a wrong one at `/v1/drafts/import` is not for `/v1/drafts/{draft}`
    route.methods = None
    return route


async def serve(operation: Operation, request: Request) -> Response:
    """The answer to one call.  Raises `Refused` and what handlers raise."""
    services: Services = request.app.state.services
    actor = await _admitted(operation, request, services)
    params, query = read_params(operation, request), read_query(operation, request)
    if_match = _if_match(operation, request)
    raw = await read_raw(operation, request)
    call = Call(
        services=services,
        actor=actor,
        request=request,
        params=params,
        query=query,
        body=decode_body(operation, raw),
        if_match=if_match,
    )
    return _response(operation, request, await _answer(operation, call, raw))


async def _admitted(operation: Operation, request: Request, services: Services) -> Actor:
    limits: Limits = request.app.state.limits
    try:
        actor = await caller(operation, request, services)
    except Refused:
        limits.addresses.take(address_of(request))
        raise
    if actor is ANYBODY:
        limits.addresses.take(address_of(request))
    else:
        limits.known.take(actor.id)
    return actor


def _if_match(operation: Operation, request: Request) -> str | None:
    if not operation.takes_if_match:
        return None
    sent = request.headers.get("if-match")
    if not sent:
        raise Refused("precondition-required", "there is no If-Match header")
    return sent


# --- the handler --------------------------------------------------------------


async def _answer(operation: Operation, call: Call, raw: bytes) -> Answer:
    sent = call.request.headers.get("idempotency-key")
    if not operation.takes_idempotency_key or sent is None:
        return _promised(operation, await operation.handler(call))
    url, if_match = call.request.url, call.if_match or ""
    asked = idempotency.Request(
        actor=call.actor.id,
        key=checked_key(sent),
        digest=digest_of(operation.method, url.path, url.query, if_match, raw),
    )
    repeats = Repeats(call.services.writer, call.services.settings.tenant)
    known = await repeats.claim(asked)
    return known or await _first(operation, call, repeats, asked)


async def _first(
    operation: Operation, call: Call, repeats: Repeats, asked: idempotency.Request
) -> Answer:
    try:
        answer = _promised(operation, await operation.handler(call))
    except TOLD:
        await repeats.forget(asked)
        raise
    try:
        await repeats.keep(asked, answer)
    except StorageUnavailable as error:  # it is done all the same: say so
        log.warning("an answer was not kept for whoever asks again: %s", error)
    return answer


def _promised(operation: Operation, answer: Answer) -> Answer:
    """Raises AssertionError for a status that the operation does not promise."""
    if answer.status not in operation.answers:
        raise AssertionError(f"{operation.name} answered {answer.status}")
    return answer


# --- the answer ---------------------------------------------------------------


def _response(operation: Operation, request: Request, answer: Answer) -> Response:
    headers = NO_SNIFFING | {"Cache-Control": operation.caching} | answer.headers
    if answer.etag:
        headers["ETag"] = answer.etag
        known = request.headers.get("if-none-match", "")
        if operation.method == "GET" and is_known(known, answer.etag):
            return Response(status_code=304, headers=headers)
    kind = operation.answers[answer.status]
    if kind is None:
        return Response(status_code=answer.status, headers=headers)
    if kind in (bytes, str):
        assert isinstance(answer.body, bytes | str), operation.name
        return Response(answer.body, answer.status, headers, operation.answer_media)
    return Response(msgspec.json.encode(answer.body), answer.status, headers, JSON)
