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
from .request import CONTEXTUAL, INVALID, NUMBER, SETS, STRINGS, Request
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


class Gauge(Struct, frozen=True, kw_only=True):
    """How what is sent for one attribute becomes its cell.  Derived ones have form -1."""

    form: int
    low: int
    high: int
    breaks: list[int]
    words: dict[bytes, int]
    """Cell of each string that the policy mentions; for sets, the index of each word."""
    between: list[bytes]
    """The words of a string whose other cells lie between them, ascending."""


def gauge_of(tables: Tables, row: int, words: dict[bytes, int]) -> Gauge:
    """`words`: the attribute's words, with their index."""
    kind, flags = tables.attribute_type[row], tables.attribute_flags[row]
    breaks = tables.break_value[tables.attribute_break[row] : tables.attribute_break[row + 1]]
    ordered = flags & t.ORDERED and kind != t.SET
    return Gauge(
        form=FORMS[kind] if tables.attribute_op[row] == t.NO_OP else -1,
        low=tables.attribute_low[row],
        high=tables.attribute_high[row],
        breaks=[1] if kind == t.BOOL else list(breaks),
        words={word: 2 * at + 1 for word, at in words.items()} if ordered else words,
        between=list(words) if ordered else [],
    )


def situate(bundle: Bundle, request: Request) -> Situation:
    """Raises `RequestError` if an attribute has no row or not the form of its type."""
    tables, gauges, count = bundle.tables, bundle.gauges, bundle.rows["attribute"]
    situation = Situation([ABSENT_CELL] * count, [0] * count, [0] * count)
    for held in request.attributes:
        row, form, value = held.attribute, held.form, held.value
        if row >= count or form != (gauge := gauges[row]).form:
            _misplace(gauges, situation, row, form)
        elif isinstance(value, int):
            _place_number(gauge, situation, row, value)
        else:
            _place_words(gauge, situation, row, value)
    if request.consent == CONTEXTUAL:
        _withhold_personal(tables, situation)
    for row in bundle.derived:
        _derive(tables, gauges[row], situation, row, request.now_s)
    return situation


def _misplace(gauges: list[Gauge], situation: Situation, row: int, form: int) -> None:
    if row >= len(gauges) or gauges[row].form < 0:
        raise RequestError("ENCODING", f"there is no attribute {row} to send")
    if form != INVALID:
        raise RequestError("ENCODING", f"attribute {row} has form {form}")
    situation.cells[row] = INVALID_CELL


def _place_words(
    gauge: Gauge, situation: Situation, row: int, value: bytes | tuple[bytes, ...]
) -> None:
    if isinstance(value, bytes):
        situation.cells[row] = cell_of_string(gauge, value)
    else:
        words = gauge.words
        situation.cells[row] = 0
        situation.masks[row] = sum([1 << words[x] for x in value if x in words])


def _place_number(gauge: Gauge, situation: Situation, row: int, value: int) -> None:
    if gauge.low <= value <= gauge.high:
        situation.values[row] = value
        situation.cells[row] = bisect_right(gauge.breaks, value)
    else:
        situation.cells[row] = INVALID_CELL


def cell_of_string(gauge: Gauge, value: bytes) -> int:
    found = gauge.words.get(value)
    if found is not None:
        return found
    return 2 * bisect_left(gauge.between, value) if gauge.between else len(gauge.words)


def _withhold_personal(tables: Tables, situation: Situation) -> None:
    for row, flags in enumerate(tables.attribute_flags):
        if flags & t.PERSONAL:
            situation.cells[row], situation.values[row], situation.masks[row] = WITHHELD_CELL, 0, 0


def _derive(tables: Tables, gauge: Gauge, situation: Situation, row: int, now_s: int) -> None:
    cells, op = situation.cells, tables.attribute_op[row]
    left, right = tables.attribute_left[row], tables.attribute_right[row]
    worst = min(cells[left] if left >= 0 else 0, cells[right] if right >= 0 else 0)
    if worst < 0 or cells[row] == WITHHELD_CELL:
        cells[row] = min(worst, cells[row]) if worst < 0 else WITHHELD_CELL
        return
    value = _derived_value(tables, situation, row, op, left, right, now_s)
    if value is None:
        cells[row] = INVALID_CELL
    else:
        _place_number(gauge, situation, row, value)


def _derived_value(
    tables: Tables, situation: Situation, row: int, op: int, left: int, right: int, now_s: int
) -> int | None:
    values = situation.values
    if op == t.AGE:
        return now_s - values[left]
    if op == t.SUM:
        return values[left] + values[right]
    if op == t.DIFFERENCE:
        return values[left] - values[right]
    local = local_time_s(tables, tables.attribute_zone[row], now_s)
    return None if local is None else _of_clock(op, local)


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


def bin_at(bins: Ints, first: int, last: int, cell: int) -> int:
    """The bin of a cell; a run's last entry stands for an attribute without value."""
    return bins[first + cell if cell >= 0 else last - 1]
