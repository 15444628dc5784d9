"""Which cells the values of each attribute fall into.

Every constant that a rule, a scorecard, a cost table or an allocation compares an
attribute with is *mentioned* here first; `cells_of` then cuts the attribute's range
at just those constants.  All later stages speak in sets of cells, as integers with a
bit per cell.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct, field

from edge.decision import tables as t
from edge.decision.tables import SAFE
from policy_compiler.catalog import Attribute
from policy_compiler.tree import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Has,
    In,
    Node,
    Not,
    Or,
    StartsWith,
)

TYPES = {
    "bool": t.BOOL,
    "int": t.INT,
    "decimal": t.DECIMAL,
    "string": t.STRING,
    "set": t.SET,
    "timestamp": t.TIMESTAMP,
}


class Cells(Struct, frozen=True):
    """The cells of one attribute: cut points of a number, words of a string or set."""

    type: int
    breaks: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def count(self) -> int:
        """Cells of a scalar; words of a set."""
        if self.type == t.BOOL:
            return 2
        if self.type == t.SET:
            return len(self.words)
        if self.type == t.STRING:
            return (2 if self.ordered else 1) * len(self.words) + 1
        return len(self.breaks) + 1

    @property
    def all(self) -> int:
        return (1 << self.count) - 1

    def lows(self) -> list[int]:
        """Least value of each cell of a number."""
        return [-SAFE, *self.breaks]

    def at_least(self, value: int) -> int:
        """Cells of numbers >= value, which must be mentioned as a break."""
        if value >= SAFE:
            return 0
        return self.all & ~((1 << bisect_right(self.breaks, value)) - 1)

    def word(self, value: str) -> int:
        """The cell (or set word) of exactly this string."""
        index = self.words.index(value)
        return 1 << (2 * index + 1 if self.ordered else index)

    def prefixed(self, prefix: str) -> int:
        """Cells of the strings that start with `prefix`."""
        if not prefix:
            return self.all
        if not self.ordered:
            return sum(self.word(w) for w in self.words if w.startswith(prefix))
        low = 2 * self.words.index(prefix) + 1
        after = successor(prefix)
        high = self.count if after is None else 2 * self.words.index(after) + 1
        return ((1 << high) - 1) & ~((1 << low) - 1)


class Mentions(Struct):
    """What is compared with one attribute."""

    breaks: set[int] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)


class Vocabulary:
    """Mentions per attribute, then cells."""

    def __init__(self, attributes: dict[str, Attribute]) -> None:
        self.attributes = attributes
        self.mentions: dict[str, Mentions] = {}

    def mention(self, attribute: str) -> Mentions:
        return self.mentions.setdefault(attribute, Mentions())

    def mention_number(self, attribute: str, *breaks: int) -> None:
        self.mention(attribute).breaks.update(breaks)

    def mention_words(self, attribute: str, words: Iterable[str]) -> None:
        self.mention(attribute).words.update(words)

    def mention_rule(self, node: Node) -> None:
        """Mention everything that a rule compares."""
        match node:
            case And() | Or():
                for part in node.parts:
                    self.mention_rule(part)
            case Not():
                self.mention_rule(node.part)
            case Conditional():
                for part in (node.test, node.then, node.otherwise):
                    self.mention_rule(part)
            case Has():
                self.mention(node.attribute)
            case Compare():
                self._mention_compare(node)
            case In() | AnyOf():
                self._mention_values(node)
            case StartsWith():
                self.mention(node.attribute).prefixes.add(node.prefix)
            case _:
                pass

    def _mention_compare(self, node: Compare) -> None:
        value = node.value
        if isinstance(value, str):
            self.mention_words(node.attribute, [value])
        elif self.attributes[node.attribute].type == "bool":
            self.mention(node.attribute)
        elif node.op in ("<", ">="):
            self.mention_number(node.attribute, value)
        elif node.op in (">", "<="):
            self.mention_number(node.attribute, value + 1)
        else:
            self.mention_number(node.attribute, value, value + 1)

    def _mention_values(self, node: In | AnyOf) -> None:
        for value in node.values:
            if isinstance(value, str):
                self.mention_words(node.attribute, [value])
            elif self.attributes[node.attribute].type != "bool":
                self.mention_number(node.attribute, value, value + 1)

    def cells_of(self, attribute: str) -> Cells:
        declared, said = self.attributes[attribute], self.mentions.get(attribute, Mentions())
        kind = TYPES[declared.type]
        if kind == t.BOOL:
            return Cells(kind)
        if kind not in (t.STRING, t.SET):
            return Cells(kind, breaks=tuple(sorted(b for b in said.breaks if abs(b) < SAFE)))
        if declared.values is not None:
            return Cells(kind, words=_by_bytes(declared.values))
        bounds = {b for p in said.prefixes for b in (p, successor(p)) if b}
        return Cells(kind, words=_by_bytes(said.words | bounds), ordered=bool(said.prefixes))


def _by_bytes(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words), key=str.encode))


def successor(prefix: str) -> str | None:
    """The least string above every string with this prefix, None if there is none.

    UTF-8 orders strings like their code points, so the last code point is raised
    (over the surrogates, which no string holds).
    """
    while prefix:
        head, last = prefix[:-1], ord(prefix[-1])
        if last < 0x10FFFF:
            return head + chr(0xE000 if last == 0xD7FF else last + 1)
        prefix = head
    return None
