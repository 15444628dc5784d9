"""A request seen through one policy: each attribute in its state and cell.

An attribute is in one of five states (DESIGN section 5).  *value* and *other*
are cells >= 0 (`other` is the cell of strings that the policy never mentions);
*absent*, *withheld* and *invalid* are the negative cells below.

Consent.  `contextual` withholds every personal attribute, whatever was sent.
`full` withholds nothing.  (`none` never gets here: it is answered by defaults.)

Derived attributes are computed here.  If an operand has no value, they share the
worst state among their operands: invalid before withheld before absent.  A result
outside the declared range, and an hour outside the bundle's horizon, is invalid.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from msgspec import Struct

from . import tables as t
from .errors import RequestError
from .request import CONTEXTUAL, INVALID, NUMBER, SETS, STRINGS, Held, Request
from .tables import Ints, Tables

if TYPE_CHECKING:
    from .bundle import Bundle

ABSENT_CELL, WITHHELD_CELL, INVALID_CELL = -1, -2, -3
FORMS = (NUMBER, NUMBER, NUMBER, STRINGS, SETS, NUMBER)


class Situation(Struct):
    """Columns over the attribute table.

    `cells`: cell, or one of the three negative states (sets with a value: 0).
    `values`: the number, for attributes that are numbers with a value; else 0.
    `masks`: for sets, a bit per word that is an element.
    """

    cells: list[int]
    values: list[int]
    masks: list[int]

    def number(self, attribute: int) -> int | None:
        """The number, or None unless the attribute has a value."""
        return self.values[attribute] if self.cells[attribute] >= 0 else None


def situate(bundle: Bundle, request: Request) -> Situation:
    """Raises `RequestError` if an attribute has no row or not the form of its type."""
    tables, count = bundle.tables, bundle.rows["attribute"]
    situation = Situation([ABSENT_CELL] * count, [0] * count, [0] * count)
    for held in request.attributes:
        _place(bundle, situation, held)
    if request.consent == CONTEXTUAL:
        _withhold_personal(tables, situation)
    for row, op in enumerate(tables.attribute_op):
        if op != t.NO_OP:
            _derive(tables, situation, row, request.now_s)
    return situation


def _place(bundle: Bundle, situation: Situation, held: Held) -> None:
    tables, row = bundle.tables, held.attribute
    if row >= len(situation.cells) or tables.attribute_op[row] != t.NO_OP:
        raise RequestError("ENCODING", f"there is no attribute {row} to send")
    value = held.value
    if held.form == INVALID:
        situation.cells[row] = INVALID_CELL
    elif held.form != FORMS[tables.attribute_type[row]]:
        raise RequestError("ENCODING", f"attribute {row} has form {held.form}")
    elif isinstance(value, tuple):
        words = bundle.words[row]
        situation.cells[row] = 0
        situation.masks[row] = sum(1 << words[x] for x in value if x in words)
    elif isinstance(value, bytes):
        situation.cells[row] = _string_cell(bundle, row, value)
    else:
        _place_number(tables, situation, row, value)


def _place_number(tables: Tables, situation: Situation, row: int, value: int) -> None:
    if not tables.attribute_low[row] <= value <= tables.attribute_high[row]:
        situation.cells[row] = INVALID_CELL
        return
    situation.values[row] = value
    if tables.attribute_type[row] == t.BOOL:
        situation.cells[row] = value
    else:
        low, high = tables.attribute_break[row], tables.attribute_break[row + 1]
        situation.cells[row] = bisect_right(tables.break_value, value, low, high) - low


def _string_cell(bundle: Bundle, row: int, value: bytes) -> int:
    cell = word_cell(bundle, row, value)
    if cell is not None:
        return cell
    words = bundle.words[row]
    ordered = bundle.tables.attribute_flags[row] & t.ORDERED
    return 2 * bisect_left(list(words), value) if ordered else len(words)


def word_cell(bundle: Bundle, row: int, word: bytes) -> int | None:
    """The cell of a string that the policy mentions, None for any other."""
    found = bundle.words[row].get(word)
    ordered = bundle.tables.attribute_flags[row] & t.ORDERED
    return found if found is None or not ordered else 2 * found + 1


def _withhold_personal(tables: Tables, situation: Situation) -> None:
    for row, flags in enumerate(tables.attribute_flags):
        if flags & t.PERSONAL:
            situation.cells[row], situation.values[row], situation.masks[row] = WITHHELD_CELL, 0, 0


def _derive(tables: Tables, situation: Situation, row: int, now_s: int) -> None:
    op = tables.attribute_op[row]
    operands = [x for x in (tables.attribute_left[row], tables.attribute_right[row]) if x >= 0]
    worst = min((situation.cells[x] for x in operands), default=0)
    if situation.cells[row] == WITHHELD_CELL or worst < 0:
        situation.cells[row] = min(worst, situation.cells[row]) if worst < 0 else WITHHELD_CELL
        return
    left, right = ([situation.values[x] for x in operands] + [0, 0])[:2]
    if op in (t.HOUR, t.WEEKDAY):
        local = local_time_s(tables, tables.attribute_zone[row], now_s)
        value = None if local is None else _of_clock(op, local)
    else:
        value = {t.AGE: now_s - left, t.SUM: left + right, t.DIFFERENCE: left - right}[op]
    if value is None:
        situation.cells[row] = INVALID_CELL
    else:
        _place_number(tables, situation, row, value)


def local_time_s(tables: Tables, zone: int, now_s: int) -> int | None:
    """Seconds of local time since 1970-01-01T00:00 there; None outside the horizon."""
    if not tables.head[t.HEAD_HORIZON_FROM] <= now_s < tables.head[t.HEAD_HORIZON_UNTIL]:
        return None
    first, last = tables.zone_shift[zone], tables.zone_shift[zone + 1]
    at = bisect_right(tables.shift_instant, now_s, first, last) - 1
    return None if at < first else now_s + tables.shift_offset_s[at]


def _of_clock(op: int, local_s: int) -> int:
    """Hour 0..23, or ISO weekday 1..7 (1970-01-01 was a Thursday)."""
    return local_s // 3600 % 24 if op == t.HOUR else (local_s // 86400 + 3) % 7 + 1


def bin_of(bins: Ints, cell: int) -> int:
    """The bin of a cell; the last entry stands for an attribute without value."""
    return bins[cell] if cell >= 0 else bins[-1]
