"""Nodes -> catalog Structs, collecting every misfit instead of stopping at the first.

msgspec alone reports one error per object and knows no lines.  So Structs,
lists and mappings are walked here, by the very annotations of `catalog.py`,
and only their leaves are converted.  A value that does not fit becomes
`BROKEN`, and so does every object around it; what surrounds those still is
converted, so that all misfits are told at once.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from .diagnostics import Place, did_you_mean
from .nodes import AnyNode, Entry, Mapping, Scalar, Sequence, bounded

Report = Callable[[str, Place, str, str, str], None]
"""Called with code, place, path, message and help ("" for the code's own)."""


class Broken:
    """Stands for a value that did not fit."""


BROKEN: Final = Broken()

PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    Decimal: "a number",
    bool: "true or false",
    type(None): "nothing",
}


def step(path: str, key: str) -> str:
    """The path of an entry: `a.b`, or `a["b.c"]` where the key is no plain word."""
    if not _IDENTIFIER.fullmatch(key):
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def convert(node: AnyNode, wanted: Any, path: str, report: Report) -> Any:
    """The node as an object of the type, or BROKEN after reporting why not."""
    wanted, optional = _without_none(wanted)
    if optional and isinstance(node, Scalar) and node.value is None:
        return None
    origin = typing.get_origin(wanted)
    if origin is typing.Annotated:
        kind, meta = typing.get_args(wanted)
        return _ranged(node, kind, meta, path, report)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return _struct(node, wanted, path, report)
    if origin is list:
        return _list(node, wanted, path, report)
    if origin is tuple:
        return _tuple(node, typing.get_args(wanted), path, report)
    if origin is dict:
        return _dict(node, wanted, path, report)
    if isinstance(node, Sequence) and (lists := _lists_in(wanted)):
        return _list(node, lists[0], path, report)
    return _leaf(node, wanted, path, report)


# --- collections --------------------------------------------------------------


def _struct(node: AnyNode, wanted: type[msgspec.Struct], path: str, report: Report) -> Any:
    if not isinstance(node, Mapping):
        return _misfit(node, "a mapping of keys", path, report)
    fields = {each.encode_name: each for each in _fields(wanted)}
    values: dict[str, Any] = {}
    whole = True
    for name, entry in node.entries.items():
        if name not in fields:
            report_unknown(entry, fields, path, report)
            whole = False
            continue
        found = fields[name]
        values[found.name] = convert(entry.node, found.type, step(path, name), report)
    for each in fields.values():
        if each.required and each.name not in values:
            report("P111", node.place, path, f"`{each.encode_name}` is missing.", "")
            whole = False
    if not whole or any(value is BROKEN for value in values.values()):
        return BROKEN
    return wanted(**values)


def report_unknown(entry: Entry, known: typing.Iterable[str], path: str, report: Report) -> None:
    """The key is none of the known ones: the diagnostic with a suggestion."""
    name = entry.key.text
    report(
        "P110",
        entry.key.place,
        step(path, name),
        f"Unknown key `{name}`.",
        did_you_mean(name, known),
    )


def _list(node: AnyNode, wanted: Any, path: str, report: Report) -> Any:
    if not isinstance(node, Sequence):
        return _misfit(node, "a list", path, report)
    (item,) = typing.get_args(wanted)
    values = [convert(each, item, f"{path}[{i}]", report) for i, each in enumerate(node.items)]
    return BROKEN if any(value is BROKEN for value in values) else values


def _tuple(node: AnyNode, wanted: tuple[Any, ...], path: str, report: Report) -> Any:
    if not isinstance(node, Sequence) or len(node.items) != len(wanted):
        return _misfit(node, f"a list of {len(wanted)} values", path, report)
    pairs = zip(node.items, wanted, strict=True)
    values = [convert(each, kind, f"{path}[{i}]", report) for i, (each, kind) in enumerate(pairs)]
    return BROKEN if any(value is BROKEN for value in values) else tuple(values)


def _dict(node: AnyNode, wanted: Any, path: str, report: Report) -> Any:
    if not isinstance(node, Mapping):
        return _misfit(node, "a mapping of keys", path, report)
    _, kind = typing.get_args(wanted)
    values = {
        name: convert(entry.node, kind, step(path, name), report)
        for name, entry in node.entries.items()
    }
    return BROKEN if any(value is BROKEN for value in values.values()) else values


# --- leaves -------------------------------------------------------------------


def _leaf(node: AnyNode, wanted: Any, path: str, report: Report) -> Any:
    if typing.get_origin(wanted) is Literal:
        return _choice(node, [str(each) for each in typing.get_args(wanted)], path, report)
    if not isinstance(node, Scalar):
        return _misfit(node, _words(wanted), path, report)
    for kind in _members(wanted):
        if typing.get_origin(kind) is list:
            continue
        value = _as_kind(node, kind, alone=kind is wanted)
        if value is not BROKEN:
            return _bounded(value, node, path, report)
    return _misfit(node, _words(wanted), path, report)


def _lists_in(wanted: Any) -> list[Any]:
    """The lists among the kinds of a union."""
    return [kind for kind in _members(wanted) if typing.get_origin(kind) is list]


def _as_kind(node: Scalar, kind: Any, alone: bool) -> Any:
    """The scalar as one of int, Decimal, str, bool.  A decimal may be quoted where only
    a number can stand, and is its text where texts and whole numbers can."""
    value = node.value
    if kind is str and isinstance(value, Decimal) and not alone:
        return f"{value:f}"
    if kind is Decimal and not isinstance(value, bool):
        if isinstance(value, int | Decimal):
            return Decimal(value)
        if alone and isinstance(value, str) and PLAIN_DECIMAL.fullmatch(value):
            return Decimal(value)
        return BROKEN
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        return BROKEN


def _ranged(node: AnyNode, kind: Any, meta: msgspec.Meta, path: str, report: Report) -> Any:
    """A number out of its range is BROKEN: what would compute with it never sees it."""
    value = convert(node, kind, path, report)
    if value is BROKEN or meta.ge <= value <= meta.le:  # type: ignore[operator]
        return value
    span = f"between {meta.ge} and {meta.le}"
    report("P305", node.place, path, f"{value} is out of range: it must be {span}.", "")
    return BROKEN


def _bounded(value: Any, node: Scalar, path: str, report: Report) -> Any:
    if not isinstance(value, Decimal) or bounded(value):
        return value
    report("P109", node.place, path, f"The number {node.text[:50]} cannot be used exactly.", "")
    return BROKEN


def _choice(node: AnyNode, choices: list[str], path: str, report: Report) -> Any:
    if isinstance(node, Scalar) and node.value in choices:
        return node.value
    shown = _shown(node)
    help = did_you_mean(str(node.value), choices) if isinstance(node, Scalar) else ""
    there = ", ".join(choices)
    report("P112", node.place, path, f"Expected one of {there}; found {shown}.", help)
    return BROKEN


def _misfit(node: AnyNode, wanted: str, path: str, report: Report) -> Broken:
    report("P112", node.place, path, f"Expected {wanted}, found {_shown(node)}.", "")
    return BROKEN


def _shown(node: AnyNode) -> str:
    if isinstance(node, Scalar):
        kind = _WORDS[type(node.value)]
        return kind if node.value is None else f"{kind} ({node.text[:40]})"
    return "a list" if isinstance(node, Sequence) else "a mapping"


# --- annotations --------------------------------------------------------------


@lru_cache(maxsize=256)
def _fields(wanted: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(wanted)


def _members(wanted: Any) -> tuple[Any, ...]:
    """The kinds of a union, or the kind itself."""
    is_union = typing.get_origin(wanted) in (types.UnionType, typing.Union)
    return typing.get_args(wanted) if is_union else (wanted,)


def _without_none(wanted: Any) -> tuple[Any, bool]:
    members = _members(wanted)
    kept = tuple(each for each in members if each is not type(None))
    if len(kept) == len(members):
        return wanted, False
    return (kept[0] if len(kept) == 1 else typing.Union[kept]), True  # noqa: UP007


def _words(wanted: Any) -> str:
    words = [
        "a list" if typing.get_origin(each) is list else _WORDS.get(each, str(each))
        for each in _members(wanted)
    ]
    return " or ".join(words)
