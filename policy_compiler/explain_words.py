"""Numbers of a bundle as words: money, shares, durations, attributes and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.hashing import T
from edge.decision.rule import And, Conditional, Node, Not, Or

MICROS = 1_000_000
DEPTH_ONE = 256
UNBOUNDED = 10**15 - 1
"""In smallest units: what stands where an attribute declares no minimum or maximum."""
MISSING = "unknown"
OTHERS = "others"
ORIGINS = ("", "age", "sum", "difference", "hour", "weekday")
TYPES = ("bool", "int", "decimal", "string", "set", "timestamp")
SOURCES = ("edge", "signed", "client", "derived")
_DAY_S = 86_400


def plain(number: Decimal) -> str:
    """Without exponent and without zeros that say nothing."""
    return f"{number.normalize():f}"


def percent_of_ppm(ppm: int) -> str:
    return f"{plain(Decimal(ppm) / 10_000)} %"


def share(tickets: int) -> str:
    """Tickets out of 2^20, to about one ticket."""
    return f"{plain((Decimal(tickets) * 100 / T).quantize(Decimal('0.0001')))} %"


def duration(seconds: int) -> str:
    for name, unit in (("day", _DAY_S), ("hour", 3600), ("minute", 60)):
        if seconds and seconds % unit == 0:
            count = seconds // unit
            return f"{count:,} {name}{'s' * (count != 1)}"
    return f"{seconds:,} s"


def moment(time_s: int | None) -> str:
    if time_s is None:
        return "ever"
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def day(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")


def written(rule: Node) -> str:
    """A rule as its author wrote it; what the compiler added, in the same language."""
    if rule.text or not isinstance(rule, And | Or | Not):
        return rule.text
    if isinstance(rule, Not):
        return f"!({written(rule.part)})"
    if len(rule.parts) == 1:
        return written(rule.parts[0])
    inside = [_bracketed(part) for part in rule.parts]
    return (" && " if isinstance(rule, And) else " || ").join(inside)


def _bracketed(part: Node) -> str:
    inside = part
    while not inside.text and isinstance(inside, And | Or) and len(inside.parts) == 1:
        inside = inside.parts[0]
    said = written(inside)
    return f"({said})" if isinstance(inside, Or | Conditional) else said


class Words:
    """A bundle's own words for its rows."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.digits = bundle.notes.minor_digits

    def attribute(self, row: int) -> str:
        return self.bundle.text(self.bundle.tables.attribute_name[row])

    def origin(self, row: int) -> str:
        """What a derived attribute is made of; empty for one that is sent."""
        tables = self.bundle.tables
        left, right = tables.attribute_left[row], tables.attribute_right[row]
        made_of = [self.attribute(each) for each in (left, right) if each >= 0]
        words = " and ".join(made_of) or "now"
        return f"{ORIGINS[tables.attribute_op[row]]} of {words}" if tables.attribute_op[row] else ""

    def declared(self, row: int) -> str:
        """Type, source, bounds and labels of an attribute."""
        tables, note = self.bundle.tables, self.bundle.notes.attributes[row]
        said = [TYPES[tables.attribute_type[row]], SOURCES[tables.attribute_source[row]]]
        bounds = (tables.attribute_low[row], tables.attribute_high[row])
        if tables.attribute_type[row] in (t.INT, t.DECIMAL):
            said += self._range(row, *bounds)
        said += [*note.labels, *(f"only for {purpose}" for purpose in note.purpose)]
        return ", ".join([*said, *filter(None, [self.origin(row)])])

    def _range(self, row: int, low: int, high: int) -> list[str]:
        """Nothing of a bound that was not declared."""
        ends = self.number(row, low), self.number(row, high)
        if low <= -UNBOUNDED and high >= UNBOUNDED:
            return []
        if low <= -UNBOUNDED:
            return [f"up to {ends[1]}"]
        return [f"from {ends[0]}" if high >= UNBOUNDED else " to ".join(ends)]

    def values(self, row: int) -> list[str] | None:
        """Its enumeration; None where it has none."""
        tables = self.bundle.tables
        if not tables.attribute_flags[row] & t.ENUMERATED:
            return None
        words = tables.word_text[tables.attribute_word[row] : tables.attribute_word[row + 1]]
        return [self.bundle.text(word) for word in words]

    def money(self, micros: int) -> str:
        """Whole minor units with all their digits, finer amounts exactly."""
        amount = Decimal(micros) / MICROS
        rounded = amount.quantize(Decimal(1).scaleb(-self.digits))
        return f"{rounded:f}" if rounded == amount else plain(amount)

    def number(self, row: int, value: int) -> str:
        """A value of the attribute, with its fraction digits."""
        return f"{Decimal(value).scaleb(-self.bundle.tables.attribute_scale[row]):f}"

    def cells(self, row: int, entries: Sequence[int]) -> list[tuple[str, int]]:
        """(values in words, entry) of a table with an entry per cell and one more for an
        unknown value; neighbours of the same entry as one."""
        tables = self.bundle.tables
        known, missing = list(entries[:-1]), entries[-1]
        if tables.attribute_type[row] == t.BOOL:
            named = list(zip(("false", "true"), known, strict=True))
        elif tables.attribute_type[row] == t.STRING:
            named = self._strings(row, known)
        else:
            named = self._numbers(row, known)
        return [*named, (MISSING, missing)]

    def _strings(self, row: int, known: Sequence[int]) -> list[tuple[str, int]]:
        """Words with an entry of their own; the rest has that of other strings, the last."""
        tables = self.bundle.tables
        texts = tables.word_text[tables.attribute_word[row] : tables.attribute_word[row + 1]]
        ordered = tables.attribute_flags[row] & t.ORDERED
        cells = [2 * i + 1 if ordered else i for i in range(len(texts))]
        own = [(self.bundle.text(w), known[cell]) for w, cell in zip(texts, cells, strict=True)]
        return [(word, entry) for word, entry in own if entry != known[-1]] + [(OTHERS, known[-1])]

    def _numbers(self, row: int, known: Sequence[int]) -> list[tuple[str, int]]:
        tables = self.bundle.tables
        breaks = tables.break_value[tables.attribute_break[row] : tables.attribute_break[row + 1]]
        starts = [i for i in range(len(known)) if i == 0 or known[i] != known[i - 1]]
        named = []
        for start, after in zip(starts, [*starts[1:], None], strict=True):
            low = None if start == 0 else self.number(row, breaks[start - 1])
            high = None if after is None else self.number(row, breaks[after - 1])
            named.append((_between(low, high), known[start]))
        return named

    def table(self, cost: int) -> str:
        """A cost table: `by cart.weight: below 5: 3.90, from 5: 5.90`."""
        tables = self.bundle.tables
        row = tables.cost_attribute[cost]
        amounts = tables.amount_micros[tables.cost_amount[cost] : tables.cost_amount[cost + 1]]
        named = [
            f"{words}: {'withheld' if micros < 0 else self.money(micros)}"
            for words, micros in self.cells(row, amounts)
        ]
        return f"by {self.attribute(row)} ({', '.join(named)})"


def _between(low: str | None, high: str | None) -> str:
    if low is None:
        return "any" if high is None else f"below {high}"
    return f"from {low}" if high is None else f"{low} to below {high}"
