"""The OpenAPI 3.1 document, made of the operations; served at `/v1/openapi.json`.

Each operation tells its permission (`x-permission`), every status that it can answer with,
and for a problem its possible types.  Links say which operations can go on with an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from control_plane.api.call import Answer, Call
from control_plane.api.describing import Schema, Schemas
from control_plane.api.linking import links_of
from control_plane.api.operation import Operation
from control_plane.errors import PROBLEM_TYPE, PROBLEMS

TITLE = "Proffer control plane"
SECURITY = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or the shop's key.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "proffer_session",
        "description": "A login to the console.",
    },
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the version that is edited.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r'^(W/)?"[!#-~]*"$'},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag that is known already: then the answer may be 304.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A new one for each request; the same for the same request, sent again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
ANSWER_HEADERS = {
    "ETag": {"description": "The version's entity tag.", "schema": {"type": "string"}}
}
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    schemas = Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        told = _operation(one, schemas, operations)
        paths.setdefault(one.path, {})[one.method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version("proffer"), "license": _LICENSE},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "responses": _problems(operations),
            "securitySchemes": SECURITY,
        },
    }


_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _operation(one: Operation, schemas: Schemas, operations: Sequence[Operation]) -> Schema:
    told: Schema = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.tag],
        "x-permission": one.permission,
        "security": _security(one),
        "parameters": _parameters(one, schemas),
        "responses": _responses(one, schemas, links_of(one, operations, schemas)),
    }
    if one.body is not None:
        body = {"schema": schemas.of(one.body)}
        told["requestBody"] = {"required": True, "content": {one.body_media: body}}
    return told


def _security(one: Operation) -> list[dict[str, list[str]]]:
    if one.permission == "public":
        return [{}, {"key": []}] if one.knows_caller else []
    return [{"key": []}, {"session": []}]


# --- what comes in ------------------------------------------------------------


def _parameters(one: Operation, schemas: Schemas) -> list[Schema]:
    told = []
    for kind, where in ((one.params, "path"), (one.query, "query")):
        if kind is not None:
            told += _of_struct(kind, where, schemas)
    told += [IF_MATCH] if one.takes_if_match else []
    told += [IF_NONE_MATCH] if one.gives_etag else []
    return told + ([IDEMPOTENCY_KEY] if one.takes_idempotency_key else [])


def _of_struct(kind: type, where: str, schemas: Schemas) -> list[Schema]:
    fields, required = schemas.fields_of(kind)
    return [
        {"name": name, "in": where, "required": where == "path" or name in required}
        | _described(schema)
        for name, schema in fields.items()
    ]


def _described(schema: Schema) -> Schema:
    """A parameter's description stands beside its schema."""
    said = schema.get("description")
    left = {name: each for name, each in schema.items() if name != "description"}
    left = {name: each for name, each in left.items() if name != "default" or each is not None}
    some = [each for each in left.get("anyOf", ()) if each != {"type": "null"}]
    if len(some) == 1:  # a parameter that is not sent is what null is in JSON
        left = {name: each for name, each in left.items() if name != "anyOf"} | some[0]
    return {"description": said, "schema": left} if said else {"schema": left}


# --- what goes out ------------------------------------------------------------


def _responses(one: Operation, schemas: Schemas, links: Mapping[str, Schema]) -> Schema:
    told: Schema = {}
    for status, kind in sorted(one.answers.items()):
        told[str(status)] = _success(one, status, kind, schemas)
        if links:
            told[str(status)]["links"] = dict(links)
    if one.gives_etag:
        told["304"] = {"description": HTTPStatus(304).phrase, "headers": ANSWER_HEADERS}
    for status, names in by_status(one).items():
        told[str(status)] = {"$ref": f"#/components/responses/{_shared(names)}"}
    return told


def by_status(one: Operation) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name in problems_of(one):
        found.setdefault(PROBLEMS[name].status, []).append(name)
    return dict(sorted(found.items()))


def _shared(names: Sequence[str]) -> str:
    """The name of a component: many operations have the same problems."""
    return ".".join([str(PROBLEMS[names[0]].status), *names])


def _problems(operations: Sequence[Operation]) -> dict[str, Schema]:
    all_names = [names for one in operations for names in by_status(one).values()]
    return {_shared(names): _problem(names) for names in sorted(all_names)}


def _success(one: Operation, status: int, kind: Any, schemas: Schemas) -> Schema:
    told: Schema = {"description": HTTPStatus(status).phrase}
    if one.gives_version:
        told["headers"] = ANSWER_HEADERS
    if kind is None:
        return told
    # what is no JSON is described by its media type alone
    schema = {} if kind in (bytes, str) else {"schema": schemas.of(kind)}
    return told | {"content": {one.answer_media: schema}}


def _problem(names: Sequence[str]) -> Schema:
    types = {"type": {"enum": [f"/problems/{name}" for name in names]}}
    schema = {"$ref": "#/components/schemas/Problem", "properties": types}
    told: Schema = {
        "description": "; ".join(PROBLEMS[name].title for name in names),
        "content": {PROBLEM_TYPE: {"schema": schema}},
    }
    waits = PROBLEMS[names[0]].status in (429, 503)
    return told | ({"headers": RETRY_AFTER} if waits else {})


def problems_of(one: Operation) -> list[str]:
    """Its own problems, and those that what it takes brings along."""
    names = [*one.problems, "rate-limited", "internal", "storage-unavailable", "malformed-request"]
    if one.permission != "public" or one.knows_caller:
        names += ["unauthorized", "forbidden"]
    if one.permission not in ("public", "login"):
        names += ["not-permitted"]
    if one.params is not None:
        names += ["not-found"]
    if one.body is not None:
        names += ["wrong-type", "too-large", "too-slow"]
    if one.takes_if_match:
        names += ["precondition-required", "precondition-failed"]
    if one.takes_idempotency_key:
        names += ["key-reused", "key-in-flight"]
    return [name for name in PROBLEMS if name in names]


# --- where it is --------------------------------------------------------------


async def show(call: Call) -> Answer:
    return Answer(call.request.app.state.openapi)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/openapi.json",
        name="get_openapi",
        summary="This API as an OpenAPI 3.1 document.",
        tag="about",
        permission="public",
        handler=show,
        answers={200: dict[str, Any]},
        caching="public, max-age=300",
    ),
)


def encoded(operations: Sequence[Operation]) -> bytes:
    return msgspec.json.encode(document(operations))
