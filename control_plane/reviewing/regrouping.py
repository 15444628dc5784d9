"""Segments: by what replayed slots are grouped.

Without a wish, a placement's own segments: those that its allocation is learned by.  With
the name of an attribute of the draft, its values, as far as the draft tells them apart:
words that it mentions, runs between its breakpoints, or the state where there is no value.
So there are at most as many segments as the attribute has cells.
"""

from __future__ import annotations

from control_plane.recording import REST, segment_of
from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.facts import decimal_text
from edge.decision.situation import Situation

STATES = ("absent", "withheld", "invalid")


class CannotRegroup(ValueError):
    """The draft has no such attribute, or one that has no cells; the message says which."""


class Regrouping:
    """Names the segment of a slot.  `by` is an attribute's name, or "" for placements' own."""

    def __init__(self, draft: Bundle, by: str = "") -> None:
        self.draft, self.by = draft, by
        self._row = _row_of(draft, by) if by else -1
        self._names: dict[int, str] = {}

    def segment(self, situation: Situation, placement: int) -> str:
        """`placement` is the draft's; -1 for one that it does not have."""
        if self._row < 0:
            return REST if placement < 0 else segment_of(self.draft, situation, placement)
        cell = situation.cells[self._row]
        if cell not in self._names:
            self._names[cell] = _name_of(self.draft, self._row, cell)
        return self._names[cell]


def _row_of(draft: Bundle, name: str) -> int:
    names = [draft.text(text) for text in draft.tables.attribute_name]
    if name not in names:
        raise CannotRegroup(f"the draft has no attribute {name!r}")
    row = names.index(name)
    if draft.tables.attribute_type[row] == t.SET:
        raise CannotRegroup(f"{name} is a set: a visitor may be in many of its groups")
    return row


def _name_of(draft: Bundle, row: int, cell: int) -> str:
    if cell < 0:
        return STATES[-1 - cell]
    kind = draft.tables.attribute_type[row]
    if kind == t.BOOL:
        return "true" if cell else "false"
    if kind == t.STRING:
        return _word(draft, row, cell)
    return _run(draft, row, cell)


def _word(draft: Bundle, row: int, cell: int) -> str:
    """Strings that the draft never mentions share one name, wherever they sort."""
    for word, at in draft.gauges[row].words.items():
        if at == cell:
            return word.decode()
    return REST


def _run(draft: Bundle, row: int, cell: int) -> str:
    tables = draft.tables
    first, last = tables.attribute_break[row : row + 2]
    breaks = [decimal_text(b, tables.attribute_scale[row]) for b in tables.break_value[first:last]]
    if not breaks:
        return REST
    if cell == 0:
        return f"below {breaks[0]}"
    until = f" to below {breaks[cell]}" if cell < len(breaks) else " and more"
    return f"{breaks[cell - 1]}{until}"
