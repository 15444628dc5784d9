"""The checked rule tree: what `rules.py` makes of CEL and `lower.py` lowers.

The nodes are the edge's own (`edge.decision.rule`), since they travel in the bundle:
explanations there speak the rule's words, and conformance tests hold the clauses
against their meaning.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.decision.rule import (
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

__all__ = [
    "And",
    "AnyOf",
    "Compare",
    "Conditional",
    "Constant",
    "Has",
    "In",
    "Node",
    "Not",
    "Or",
    "StartsWith",
    "attributes_of",
    "leaves_and_depth",
    "parts_of",
    "places_of",
]


def parts_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly below; none below a leaf."""
    match node:
        case And() | Or():
            return node.parts
        case Not():
            return (node.part,)
        case Conditional():
            return (node.test, node.then, node.otherwise)
        case _:
            return ()


def _walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth, from 1, without recursion."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(part, depth + 1) for part in parts_of(node)]


def attributes_of(root: Node) -> frozenset[str]:
    """Names of all attributes that the rule reads, derived ones by their own name."""
    return frozenset(places_of(root))


def places_of(root: Node) -> dict[str, int]:
    """Every attribute that the rule reads, with the offset of the first leaf that does."""
    places: dict[str, int] = {}
    for node, _ in _walk(root):
        if isinstance(node, Has | Compare | In | StartsWith | AnyOf):
            places[node.attribute] = min(node.start, places.get(node.attribute, node.start))
    return places


def leaves_and_depth(root: Node) -> tuple[int, int]:
    """How many leaves the tree has, and how many nodes its longest path."""
    leaves = depth = 0
    for node, level in _walk(root):
        leaves += not parts_of(node)
        depth = max(depth, level)
    return leaves, depth
