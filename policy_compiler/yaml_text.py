"""YAML text -> tree of nodes that know their places.

We read ruamel's events and build the tree ourselves, for four reasons: places
of every key and value, decimals straight from their text (a float never
exists), bounds that hold *while* reading (the parser is lazy, so a file of
100,000 brackets is left after the sixtieth), and aliases that are counted
instead of believed.

Plain scalars follow the core schema of YAML 1.2.2 (section 10.3.2), whatever
version a file claims: `no` is text, `2026-11-27` is text, `0o17` is 15.  Keys
are always text: the key `5` is "5".

Invariant: any text gives a tree or diagnostics, never another exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct, field
from ruamel.yaml import YAML
from ruamel.yaml import events as yaml_events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .diagnostics import Diagnostic, Place, make
from .nodes import (
    DEPTH_MAX,
    INTEGER_DIGITS_MAX,
    SURROGATE,
    AnyNode,
    Entry,
    Mapping,
    Refused,
    Scalar,
    Sequence,
    Value,
    bounded,
)

ALIASED_MAX = 1_000_000
"""Values that all aliases of one file may stand for."""


def read_nodes(text: str, file: str) -> tuple[Mapping | None, list[Diagnostic]]:
    """The file's top mapping (None if there is none to be had) and what was wrong."""
    reader = _Reader(file)
    try:
        return reader.document(text), reader.found
    except Refused as refused:
        return None, [*reader.found, refused.found]


def read_part(text: str, file: str, line: int, start: int) -> AnyNode | None:
    """A piece of a file that begins at that line (from 0) and offset, one level deep; None
    if it is no document of its own, names anchors, or has anything wrong."""
    reader = _Reader(file, line, start, depth=1)
    try:
        root = reader.tree(text)
    except Refused:
        return None
    return None if reader.found or reader.anchors else root


# --- scalars ------------------------------------------------------------------

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,6})?")
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS_MAX = 40
_YAML_TAG = "tag:yaml.org,2002:"


class _NotExact(Exception):
    """The number cannot be held exactly."""


def _core_schema(text: str) -> Value:
    """The value of a plain scalar; raises _NotExact for numbers out of bounds."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | Decimal | None:
    if _ENDLESS.fullmatch(text):
        raise _NotExact
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return _integer(text, base)
    if not _FLOAT.fullmatch(text):
        return None
    if len(text) > _DIGITS_MAX or not bounded(number := Decimal(text)):
        raise _NotExact
    return number


def _integer(text: str, base: int) -> int:
    digits = text[2:] if base != 10 else text
    if len(digits) > _DIGITS_MAX or abs(number := int(digits, base)) >= 10**INTEGER_DIGITS_MAX:
        raise _NotExact
    return number


# --- the tree -----------------------------------------------------------------


class _Open(Struct):
    """A collection still being read; for a mapping, the key that waits for its value."""

    node: Sequence | Mapping
    anchor: str | None
    key: Scalar | None = None
    merges: list[AnyNode] = field(default_factory=list)


class _Reader:
    def __init__(self, file: str, line: int = 0, start: int = 0, depth: int = 0) -> None:
        """`line`, `start`: where the text begins in the file; `depth`: what is around it."""
        self.file = file
        self.line = line
        self.start = start
        self.depth = depth
        self.found: list[Diagnostic] = []
        self.open: list[_Open] = []
        self.anchors: dict[str, AnyNode] = {}
        self.aliased = 0
        self.root: AnyNode | None = None
        self.documents = 0

    def document(self, text: str) -> Mapping | None:
        root = self.tree(text)
        if root is None or (isinstance(root, Scalar) and root.value is None):
            return Mapping(place=Place(self.file, 1, 1))
        if not isinstance(root, Mapping):
            raise self._refused("P112", root.place, "The file must hold a mapping of keys.")
        return root

    def tree(self, text: str) -> AnyNode | None:
        for event in self._events(text):
            self._take(event)
        return self.root

    def _events(self, text: str) -> Iterator[yaml_events.Event]:
        """ruamel's events; whatever it raises over a text becomes one refusal."""
        try:
            yield from YAML(typ="safe", pure=True).parse(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self._place(mark) if mark else Place(self.file, 1, 1)
            words = " ".join(str(part) for part in (error.problem, error.context) if part)
            raise self._refused("P104", place, f"Broken YAML: {words}.") from error
        except (YAMLError, ValueError, OverflowError, LookupError, TypeError) as error:
            position = getattr(error, "position", None)
            place = _place_of_offset(self.file, text, position if type(position) is int else 0)
            words = str(error).split("\n")[0]
            raise self._refused("P104", place, f"Broken YAML: {words}.") from error

    def _take(self, event: yaml_events.Event) -> None:
        match event:
            case yaml_events.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    message = "The file holds more than one YAML document."
                    raise self._refused("P104", self._place(event.start_mark), message)
            case yaml_events.ScalarEvent():
                self._add(self._scalar(event), event.anchor)
            case yaml_events.AliasEvent():
                self._add(self._alias(event), None)
            case yaml_events.SequenceStartEvent():
                self._start(Sequence(place=self._place(event.start_mark)), event)
            case yaml_events.MappingStartEvent():
                self._start(Mapping(place=self._place(event.start_mark)), event)
            case yaml_events.SequenceEndEvent() | yaml_events.MappingEndEvent():
                self._finish()

    def _start(self, node: Sequence | Mapping, event: yaml_events.CollectionStartEvent) -> None:
        if self.depth + len(self.open) >= DEPTH_MAX:
            message = f"More than {DEPTH_MAX} levels of nesting."
            raise self._refused("P106", node.place, message)
        wanted = "seq" if isinstance(node, Sequence) else "map"
        if event.tag not in (None, "!", _YAML_TAG + wanted):
            self._note("P108", node.place, f"The tag {event.tag} is not supported.")
        node.start = self.start + event.start_mark.index
        self.open.append(_Open(node, event.anchor))

    def _finish(self) -> None:
        done = self.open.pop()
        if isinstance(done.node, Mapping):
            for merged in done.merges:
                self._merge(done.node, merged)
        self._add(done.node, done.anchor)

    def _add(self, node: AnyNode, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = node
        if not self.open:
            self.root = node
            return
        around = self.open[-1]
        if self.depth + len(self.open) + node.height > DEPTH_MAX + 1:
            message = f"More than {DEPTH_MAX} levels of nesting."
            raise self._refused("P106", node.place, message)
        around.node.weight += node.weight
        around.node.height = max(around.node.height, node.height + 1)
        if isinstance(around.node, Sequence):
            around.node.items.append(node)
        else:
            self._add_to_mapping(around, around.node, node)

    def _add_to_mapping(self, around: _Open, mapping: Mapping, node: AnyNode) -> None:
        if around.key is None:
            around.key = self._key(node)
            return
        key, around.key = around.key, None
        if not key.text:
            return  # no usable key, which has its diagnostic
        if key.text == "<<" and not key.style:
            around.merges.append(node)
        elif key.text in mapping.entries:
            first = mapping.entries[key.text].key.place
            message = f"`{key.text}` is given twice; first in line {first.line}."
            self._note("P105", key.place, message)
        else:
            mapping.entries[key.text] = Entry(key, node)

    def _key(self, node: AnyNode) -> Scalar:
        if isinstance(node, Scalar) and node.text:
            return node
        self._note("P108", node.place, "This key is not a text.")
        return Scalar(place=node.place, value="")

    def _merge(self, into: Mapping, merged: AnyNode) -> None:
        """YAML's `<<`: entries that are not there yet; the first of several wins."""
        for source in merged.items if isinstance(merged, Sequence) else [merged]:
            if not isinstance(source, Mapping):
                self._note("P107", source.place, "`<<` can merge mappings only.")
                continue
            for name, entry in source.entries.items():
                into.entries.setdefault(name, entry)

    def _alias(self, event: yaml_events.AliasEvent) -> AnyNode:
        node = self.anchors.get(event.anchor)
        place = self._place(event.start_mark)
        if node is None:
            message = f"The alias *{event.anchor} has no complete anchor before it."
            raise self._refused("P107", place, message)
        self.aliased += node.weight
        if self.aliased > ALIASED_MAX:
            message = f"The aliases stand for more than {ALIASED_MAX:,} values."
            raise self._refused("P107", place, message)
        return node

    def _scalar(self, event: yaml_events.ScalarEvent) -> Scalar:
        place = self._place(event.start_mark)
        text: str = event.value
        if SURROGATE.search(text):
            self._note("P103", place, "The text holds half of a Unicode surrogate pair.")
            text = SURROGATE.sub("�", text)
        return Scalar(
            place=place,
            start=self.start + event.start_mark.index,
            end=self.start + event.end_mark.index,
            value=self._value(event, text, place),
            style=event.style or "",
            text=text,
        )

    def _value(self, event: yaml_events.ScalarEvent, text: str, place: Place) -> Value:
        tag = event.tag
        if tag in ("!", _YAML_TAG + "str") or (tag is None and not event.implicit[0]):
            return text
        try:
            value = _core_schema(text)
        except _NotExact:
            self._note("P109", place, f"The number {text[:50]} cannot be used exactly.")
            return 0
        if tag is not None and tag != _tag_of(value):
            self._note("P108", place, f"The tag {tag} does not fit here.")
        return value

    def _place(self, mark: object) -> Place:
        line, column = getattr(mark, "line", 0), getattr(mark, "column", 0)
        return Place(self.file, self.line + line + 1, column + 1)

    def _note(self, code: str, place: Place, message: str) -> None:
        self.found.append(make(code, place, "", message))

    def _refused(self, code: str, place: Place, message: str) -> Refused:
        return Refused(make(code, place, "", message))


def _tag_of(value: Value) -> str:
    kinds = {type(None): "null", bool: "bool", int: "int", Decimal: "float", str: "str"}
    return _YAML_TAG + kinds[type(value)]


def _place_of_offset(file: str, text: str, offset: int) -> Place:
    before = text[: max(offset, 0)]
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
