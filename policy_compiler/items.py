"""A file's list of offers, read one by one.

    offers:
      - id: spring        <- an item: from its dash to the next one
        ...

An unchanged item need not be read again (`cache.py`), and a change in one is no change
in the next.  That is only right where a reader of the whole file would see the same
items, so a file is split only if its lines show it: `offers:` is its last key, and every
line below stands deeper than the dashes or is empty, a comment, or an item's first.
Then each item is read as a document of its own.  A scalar or bracket that reaches over
the next dash leaves its own item unfinished, and an anchor is known in its own item
only; such a file is read as a whole instead, and so is one with anything to complain
about.

Invariant: split or not, the tree is the same, places included.
"""

from __future__ import annotations

import re

from msgspec import Struct

from .catalog import Offer
from .diagnostics import Place
from .nodes import AnyNode, Mapping, Scalar, Sequence
from .yaml_text import read_nodes, read_part

_KEY = re.compile(r"^offers:[ ]*(?:#.*)?\r?\n", re.MULTILINE)
_FIRST = re.compile(r"(?:[ ]*(?:#.*)?\r?\n)*([ ]*)-[ \r\n]")
_OTHER_BREAKS = re.compile("\r(?!\n)|[\x85\u2028\u2029\ufeff]")


class KnownOffer(Struct, frozen=True, array_like=True):
    """What the cache keeps of an offer: the object, and its rules in the author's order."""

    offer: Offer
    rules: tuple[str, ...]


class Item(Struct):
    """An offer's text, and where it begins in its file: line from 0, offset of its start."""

    file: str
    text: str
    line: int
    start: int
    tree: AnyNode | None = None
    known: KnownOffer | None = None
    """From an earlier compile; then the text is read only if someone asks for a place."""

    def is_whole(self) -> bool:
        """Whether it can be read alone, without anything to complain about."""
        part = read_part(self.text, self.file, self.line, self.start)
        if isinstance(part, Sequence) and len(part.items) == 1:
            self.tree = part.items[0]
        return self.tree is not None

    def node(self) -> AnyNode:
        """The tree of a whole item, read when it is first asked for."""
        assert self.tree or self.is_whole(), "only whole items are kept"
        return self.tree or Scalar(place=Place(self.file, self.line + 1, 1), value=None)


class Listed(Struct, frozen=True):
    """A file whose offers are split."""

    head: str
    """All that stands before the first item."""
    column: int
    items: list[Item]


def split(text: str, file: str) -> Listed | None:
    """The items of the file's offers; None if its lines do not show them."""
    keys = list(_KEY.finditer(text))
    if len(keys) != 1 or _OTHER_BREAKS.search(text) or re.search("^%", text, re.MULTILINE):
        return None
    first = _FIRST.match(text, keys[0].end())
    if first is None:
        return None
    column = len(first[1])
    begins = first.start(1)
    # every line that does not stand deeper than a dash
    shallow = re.compile(rf"^ {{0,{column}}}(?=[^ \r\n#])", re.MULTILINE)
    starts = [found.start() for found in shallow.finditer(text, begins)]
    dash = re.compile(rf" {{{column}}}-(?=[ \r\n])")
    if not all(dash.match(text, start) for start in starts):
        return None
    return Listed(text[:begins], column, _items(text, file, starts))


def _items(text: str, file: str, starts: list[int]) -> list[Item]:
    items: list[Item] = []
    line = text.count("\n", 0, starts[0])
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        items.append(Item(file, text[start:end], line, start))
        line += text.count("\n", start, end)
    return items


def head_of(listed: Listed) -> Mapping | None:
    """The file's tree up to its offers, their list empty; None if it cannot be read alone."""
    top, found = read_nodes(listed.head, listed.items[0].file)
    entry = top.entries.get("offers") if top else None
    if top is None or found or entry is None or not _is_empty(entry.node):
        return None
    first = listed.items[0]
    place = Place(first.file, first.line + 1, listed.column + 1)
    entry.node = Sequence(place=place, start=first.start + listed.column)
    return top


def _is_empty(node: AnyNode) -> bool:
    return isinstance(node, Scalar) and node.value is None and not node.style and not node.text
