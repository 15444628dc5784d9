"""From where to where a syntax tree's node stands in the rule's text.

CEL gives one position per node: an operator's, a dot's, an opening bracket's.
A node reaches from the first to the last word of all its parts, then as far as
brackets that it cuts in two must be completed.
"""

from __future__ import annotations

from typing import NamedTuple

from .syntax import Call, Expr, Fold, ListOf, Literal, Select
from .words import Words


class Extent(NamedTuple):
    """Offsets of code points, `end` exclusive."""

    start: int
    end: int


def extent_of(expr: Expr, words: Words) -> Extent:
    if not words.words:
        return Extent(0, len(words.text))
    low, high = _complete(*_reach(expr, words), words)
    return Extent(words.words[low].start, words.words[high].end)


def _reach(expr: Expr, words: Words) -> tuple[int, int]:
    """First and last word of the node and all its parts, as indices."""
    at = words.index_at(expr.at)
    low, high = _own_reach(expr, at, words)
    for part in _parts(expr):
        below, above = _reach(part, words)
        low, high = min(low, below), max(high, above)
    return low, high


def _own_reach(expr: Expr, at: int, words: Words) -> tuple[int, int]:
    word = words.words[at].text
    if word in ("(", "[", "{"):
        first = at
        if word == "(" and at and words.words[at - 1].kind == "name":
            first = _start_of_name(at - 1, words) if isinstance(expr, Call) else at - 1
        return first, words.partner.get(at, at)
    if isinstance(expr, Select) and word == ".":
        return at, min(at + 1, len(words.words) - 1)
    if isinstance(expr, Literal) and word == "-":
        return at, min(at + 1, len(words.words) - 1)
    return at, at


def _start_of_name(at: int, words: Words) -> int:
    """Back over the receiver's dots: `sets.intersects(`, `geo.country.startsWith(`."""
    while at >= 2 and words.words[at - 1].text == "." and words.words[at - 2].kind == "name":
        at -= 2
    return at


def _parts(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Select():
            return (expr.operand,)
        case Call():
            return expr.args
        case ListOf():
            return expr.elements
        case Fold():
            return (expr.range,)
        case _:
            return ()


def _complete(low: int, high: int, words: Words) -> tuple[int, int]:
    """Widen until every bracket inside has its partner inside."""
    at = low
    while at <= high:
        other = words.partner.get(at, at)
        if other < low:
            low, at = other, other
        elif other > high:
            high = other
        at += 1
    return low, high
