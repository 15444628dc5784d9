"""Attributes as a rule tree reads them: values, not cells.

The decision reads cells; this reads the request itself.  The two are independent on
purpose: tests hold that a rule's truth here agrees with its clauses there.
"""

from __future__ import annotations

from functools import cached_property

from . import tables as t
from .bundle import Bundle
from .request import Content, Request
from .rule import Value
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


def as_value(content: Content) -> Value:
    """What was sent, as rules read it."""
    if isinstance(content, tuple):
        return frozenset(element.decode(errors="replace") for element in content)
    return content.decode(errors="replace") if isinstance(content, bytes) else content


def decimal_text(number: int, scale: int) -> str:
    """An integer of `scale` fraction digits as a decimal."""
    sign, digits = "-" if number < 0 else "", str(abs(number)).rjust(scale + 1, "0")
    return sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
