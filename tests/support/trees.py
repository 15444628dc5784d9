"""A catalog file's tree as plain values, read as a whole and item by item."""

from __future__ import annotations

from policy_compiler.items import head_of, split
from policy_compiler.nodes import AnyNode, Entry, Mapping, Scalar, Sequence
from policy_compiler.yaml_text import read_nodes

FILE = "offers.yaml"


def seen_whole(text: str) -> object:
    """None if there is anything to complain about."""
    top, found = read_nodes(text, FILE)
    return None if top is None or found else told(top)


def seen_split(text: str) -> object:
    """The tree by way of items; None if the file is not to be split."""
    listed = split(text, FILE)
    if listed is None or not all(item.is_whole() for item in listed.items):
        return None
    top = head_of(listed)
    if top is None:
        return None
    offers = top.entries["offers"].node
    assert isinstance(offers, Sequence)
    offers.items = [item.node() for item in listed.items]
    return told(top)


def told(node: AnyNode | Entry) -> object:
    """Everything about a tree but the counts that only aliases need."""
    match node:
        case Entry():
            return told(node.key), told(node.node)
        case Mapping():
            return node.place, node.start, [(k, told(e)) for k, e in node.entries.items()]
        case Sequence():
            return node.place, node.start, [told(item) for item in node.items]
        case Scalar():
            return node.place, node.start, node.end, repr(node.value), node.style, node.text
