"""Where an answer leads: links between operations, for programs and for stateful tests.

What is told of a thing leads to the operations on it.  The answer to `POST /v1/drafts` and
an item at `/v1/drafts/{draft}` belong together by their paths: the parameter `draft` is the
answer's field `draft` or `id`.  From an operation on one thing to others on the same one the
parameters are those of the call itself.  Anything else an operation says by `links`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from control_plane.api.describing import Schema, Schemas
from control_plane.api.operation import Link, Operation

IF_MATCH, ETAG = "header.If-Match", "header.ETag"


def links_of(
    one: Operation, operations: Sequence[Operation], schemas: Schemas
) -> dict[str, Schema]:
    found = [*one.links, *_found(one, operations, schemas)]
    return {link.to: _told(link) for link in reversed(found)}


def _found(one: Operation, operations: Sequence[Operation], schemas: Schemas) -> list[Link]:
    links = (_between(one, other, schemas) for other in operations if other is not one)
    return [link for link in links if link is not None]


def _between(one: Operation, other: Operation, schemas: Schemas) -> Link | None:
    wanted = _names(other, schemas)
    known = {name: f"path.{name}" for name in _names(one, schemas)}
    below = other.path.startswith(one.path + "/{") and one.method == "POST"
    same = bool(known) and other.path.startswith(one.path)
    if not wanted or not (below or same):
        return None
    fields = _answer_fields(one, schemas)
    for name in wanted:
        if name not in known and below:
            field = name if name in fields else "id"
            known |= {name: field} if field in fields else {}
    if not set(wanted) <= set(known):
        return None
    tag = {IF_MATCH: ETAG} if other.takes_if_match and (below or one.gives_version) else {}
    return Link(to=other.name, parameters={name: known[name] for name in wanted} | tag)


def _names(one: Operation, schemas: Schemas) -> list[str]:
    return list(schemas.fields_of(one.params)[0]) if one.params else []


def _answer_fields(one: Operation, schemas: Schemas) -> Mapping[str, Any]:
    for kind in one.answers.values():
        if isinstance(kind, type) and issubclass(kind, Struct):
            return schemas.fields_of(kind)[0]
    return {}


def _told(link: Link) -> Schema:
    told: Schema = {"operationId": link.to}
    if link.parameters:
        told["parameters"] = {name: _place(said) for name, said in link.parameters.items()}
    if link.body:
        told["requestBody"] = {name: _place(said) for name, said in link.body.items()}
    return told


def _place(said: str) -> str:
    """A field or a header of the answer, or a parameter of the call."""
    if said == ETAG:
        return f"$response.{said}"
    if said.startswith("path."):
        return f"$request.{said}"
    return f"$response.body#/{said}"
