"""Reading a call: path, query and body, each of the type that the operation names.

Nothing is guessed: a field that the operation does not know, a parameter that is sent
twice, a number written in an odd way are refused with the place they stand in.  U+0000 is
refused in every text, since no database and no file name takes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, inspect
from starlette.requests import Request

from control_plane.api.operation import JSON, Operation
from control_plane.errors import Refused
from control_plane.http import check_type, read_body

BODY_WITHIN_S = 30.0
"""How long a body may take to arrive."""
NULL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000, as JSON writes it."""


def read_params(operation: Operation, request: Request) -> Struct | None:
    """A path that does not fit leads nowhere: raises `Refused` not-found."""
    if operation.params is None:
        return None
    sent = {name: str(value) for name, value in request.path_params.items()}
    try:
        return _convert(sent, operation.params)
    except ValueError as error:
        raise Refused("not-found", f"{request.url.path[:200]!a}: {error}") from None


def read_query(operation: Operation, request: Request) -> Struct | None:
    """Raises `Refused` malformed-request."""
    if operation.query is None and not request.scope["query_string"]:
        return None
    sent = request.query_params.multi_items()
    kind = operation.query or Nothing
    lists = _lists(kind)
    found: dict[str, Any] = {}
    try:
        for name, text in sent:
            if name in lists:
                found.setdefault(name, []).append(text)
            elif name in found:
                raise ValueError(f"`{name[:80]}` is there more than once")
            else:
                found[name] = text
        query = _convert(found, kind)
    except ValueError as error:
        raise Refused("malformed-request", f"query: {error}") from None
    return query if operation.query else None


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of operations that take none."""


def _lists(kind: type[Struct]) -> set[str]:
    fields = inspect.type_info(kind)
    assert isinstance(fields, inspect.StructType)
    many = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
    return {field.encode_name for field in fields.fields if isinstance(plain(field.type), many)}


def plain(kind: inspect.Type) -> inspect.Type:
    """Without what is said about it."""
    return plain(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _convert(sent: Mapping[str, Any], kind: type[Struct]) -> Any:
    """Texts as a Struct.  Raises ValueError (msgspec's errors are some)."""
    fields = inspect.type_info(kind)
    assert isinstance(fields, inspect.StructType)
    known = {field.encode_name: plain(field.type) for field in fields.fields}
    for name, value in sent.items():
        if name not in known:
            raise ValueError(f"`{name[:80]}` is no parameter of this operation")
        for text in value if isinstance(value, list) else [value]:
            _check_text(name, text, known[name])
    return msgspec.convert(sent, kind, strict=False)


def _check_text(name: str, text: str, kind: inspect.Type) -> None:
    """What msgspec is more generous about than we are."""
    if "\0" in text:
        raise ValueError(f"`{name}` holds U+0000, which is no text")
    parts = [plain(part) for part in getattr(kind, "types", [kind])]
    if text.lower() == "null" and not any(isinstance(part, inspect.StrType) for part in parts):
        raise ValueError(f"`{name}` is null: leave it out instead")
    for part in parts:
        said = FORMS.get(type(part))
        if said is not None and not said[0].fullmatch(text):
            raise ValueError(f"`{name}` is {said[1]}")


FORMS = {
    inspect.IntType: (re.compile(r"0|-?[1-9]\d{0,19}", re.ASCII), "no whole number"),
    inspect.FloatType: (
        re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII),
        "no number",
    ),
    inspect.BoolType: (re.compile("true|false"), "neither true nor false"),
}


async def read_raw(operation: Operation, request: Request) -> bytes:
    """The body as it came, of the right media type.  Raises `Refused`."""
    if operation.body is None:
        return b""
    check_type(request, operation.body_media, *operation.more_media)
    if operation.reads_body_itself:
        return b""
    return await read_body(request, operation.body_limit_bytes, within_s=BODY_WITHIN_S)


def decode_body(operation: Operation, raw: bytes) -> Any:
    """Raises `Refused` malformed-request."""
    if operation.body is None or operation.reads_body_itself:
        return None
    if operation.body_media != JSON:
        return raw
    try:
        body = msgspec.json.decode(raw, type=operation.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("malformed-request", f"body: {error}") from None
    if NULL.search(raw):
        raise Refused("malformed-request", "body: it holds U+0000, which is no text")
    return body
