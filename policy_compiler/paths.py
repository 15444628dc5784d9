"""Catalog paths such as `offers[3].rungs[0].percent`, and the places that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Sequence_

from .diagnostics import Place
from .items import Item
from .nodes import AnyNode, Entry, Mapping, Scalar, Sequence

_STEP = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\["((?:[^"\\]|\\.)*)"\]')


Offers = Sequence_[AnyNode | Item]
"""Of all files, one after the other; they are no part of the merged tree."""


def walk(root: Mapping, offers: Offers, path: str) -> Iterator[Entry | AnyNode]:
    """What stands at each step of the path, as far as the path leads."""
    node: AnyNode = root
    top = root.entries.get("offers")
    for word, index, quoted in _STEP.findall(path):
        if index:
            items = offers if top and node is top.node else _items_of(node)
            if int(index) >= len(items):
                return
            node = node_of(items[int(index)])
            yield node
            continue
        key = word or re.sub(r"\\(.)", r"\1", quoted)
        if not isinstance(node, Mapping) or key not in node.entries:
            return
        yield node.entries[key]
        node = node.entries[key].node


def _items_of(node: AnyNode) -> list[AnyNode]:
    return node.items if isinstance(node, Sequence) else []


def node_of(offer: AnyNode | Item) -> AnyNode:
    return offer.node() if isinstance(offer, Item) else offer


def place_of(found: Entry | AnyNode) -> Place:
    """Scalars where they stand; lists and mappings at their key."""
    if not isinstance(found, Entry):
        return found.place
    return found.node.place if isinstance(found.node, Scalar) else found.key.place


def place_at(text: str, index: int, file: str) -> Place:
    line_start = text.rfind("\n", 0, index) + 1
    return Place(file, text.count("\n", 0, index) + 1, index - line_start + 1)
