"""The CEL library's syntax tree as small Structs, read from its serialised form.

The library serialises `cel.expr.CheckedExpr` (or ParsedExpr); the field numbers
are those of cel-spec's `syntax.proto` and `checked.proto`.  Sub-expressions are
declared as bytes and decoded one level at a time: the protobuf runtime gives up
at 100 nested messages, which a rule of legal depth can reach.

`at` is the position that CEL gives: an offset of code points in the rule.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from msgspec import Struct

Field = descriptor_pb2.FieldDescriptorProto


class Literal(Struct, frozen=True):
    value: bool | int | float | str | bytes | None
    id: int
    at: int
    kind: str = ""
    """CEL's type: bool, int, uint, double, string, bytes or null."""


class Ident(Struct, frozen=True):
    name: str
    id: int
    at: int


class Select(Struct, frozen=True):
    """`operand.field`, or `has(operand.field)` if `test_only`."""

    operand: Expr
    field: str
    test_only: bool
    id: int
    at: int


class Call(Struct, frozen=True):
    """A function or operator such as `_&&_`; a receiver is the first argument."""

    function: str
    args: tuple[Expr, ...]
    id: int
    at: int
    method: bool = False


class ListOf(Struct, frozen=True):
    elements: tuple[Expr, ...]
    id: int
    at: int


class Fold(Struct, frozen=True):
    """What a macro such as `exists` became: the loop's step says which one it was."""

    variable: str
    range: Expr
    step: Expr
    id: int
    at: int


class Other(Struct, frozen=True):
    """Maps and messages, which rules do not use."""

    id: int
    at: int


Expr: TypeAlias = Literal | Ident | Select | Call | ListOf | Fold | Other


def dotted(expr: Expr) -> str | None:
    """`a.b.c` of nested selections, None for anything else."""
    words: list[str] = []
    while isinstance(expr, Select) and not expr.test_only:
        words.append(expr.field)
        expr = expr.operand
    return ".".join([expr.name, *reversed(words)]) if isinstance(expr, Ident) else None


def decode(serialized: bytes) -> Expr:
    """The expression in a serialised `Any` of CheckedExpr or ParsedExpr."""
    wrapped = any_pb2.Any.FromString(serialized)
    name = wrapped.type_url.rpartition(".")[2]
    whole = _class(name).FromString(wrapped.value)
    positions = {each.key: each.value for each in whole.source_info.positions}
    return _expr(whole.expr, positions)


# --- protobuf -----------------------------------------------------------------

_SCHEMA: dict[str, list[tuple[str, int, Any]]] = {
    "Constant": [
        ("null_value", 1, Field.TYPE_INT64),
        ("bool_value", 2, Field.TYPE_BOOL),
        ("int64_value", 3, Field.TYPE_INT64),
        ("uint64_value", 4, Field.TYPE_UINT64),
        ("double_value", 5, Field.TYPE_DOUBLE),
        ("string_value", 6, Field.TYPE_STRING),
        ("bytes_value", 7, Field.TYPE_BYTES),
    ],
    "Ident": [("name", 1, Field.TYPE_STRING)],
    "Select": [
        ("operand", 1, Field.TYPE_BYTES),
        ("field", 2, Field.TYPE_STRING),
        ("test_only", 3, Field.TYPE_BOOL),
    ],
    "Call": [
        ("target", 1, Field.TYPE_BYTES),
        ("function", 2, Field.TYPE_STRING),
        ("args", 3, [Field.TYPE_BYTES]),
    ],
    "List": [("elements", 1, [Field.TYPE_BYTES])],
    "Comprehension": [
        ("iter_var", 1, Field.TYPE_STRING),
        ("iter_range", 2, Field.TYPE_BYTES),
        ("loop_step", 6, Field.TYPE_BYTES),
    ],
    "Expr": [
        ("id", 2, Field.TYPE_INT64),
        ("const_expr", 3, "Constant"),
        ("ident_expr", 4, "Ident"),
        ("select_expr", 5, "Select"),
        ("call_expr", 6, "Call"),
        ("list_expr", 7, "List"),
        ("comprehension_expr", 9, "Comprehension"),
    ],
    "Position": [("key", 1, Field.TYPE_INT64), ("value", 2, Field.TYPE_INT32)],
    "SourceInfo": [("positions", 4, ["Position"])],
    "CheckedExpr": [("expr", 4, Field.TYPE_BYTES), ("source_info", 5, "SourceInfo")],
    "ParsedExpr": [("expr", 2, Field.TYPE_BYTES), ("source_info", 3, "SourceInfo")],
}
_LITERAL_KINDS = {
    "bool_value": "bool",
    "int64_value": "int",
    "uint64_value": "uint",
    "double_value": "double",
    "string_value": "string",
    "bytes_value": "bytes",
}


@cache
def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_schema_pool().FindMessageTypeByName(f"cel.expr.{name}"))


@cache
def _schema_pool() -> descriptor_pool.DescriptorPool:
    """proto2, so that a constant 0 is told from no constant."""
    file = descriptor_pb2.FileDescriptorProto(name="expr", package="cel.expr", syntax="proto2")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for word, number, kind in fields:
            repeated = isinstance(kind, list)
            kind = kind[0] if isinstance(kind, list) else kind
            field = message.field.add(name=word, number=number)
            field.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            field.type = Field.TYPE_MESSAGE if isinstance(kind, str) else kind
            if isinstance(kind, str):
                field.type_name = f".cel.expr.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _expr(data: bytes, positions: dict[int, int]) -> Expr:
    node = _class("Expr").FromString(data)
    id, at = node.id, positions.get(node.id, 0)
    if node.HasField("const_expr"):
        return _literal(node.const_expr, id, at)
    if node.HasField("ident_expr"):
        return Ident(node.ident_expr.name.lstrip("."), id, at)
    if node.HasField("select_expr"):
        select = node.select_expr
        return Select(_expr(select.operand, positions), select.field, select.test_only, id, at)
    if node.HasField("call_expr"):
        return _call(node.call_expr, id, at, positions)
    if node.HasField("list_expr"):
        elements = tuple(_expr(each, positions) for each in node.list_expr.elements)
        return ListOf(elements, id, at)
    if node.HasField("comprehension_expr"):
        fold = node.comprehension_expr
        range, step = _expr(fold.iter_range, positions), _expr(fold.loop_step, positions)
        return Fold(fold.iter_var, range, step, id, at)
    return Other(id, at)


def _literal(constant: Any, id: int, at: int) -> Literal:
    for field, kind in _LITERAL_KINDS.items():
        if constant.HasField(field):
            return Literal(getattr(constant, field), id, at, kind)
    return Literal(None, id, at, "null")


def _call(call: Any, id: int, at: int, positions: dict[int, int]) -> Call:
    """`sets.intersects(...)` arrives either resolved or with the receiver `sets`."""
    args = tuple(_expr(each, positions) for each in call.args)
    if not call.HasField("target"):
        return Call(call.function, args, id, at)
    target = _expr(call.target, positions)
    if isinstance(target, Ident) and target.name == "sets":
        return Call(f"sets.{call.function}", args, id, at)
    return Call(call.function, (target, *args), id, at, method=True)
