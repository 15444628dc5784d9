"""The door to the CEL library: rule text in, typed syntax tree or complaints out.

Only this file knows `cel_expr_python`, so that the library (0.1.x) can be
exchanged.  It parses and type-checks; `syntax.py` reads what it serialises.

Attributes are declared to it as fields of protobuf messages, one message per
prefix, because that keeps `has(cart.total)` apart from `cart.total`: as a
variable with a dotted name, the test for presence would silently become the
value.  `rules` is such a message, too, with a boolean field per named rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, timestamp_pb2
from msgspec import Struct

from .catalog import Attribute
from .syntax import Expr, decode

Field = descriptor_pb2.FieldDescriptorProto


class Complaint(Struct, frozen=True):
    """The library's words about the rule, at an offset of code points (None: about all)."""

    message: str
    offset: int | None


class Checked(Struct, frozen=True):
    expr: Expr
    type: str
    """CEL's name of the result's type, such as BOOL."""


class TooDeep(Exception):
    """The library refuses to descend that far."""


class CelLibrary:
    """A CEL environment in which exactly these attributes and named rules exist."""

    def __init__(self, attributes: Mapping[str, Attribute], rule_names: Iterable[str]) -> None:
        messages = _messages(attributes, rule_names)
        self._env: Any = cel.NewEnv(
            descriptor_pool=_pool(messages),
            variables={name: cel.Type(type_) for name, type_ in _variables(messages).items()},
            functions=_functions(),
        )

    def check(self, text: str) -> Checked | list[Complaint]:
        """Parse and type-check.  Raises TooDeep."""
        return self._compile(text, parse_only=False)

    def parse(self, text: str) -> Checked | list[Complaint]:
        """Parse only, to look at what did not check.  Raises TooDeep."""
        return self._compile(text, parse_only=True)

    def _compile(self, text: str, parse_only: bool) -> Checked | list[Complaint]:
        try:
            compiled = self._env.compile(text, parse_only)
        except RuntimeError as error:
            return _complaints(str(error), text)
        result = "" if parse_only else compiled.return_type().name()
        return Checked(decode(compiled.serialize()), result)


# --- what exists --------------------------------------------------------------

_TYPES = {
    "bool": Field.TYPE_BOOL,
    "int": Field.TYPE_INT64,
    "decimal": Field.TYPE_DOUBLE,
    "string": Field.TYPE_STRING,
}
Messages: TypeAlias = dict[str, dict[str, Attribute | None]]
"""Prefix -> field -> its attribute, or None if the field is the next message."""


def _messages(attributes: Mapping[str, Attribute], rule_names: Iterable[str]) -> Messages:
    messages: Messages = {}
    for name in sorted(attributes):
        words = name.split(".")
        prefixes = [".".join(words[:i]) for i in range(1, len(words))]
        if any(prefix in attributes for prefix in prefixes):
            continue  # collides, which the check of the catalog reports
        for prefix, word in zip(prefixes, words[1:], strict=True):
            whole = attributes[name] if f"{prefix}.{word}" == name else None
            messages.setdefault(prefix, {})[word] = whole
    messages["rules"] = {name: Attribute(type="bool") for name in sorted(rule_names)}
    return messages


def _variables(messages: Messages) -> dict[str, str]:
    return {
        prefix: f"proffer.M{index}" for index, prefix in enumerate(messages) if "." not in prefix
    }


def _pool(messages: Messages) -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="proffer/attributes.proto", package="proffer", syntax="proto2"
    )
    file.dependency.append("google/protobuf/timestamp.proto")
    numbers = {prefix: index for index, prefix in enumerate(messages)}
    for prefix, fields in messages.items():
        message = file.message_type.add(name=f"M{numbers[prefix]}")
        # `b_1` and `b1` share a JSON name, which nobody here uses
        message.options.deprecated_legacy_json_field_conflicts = True
        for number, (word, attribute) in enumerate(fields.items(), 1):
            field = message.field.add(name=word, number=number)
            _declare(field, attribute, numbers.get(f"{prefix}.{word}"))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _declare(field: Any, attribute: Attribute | None, message: int | None) -> None:
    kind = attribute.type if attribute else "message"
    field.label = Field.LABEL_REPEATED if kind == "set" else Field.LABEL_OPTIONAL
    if kind == "timestamp":
        field.type, field.type_name = Field.TYPE_MESSAGE, ".google.protobuf.Timestamp"
    elif kind == "message":
        field.type, field.type_name = Field.TYPE_MESSAGE, f".proffer.M{message}"
    else:
        field.type = _TYPES.get(kind, Field.TYPE_STRING)


@cache
def _functions() -> list[cel.FunctionDecl]:
    texts = cel.Type.List(cel.Type.STRING)
    return [
        cel.FunctionDecl(
            "age_s",
            [
                cel.Overload(
                    "age_s_timestamp", return_type=cel.Type.INT, parameters=[cel.Type.TIMESTAMP]
                )
            ],
        ),
        cel.FunctionDecl(
            "sets.intersects",
            [cel.Overload("sets_intersects", return_type=cel.Type.BOOL, parameters=[texts, texts])],
        ),
    ]


# --- what the library says ----------------------------------------------------

_COMPLAINT = re.compile(r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
_STATUS = re.compile(r" \[[A-Z_]+\]$")


def _complaints(words: str, text: str) -> list[Complaint]:
    if ("recursion" in words and "limit" in words) or "max recursion depth" in words:
        raise TooDeep
    found = [
        Complaint(_STATUS.sub("", message), _offset(text, int(line), int(column)))
        for line, column, message in _COMPLAINT.findall(words)
    ]
    return found or [Complaint(_STATUS.sub("", words.split("\n")[0]), None)]


def _offset(text: str, line: int, column: int) -> int | None:
    lines = text.split("\n")
    if not 1 <= line <= len(lines) or column < 1:
        return None
    return sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
