"""A catalog's text as a tree of nodes that know their places.

`yaml_text.py` makes them of files, `nodes_of` of plain objects.  Values are what
YAML's core schema knows, with decimals instead of floats.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct, field

from .diagnostics import Diagnostic, Place, make

DEPTH_MAX = 60
INTEGER_DIGITS_MAX = 15
FRACTION_DIGITS_MAX = 12
SURROGATE = re.compile("[\ud800-\udfff]")

Value: TypeAlias = bool | int | Decimal | str | None


class Node(Struct, kw_only=True):
    """`start` and `end` are offsets of code points in the text of `place.file`."""

    place: Place
    start: int = 0
    end: int = 0
    weight: int = 1
    """Values in it, aliased ones counted each time."""
    height: int = 1


class Scalar(Node, kw_only=True):
    value: Value
    style: str = ""
    """As written: "" plain, "'", '"', "|" or ">"."""
    text: str = ""


class Sequence(Node, kw_only=True):
    items: list[AnyNode] = field(default_factory=list)


class Mapping(Node, kw_only=True):
    entries: dict[str, Entry] = field(default_factory=dict)


class Entry(Struct):
    key: Scalar
    node: AnyNode


AnyNode: TypeAlias = Scalar | Sequence | Mapping


class Refused(Exception):
    """The file cannot be read any further."""

    def __init__(self, found: Diagnostic) -> None:
        self.found = found
        super().__init__(found.message)


def bounded(number: Decimal) -> bool:
    """Whether the decimal is finite and short enough to be used exactly."""
    if not number.is_finite():
        return False
    exponent = int(number.as_tuple().exponent)
    return not number or (
        number.adjusted() < INTEGER_DIGITS_MAX and exponent >= -FRACTION_DIGITS_MAX
    )


# --- objects that never were text ---------------------------------------------


def nodes_of(value: object, file: str) -> AnyNode:
    """Plain objects (from JSON, say) as nodes, all placed at the start of `file`."""
    return _node_of(value, Place(file, 1, 1), 1)


def _node_of(value: object, place: Place, depth: int) -> AnyNode:
    if depth > DEPTH_MAX:
        raise Refused(make("P106", place, "", f"More than {DEPTH_MAX} levels of nesting."))
    match value:
        case dict():
            entries = {
                str(key): Entry(_text_node(str(key), place), _node_of(inner, place, depth + 1))
                for key, inner in value.items()
            }
            return Mapping(place=place, entries=entries)
        case list() | tuple():
            return Sequence(place=place, items=[_node_of(i, place, depth + 1) for i in value])
        case str():
            return _text_node(value, place)
        case bool() | None:
            return Scalar(place=place, value=value, text=str(value))
        case int() | Decimal() | float():
            return Scalar(place=place, value=_exact(value, place), text=str(value))
    raise Refused(make("P108", place, "", f"Values of type {type(value).__name__} are unknown."))


def _text_node(text: str, place: Place) -> Scalar:
    if SURROGATE.search(text):
        raise Refused(make("P103", place, "", "A text holds half of a Unicode surrogate pair."))
    return Scalar(place=place, value=text, style='"', text=text)


def _exact(number: int | Decimal | float, place: Place) -> int | Decimal:
    """A float stands for its shortest decimal text, which is what JSON's author wrote."""
    exact = number if isinstance(number, int) else Decimal(str(number))
    if bounded(exact) if isinstance(exact, Decimal) else abs(exact) < 10**INTEGER_DIGITS_MAX:
        return exact
    raise Refused(make("P109", place, "", f"The number {number!r:.50} cannot be used exactly."))
