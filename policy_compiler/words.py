"""The words (tokens) of a rule, without its grammar.

Parsing is the CEL library's.  Words are needed for what it does not tell: where
a node's text begins and ends, how a decimal was written (its double has
forgotten), how deep a text nests before anyone recurses into it, and which
named rules it uses.  Lexical grammar: cel-spec, doc/langdef.md, "Syntax".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from msgspec import Struct

DEPTH_MAX = 30

_WORD = re.compile(
    r"""
      (?P<skip>   [ \t\r\n\f]+ | //[^\n]* )
    | (?P<text>   (?:[rR][bB]?|[bB][rR])(?:\"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3}
                                          | \"[^\"\n]*\" | '[^'\n]*')
                | [bB]?(?:\"{3}(?:[^\\]|\\[\s\S])*?\"{3} | '{3}(?:[^\\]|\\[\s\S])*?'{3}
                       | \"(?:[^\"\\\n]|\\.)*\" | '(?:[^'\\\n]|\\.)*') )
    | (?P<number> 0x[0-9a-fA-F]+[uU]?
                | (?:[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+(?=[eE][+-]?[0-9]))(?:[eE][+-]?[0-9]+)?
                | [0-9]+[uU]? )
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]* | `[^`\n]*` )
    | (?P<sign>   && | \|\| | [=!<>]= | [-+*/%<>!?:.,()\[\]{}] )
    | (?P<other>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = frozenset(OPENING.values())
_UNARY = frozenset("!-")
_ARITHMETIC = frozenset("+-*/%")


class Word(Struct, frozen=True):
    kind: str
    """text, number, name, sign or other."""
    text: str
    start: int
    """Offset in code points, like CEL's positions."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Words:
    """The words of one rule, found by offset, and the brackets that belong together."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = list(_split(text))
        self._starts = [word.start for word in self.words]
        self.partner = _partners(self.words)

    def index_at(self, offset: int) -> int:
        """Index of the word at, or else before, the offset."""
        return max(bisect_right(self._starts, offset) - 1, 0)

    def number_at(self, offset: int) -> str:
        """A number as written, with its sign, which may stand apart from it."""
        at = self.index_at(offset)
        sign = "-" if self.words[at].text == "-" else ""
        number = self.words[at + 1] if sign else self.words[at]
        return sign + number.text

    def dotted_around(self, offset: int) -> tuple[str, int]:
        """The whole dotted name around the offset, and where it begins."""
        low = high = self.index_at(offset)
        while low > 0 and self._joins(low - 1, low):
            low -= 1
        while high + 1 < len(self.words) and self._joins(high, high + 1):
            high += 1
        chain = self.words[low : high + 1]
        return "".join(word.text for word in chain).strip("."), chain[0].start

    def _joins(self, left: int, right: int) -> bool:
        kinds = (self.words[left], self.words[right])
        return any(word.text == "." for word in kinds) and any(w.kind == "name" for w in kinds)

    def rule_names(self) -> list[tuple[str, int]]:
        """Every `rules.<name>` with its offset."""
        triples = zip(self.words, self.words[1:], self.words[2:], strict=False)
        before = ["", *(word.text for word in self.words)]
        return [
            (c.text, a.start)
            for (a, b, c), previous in zip(triples, before, strict=False)
            if a.text == "rules" and b.text == "." and c.kind == "name" and previous != "."
        ]


def _split(text: str) -> Iterator[Word]:
    for match in _WORD.finditer(text):
        kind = match.lastgroup or "other"
        if kind != "skip":
            yield Word(kind, match.group(), match.start())


def _partners(words: list[Word]) -> dict[int, int]:
    """Index of each bracket -> index of the bracket that belongs to it."""
    pairs: dict[int, int] = {}
    open: list[int] = []
    for index, word in enumerate(words):
        if word.text in OPENING and word.kind == "sign":
            open.append(index)
        elif word.text in CLOSING and word.kind == "sign" and open:
            other = open.pop()
            pairs[index], pairs[other] = other, index
    return pairs


def too_deep(words: list[Word]) -> Word | None:
    """The word at which the text nests deeper than DEPTH_MAX, if there is one.

    Counted are brackets and ternaries around a word, and, each for itself, runs
    of `!` and `-`, of arithmetic, and of dots: whatever a parser descends into.
    """
    levels = [0]
    runs = {"unary": 0, "arithmetic": 0, "dots": 0}
    for word in words:
        if word.kind == "sign":
            _descend(word.text, levels)
        _run(word, runs)
        if len(levels) - 1 + sum(levels) > DEPTH_MAX or max(runs.values()) > DEPTH_MAX:
            return word
    return None


def _descend(sign: str, levels: list[int]) -> None:
    """`levels` has one count of ternaries per open bracket."""
    if sign in OPENING:
        levels.append(0)
    elif sign in CLOSING and len(levels) > 1:
        levels.pop()
    elif sign == "?":
        levels[-1] += 1
    elif sign == ",":
        levels[-1] = 0


def _run(word: Word, runs: dict[str, int]) -> None:
    sign = word.text if word.kind == "sign" else ""
    runs["unary"] = runs["unary"] + 1 if sign in _UNARY and sign else 0
    if sign in _ARITHMETIC and sign:
        runs["arithmetic"] += 1
    elif sign in ("&&", "||", ",", "?", ":", "(", "[", "{"):
        runs["arithmetic"] = 0
    if sign == ".":
        runs["dots"] += 1
    elif word.kind != "name":
        runs["dots"] = 0
