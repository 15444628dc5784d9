"""Attributes as a rule tree reads them: values, not cells.

The decision reads cells; this reads the request itself.  The two are independent on
purpose: tests hold that a rule's truth here agrees with its clauses there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from . import tables as t
from .bundle import Bundle
from .errors import BundleError
from .request import Content, Request
from .rule import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Constant,
    Has,
    In,
    Leaf,
    Node,
    Not,
    Or,
    StartsWith,
    Value,
)
from .situation import ABSENT_CELL, Situation


class RequestFacts:
    """`rule.Facts` over a request."""

    def __init__(self, bundle: Bundle, request: Request, situation: Situation) -> None:
        self.bundle, self.situation = bundle, situation
        self.sent = {held.attribute: held.value for held in request.attributes}

    @cached_property
    def rows(self) -> dict[str, int]:
        names = self.bundle.tables.attribute_name
        return {self.bundle.text(text): row for row, text in enumerate(names)}

    def value(self, attribute: str) -> Value | None:
        row = self.rows[attribute]
        if self.situation.cells[row] < 0:
            return None
        sent = self.sent.get(row)
        if isinstance(sent, tuple | bytes):
            return as_value(sent)
        return self.situation.values[row]

    def absent(self, attribute: str) -> bool:
        return self.situation.cells[self.rows[attribute]] == ABSENT_CELL

    def state(self, attribute: str) -> str:
        """`value`, `absent`, `withheld` or `invalid`."""
        cell = self.situation.cells[self.rows[attribute]]
        return "value" if cell >= 0 else ("absent", "withheld", "invalid")[-1 - cell]

    def written(self, attribute: str, value: Value | bool) -> str:
        """A value as an author would write it."""
        row = self.rows[attribute]
        kind, scale = (
            self.bundle.tables.attribute_type[row],
            self.bundle.tables.attribute_scale[row],
        )
        if isinstance(value, frozenset):
            return "{" + ", ".join(f'"{each}"' for each in sorted(value)) + "}"
        if isinstance(value, str):
            return f'"{value}"'
        if kind == t.BOOL:
            return "true" if value else "false"
        return decimal_text(int(value), scale) if kind == t.DECIMAL else str(value)


def leaves(node: Node) -> Iterator[Leaf]:
    match node:
        case Not():
            yield from leaves(node.part)
        case And() | Or():
            for part in node.parts:
                yield from leaves(part)
        case Conditional():
            for part in (node.test, node.then, node.otherwise):
                yield from leaves(part)
        case Constant():
            return
        case _:
            yield node


def check_readable(bundle: Bundle) -> None:
    """Raise `BundleError` TEXT if a rule of the notes speaks of what the bundle does not have.

    Deciding reads no notes, so opening a bundle does not look; whoever explains one does.
    """
    rows = {bundle.text(text): row for row, text in enumerate(bundle.tables.attribute_name)}
    for note in bundle.notes.offers:
        for rule in (note.eligible, note.applicable, note.suitable, note.daypart):
            for leaf in () if rule is None else leaves(rule):
                row = rows.get(leaf.attribute)
                if row is None or not (_fits(leaf, bundle, row) and _is_listed(leaf, bundle, row)):
                    text = f"a rule in the notes reads {leaf.attribute!r:.80}, or reads it wrongly"
                    raise BundleError("TEXT", text)


def _fits(leaf: Leaf, bundle: Bundle, row: int) -> bool:
    """Whether the leaf's constants are of the attribute's kind."""
    kind = bundle.tables.attribute_type[row]
    match leaf:
        case Has():
            return True
        case AnyOf():
            return kind == t.SET
        case StartsWith():
            return kind == t.STRING
    wanted = str if kind == t.STRING else int
    return kind != t.SET and all(isinstance(each, wanted) for each in _constants(leaf))


def _is_listed(leaf: Leaf, bundle: Bundle, row: int) -> bool:
    """Whether an enumeration has the leaf's constants."""
    if not bundle.tables.attribute_flags[row] & t.ENUMERATED:
        return True
    words = bundle.words[row]
    return all(str(each).encode() in words for each in _constants(leaf))


def _constants(leaf: Leaf) -> tuple[object, ...]:
    if isinstance(leaf, Compare):
        return (leaf.value,)
    return leaf.values if isinstance(leaf, In | AnyOf) else ()


def as_value(content: Content) -> Value:
    """What was sent, as rules read it."""
    if isinstance(content, tuple):
        return frozenset(element.decode(errors="replace") for element in content)
    return content.decode(errors="replace") if isinstance(content, bytes) else content


def decimal_text(number: int, scale: int) -> str:
    """An integer of `scale` fraction digits as a decimal."""
    sign, digits = "-" if number < 0 else "", str(abs(number)).rjust(scale + 1, "0")
    return sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
