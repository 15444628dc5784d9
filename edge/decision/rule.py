"""Rules as trees, and their meaning: strong Kleene logic with errors.

A rule is *true*, *false*, or an *error* (None here).  An attribute that is absent,
withheld or invalid makes every use of it an error, except that `has(x)` is false
for an absent one.  `&&` and `||` absorb errors: false && error is false, true ||
error is true.  A ternary whose test is an error is an error.

The decision itself never walks these trees: it reads the clauses they were lowered
to.  They are in the bundle so that explanations speak the rule's own words, and as
the definition that the clauses are tested against.  `text` is the piece of the rule
a node was read from, `start` and `end` its place in the rule's source.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Truth = bool | None


class _Node(Struct, frozen=True, kw_only=True, tag=str.lower, array_like=True, gc=False):
    text: str = ""
    start: int = 0
    end: int = 0


class And(_Node, frozen=True, kw_only=True):
    parts: tuple[Node, ...]


class Or(_Node, frozen=True, kw_only=True):
    parts: tuple[Node, ...]


class Not(_Node, frozen=True, kw_only=True):
    part: Node


class Conditional(_Node, frozen=True, kw_only=True):
    """`test ? then : otherwise`, all boolean."""

    test: Node
    then: Node
    otherwise: Node


class Constant(_Node, frozen=True, kw_only=True):
    value: bool


class Has(_Node, frozen=True, kw_only=True):
    attribute: str


class Compare(_Node, frozen=True, kw_only=True):
    """Attribute against a constant: decimals scaled to integers, timestamps in seconds."""

    attribute: str
    op: Operator
    value: bool | int | str


class In(_Node, frozen=True, kw_only=True):
    """The attribute's value is one of these."""

    attribute: str
    values: tuple[bool | int | str, ...]


class StartsWith(_Node, frozen=True, kw_only=True):
    attribute: str
    prefix: str


class AnyOf(_Node, frozen=True, kw_only=True):
    """The set attribute holds at least one of these."""

    attribute: str
    values: tuple[str, ...]


Node = And | Or | Not | Conditional | Constant | Has | Compare | In | StartsWith | AnyOf
Leaf = Has | Compare | In | StartsWith | AnyOf
Value = int | str | frozenset[str]


class Facts(Protocol):
    """What is known of the attributes."""

    def value(self, attribute: str) -> Value | None:
        """The value (booleans as 0 and 1), or None if there is none."""
        ...

    def absent(self, attribute: str) -> bool:
        """Whether it was not sent; without value and not absent is withheld or invalid."""
        ...


def truth(node: Node, facts: Facts) -> Truth:
    """The meaning of a rule."""
    match node:
        case And():
            return _all([truth(part, facts) for part in node.parts])
        case Or():
            return _not(_all([_not(truth(part, facts)) for part in node.parts]))
        case Not():
            return _not(truth(node.part, facts))
        case Conditional():
            test = truth(node.test, facts)
            return None if test is None else truth(node.then if test else node.otherwise, facts)
        case Constant():
            return node.value
        case Has():
            return _has(node.attribute, facts)
        case _:
            value = facts.value(node.attribute)
            return None if value is None else holds(node, value)


def _all(parts: list[Truth]) -> Truth:
    return False if False in parts else None if None in parts else True


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def _has(attribute: str, facts: Facts) -> Truth:
    if facts.value(attribute) is not None:
        return True
    return False if facts.absent(attribute) else None


def holds(leaf: Compare | In | StartsWith | AnyOf, value: Value) -> bool:
    """Whether a value satisfies a leaf."""
    match leaf:
        case Compare():
            return _compare(leaf.op, value, leaf.value)
        case In():
            return value in leaf.values
        case StartsWith():
            return isinstance(value, str) and value.encode().startswith(leaf.prefix.encode())
        case AnyOf():
            return isinstance(value, frozenset) and not value.isdisjoint(leaf.values)


def _compare(op: Operator, value: Value, constant: bool | int | str) -> bool:
    if op in ("==", "!="):
        return (value == constant) == (op == "==")
    assert isinstance(value, int)
    assert isinstance(constant, int)
    if op in ("<", ">="):
        return (value < constant) == (op == "<")
    return (value > constant) == (op == ">")
