"""From the checked rule tree to clauses: the rewrites, and why they are safe.

A decision only asks whether a rule is *true*.  Truth of a rule in strong Kleene logic
(`edge.decision.rule`) is lowered in two steps, with rewrites that keep it exactly:

1. *Negation normal form*.  `!` moves inwards by de Morgan, and into the branches of a
   ternary (`!(t ? a : b)` is `t ? !a : !b`), never over its test.  A ternary is true if
   (its test is true and then) or (its test is false and otherwise).  A negated leaf is
   true iff the attribute has a value and the leaf does not hold: the complement among
   the cells of values.  `!has(x)` is true iff x is absent.
2. *Disjunctive form*.  `&&` distributes over `||`; a clause is a conjunction of leaves,
   merged per attribute, dropped when it can never hold, absorbed when another clause
   holds whenever it does.

Never used: resolution and excluded middle, which are wrong where a leaf can be an
error.  The number of clauses of a rule is bounded by `CLAUSE_LIMIT`; a rule that
would exceed it is refused with the part that multiplies.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from edge.decision import tables as t
from policy_compiler.tree import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Constant,
    Has,
    In,
    Node,
    Not,
    Or,
    StartsWith,
)
from policy_compiler.vocabulary import Cells

CLAUSE_LIMIT = 64


class Factor(Struct, frozen=True):
    """A part of a rule, and how many clauses it has alone."""

    node: Node
    clauses: int


class RuleTooWide(Exception):
    """A rule needs more than `CLAUSE_LIMIT` clauses; `node` is the part that multiplies.

    `factors` are its parts with alternatives, `count` the clauses when it was given up.
    """

    def __init__(self, node: Node, count: int, factors: tuple[Factor, ...] = ()) -> None:
        super().__init__(
            f"{node.text!r} multiplies the rule to {count} clauses, more than {CLAUSE_LIMIT}"
        )
        self.node = node
        self.count = count
        self.factors = factors


class Literal(Struct, frozen=True, order=True):
    """What one attribute must satisfy.

    CELLS: its cell is in `mask`.  ANY_OF / NONE_OF: its set meets / misses the words in
    `mask`.  PRESENT: it has a value.  ABSENT: it was not sent.
    """

    attribute: str
    kind: int
    mask: int = 0


Clause = frozenset[Literal]
Clauses = list[Clause]

ALWAYS: Clauses = [frozenset()]
NEVER: Clauses = []


def lower(node: Node, cells: Mapping[str, Cells]) -> Clauses:
    """Clauses that hold iff the rule is true, sorted.  Raises `RuleTooWide`."""
    return sorted(_lower(node, False, cells), key=sorted)


def _lower(node: Node, negated: bool, cells: Mapping[str, Cells]) -> Clauses:
    match node:
        case Constant():
            return ALWAYS if node.value != negated else NEVER
        case Not():
            return _lower(node.part, not negated, cells)
        case And() | Or():
            parts = [_lower(part, negated, cells) for part in node.parts]
            if isinstance(node, And) != negated:
                return _conjoin(parts, node, node.parts, cells)
            return _disjoin(parts, node)
        case Conditional():
            return _lower_conditional(node, negated, cells)
        case _:
            literal = leaf(node, negated, cells[node.attribute])
            return NEVER if literal is None else [frozenset([literal])]


def _lower_conditional(node: Conditional, negated: bool, cells: Mapping[str, Cells]) -> Clauses:
    then = [_lower(node.test, False, cells), _lower(node.then, negated, cells)]
    otherwise = [_lower(node.test, True, cells), _lower(node.otherwise, negated, cells)]
    return _absorb(
        _conjoin(then, node, (node.test, node.then), cells)
        + _conjoin(otherwise, node, (node.test, node.otherwise), cells)
    )


def _disjoin(parts: list[Clauses], node: Node) -> Clauses:
    union = _absorb([clause for part in parts for clause in part])
    if len(union) > CLAUSE_LIMIT:
        raise RuleTooWide(node, len(union))
    return union


def _conjoin(
    parts: list[Clauses], node: Node, nodes: tuple[Node, ...], cells: Mapping[str, Cells]
) -> Clauses:
    """`nodes`: what the parts were lowered from."""
    product = ALWAYS
    for part in parts:
        if len(product) * len(part) > CLAUSE_LIMIT * CLAUSE_LIMIT:
            raise RuleTooWide(node, len(product) * len(part), _factors(parts, nodes))
        merged = [merge(a, b, cells) for a in product for b in part]
        product = _absorb([clause for clause in merged if clause is not None])
        if len(product) > CLAUSE_LIMIT:
            raise RuleTooWide(node, len(product), _factors(parts, nodes))
    return product


def _factors(parts: list[Clauses], nodes: tuple[Node, ...]) -> tuple[Factor, ...]:
    pairs = zip(nodes, parts, strict=True)
    return tuple(Factor(node, len(part)) for node, part in pairs if len(part) > 1)


def leaf(
    node: Has | Compare | In | StartsWith | AnyOf, negated: bool, cells: Cells
) -> Literal | None:
    """The literal that holds iff this (negated) leaf is true; None if it never is."""
    name = node.attribute
    if isinstance(node, Has):
        return Literal(name, t.ABSENT if negated else t.PRESENT)
    if isinstance(node, AnyOf):
        words = sum(cells.word(value) for value in set(node.values))
        return Literal(name, t.NONE_OF if negated else t.ANY_OF, words)
    accepted = _accepted(node, cells)
    mask = cells.all & ~accepted if negated else accepted
    return Literal(name, t.CELLS, mask) if mask else None


def _accepted(node: Compare | In | StartsWith, cells: Cells) -> int:
    match node:
        case StartsWith():
            return cells.prefixed(node.prefix)
        case In():
            mask = 0
            for value in node.values:
                mask |= _equal(value, cells)
            return mask
        case _:
            return _compared(node, cells)


def _equal(value: bool | int | str, cells: Cells) -> int:
    if isinstance(value, str):
        return cells.word(value)
    if cells.type == t.BOOL:
        return 2 if value else 1
    return cells.at_least(value) & ~cells.at_least(value + 1)


def _compared(node: Compare, cells: Cells) -> int:
    value, op = node.value, node.op
    if op in ("==", "!="):
        equal = _equal(value, cells)
        return equal if op == "==" else cells.all & ~equal
    assert isinstance(value, int)
    if op in ("<", ">="):
        above = cells.at_least(value)
        return above if op == ">=" else cells.all & ~above
    above = cells.at_least(value + 1)
    return above if op == ">" else cells.all & ~above


def merge(a: Clause, b: Clause, cells: Mapping[str, Cells]) -> Clause | None:
    """Both clauses at once, a literal per scalar attribute; None if they contradict."""
    by_attribute: dict[str, set[Literal]] = {}
    for literal in a | b:
        by_attribute.setdefault(literal.attribute, set()).add(literal)
    merged: set[Literal] = set()
    for name, literals in by_attribute.items():
        one = _merge_attribute(name, literals, cells[name])
        if one is None:
            return None
        merged |= one
    return frozenset(merged)


def _merge_attribute(name: str, literals: set[Literal], cells: Cells) -> set[Literal] | None:
    kinds = {literal.kind for literal in literals}
    if t.ABSENT in kinds:
        return literals if kinds == {t.ABSENT} else None
    if cells.type == t.SET:
        return _merge_set(name, literals)
    mask = cells.all
    for literal in literals:
        mask &= literal.mask if literal.kind == t.CELLS else cells.all
    if not mask:
        return None
    return {Literal(name, t.PRESENT)} if mask == cells.all else {Literal(name, t.CELLS, mask)}


def _merge_set(name: str, literals: set[Literal]) -> set[Literal] | None:
    """One forbidden list, and the required groups less what is forbidden."""
    forbidden = 0
    for literal in literals:
        forbidden |= literal.mask if literal.kind == t.NONE_OF else 0
    groups = {x.mask & ~forbidden for x in literals if x.kind == t.ANY_OF}
    if 0 in groups:
        return None
    least = {g for g in groups if not any(o != g and o & ~g == 0 for o in groups)}
    merged = {Literal(name, t.ANY_OF, mask) for mask in least}
    if forbidden:
        merged.add(Literal(name, t.NONE_OF, forbidden))
    return merged or {Literal(name, t.PRESENT)}


def _absorb(clauses: Clauses) -> Clauses:
    """Drop every clause that holds only where another one does."""
    kept: Clauses = []
    for clause in sorted(set(clauses), key=lambda each: (len(each), sorted(each))):
        if not any(implies(clause, other) for other in kept):
            kept = [other for other in kept if not implies(other, clause)] + [clause]
    return kept


def implies(clause: Clause, other: Clause) -> bool:
    """Whether `clause` holds only where `other` does (a sufficient test)."""
    return all(any(_narrower(a, b) for a in clause) for b in other)


def _narrower(a: Literal, b: Literal) -> bool:
    if a.attribute != b.attribute:
        return False
    if a == b or (b.kind == t.PRESENT and a.kind != t.ABSENT):
        return True
    if a.kind != b.kind:
        return False
    if b.kind == t.NONE_OF:
        return b.mask & ~a.mask == 0
    return a.kind in (t.CELLS, t.ANY_OF) and a.mask & ~b.mask == 0
