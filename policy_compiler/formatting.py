"""Canonical formatting of a catalog's files: `proffer fmt`.

What becomes uniform, and nothing else:

    lines       LF, no blanks at their ends, at most one empty line in a row, one line
                feed at the end of the file
    indentation two blanks per level, lists two further in than their key
    spacing     `key: value`, `- item`, `[a, b]`, `{a: 1, b: 2}` where it stands on one line
    comments    `# text`; two blanks or more before one that follows a value

Left alone: order, the spelling of values, quotes, comments' words, the inside of texts
that span lines, and lists in brackets over several lines, whose columns somebody lined
up.  Each step is kept only if the file, read again, holds the same values in the same
order and the same comments; so formatting cannot change a bundle, and a file that the
compiler cannot read is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from policy_compiler.editing import compose, in_flow, span
from policy_compiler.nodes import AnyNode, Mapping, Scalar
from policy_compiler.yaml_text import read_nodes

_COLON = re.compile(r":[ \t]+")
_DASH = re.compile(r"-[ \t]+")
_COMMENT_TEXT = re.compile(r"#(?=[^\s#!])")


class Unreadable(Exception):
    """The file is no YAML that the compiler reads, or that has a canonical form; the text is
    the first reason."""


def formatted(text: str) -> str:
    """The file in canonical form; formatting that again changes nothing.

    Raises `Unreadable`.
    """
    meaning = _meaning(text)
    if line := _explicit_key(text):
        raise Unreadable(f"line {line} holds a key behind `?`, which has no canonical form")
    for step in (_line_ends, _spacing, _indentation, _comments, _blank_lines):
        changed = step(text)
        if _same(changed, meaning):
            text = changed
    return text


def _explicit_key(text: str) -> int:
    """The line, from 1, of the first key written as `? key`; 0 if there is none."""
    for node in _nodes(compose(text)):
        for key, _ in node.value if isinstance(node, MappingNode) and not in_flow(node) else ():
            if text[: key.start_mark.index].rstrip(" \t").endswith("?"):
                return text.count("\n", 0, key.start_mark.index) + 1
    return 0


# --- what must stay -----------------------------------------------------------


class _Meaning(Struct, frozen=True):
    values: Any
    comments: list[str]


def _meaning(text: str) -> _Meaning:
    top, found = read_nodes(text.removeprefix("\ufeff"), "")
    if top is None or found:
        raise Unreadable(found[0].message if found else "The file cannot be read.")
    comments = ["".join(c.split()) for _, c in _comments_of(text.removeprefix("\ufeff"))]
    return _Meaning(_typed(top), comments)


def _same(text: str, meaning: _Meaning) -> bool:
    try:
        return _meaning(text) == meaning
    except Unreadable:
        return False


def _typed(node: AnyNode) -> Any:
    """Values with their types (1 is not 1.0), entries in their order."""
    if isinstance(node, Scalar):
        return (type(node.value).__name__, str(node.value))
    if isinstance(node, Mapping):
        return [(name, _typed(entry.node)) for name, entry in node.entries.items()]
    return ["list", *(_typed(item) for item in node.items)]


def _comments_of(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of every comment: a `#` at a line's start or behind a blank, and in
    no scalar."""
    scalars = sorted(span(text, n) for n in _nodes(compose(text)) if isinstance(n, ScalarNode))
    at, begin = 0, 0
    for match in re.finditer(r"(?:(?<=\s)|^)#[^\r\n]*", text, re.MULTILINE):
        begin = match.start()
        while at < len(scalars) and scalars[at][1] <= begin:
            at += 1
        if at == len(scalars) or begin < scalars[at][0] or text[scalars[at][0]] in "|>":
            if (
                at < len(scalars)
                and scalars[at][0] <= begin
                and not _heads(text, scalars[at], begin)
            ):
                continue
            yield begin, match.group()


def _heads(text: str, scalar: tuple[int, int], at: int) -> bool:
    """Whether the comment stands in the first line of a `|` or `>` text."""
    return "\n" not in text[scalar[0] : at]


def _nodes(root: Node | None) -> Iterator[Node]:
    waiting, seen = [root] if root else [], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            waiting += node.value


def _replace(text: str, swaps: list[tuple[int, int, str]]) -> str:
    """All (start, end, new) at once; they do not overlap."""
    for start, end, new in sorted(swaps, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _held_lines(text: str) -> set[int]:
    """Lines that begin inside of a text over several lines."""
    held: set[int] = set()
    for node in _nodes(compose(text)):
        if isinstance(node, ScalarNode):
            start, end = span(text, node)
            first = text.count("\n", 0, start)
            held.update(range(first + 1, first + 1 + text.count("\n", start, end)))
    return held


def _each_line(text: str, change: Callable[[int, str], str]) -> str:
    return "\n".join(change(number, line) for number, line in enumerate(text.split("\n")))


# --- the steps ----------------------------------------------------------------


def _line_ends(text: str) -> str:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    held = _held_lines(text)
    # the line before a held one ends inside of the text, too
    return _each_line(
        text, lambda n, line: line if n in held or n + 1 in held else line.rstrip(" \t")
    )


def _blank_lines(text: str) -> str:
    held = _held_lines(text)
    kept: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if line or number in held or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


def _comments(text: str) -> str:
    swaps = []
    for at, comment in _comments_of(text):
        before = text[text.rfind("\n", 0, at) + 1 : at]
        lead = "  " if before.strip() and not before.endswith(("  ", "\t")) else None
        if lead is not None:
            swaps.append((at - 1, at, lead))
        if _COMMENT_TEXT.match(comment):
            swaps.append((at, at + 1, "# "))
    return _replace(text, swaps)


def _spacing(text: str) -> str:
    swaps: list[tuple[int, int, str]] = []
    _space(text, compose(text), swaps)
    return _replace(text, swaps)


def _space(text: str, node: Node | None, swaps: list[tuple[int, int, str]]) -> None:
    """Blocks: the gap behind colons; brackets on one line: written anew."""
    if isinstance(node, MappingNode | SequenceNode) and in_flow(node):
        start, end = span(text, node)
        if "\n" not in text[start:end] and (again := _flow(text, node)) is not None:
            swaps.append((start, end, again))
        return
    if isinstance(node, SequenceNode):
        for item in node.value:
            _space(text, item, swaps)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            gap = (key.end_mark.index, value.start_mark.index)
            if _COLON.fullmatch(text[slice(*gap)]):
                swaps.append((*gap, ": "))
            _space(text, value, swaps)


def _flow(text: str, node: Node) -> str | None:
    """Brackets with uniform spacing; None if anything but plain entries is in there."""
    if isinstance(node, ScalarNode):
        return text[slice(*span(text, node))] or None
    start, _ = span(text, node)
    if text[start : start + 1] not in ("[", "{"):
        return None  # an anchor, a tag or an alias
    parts: list[str | None]
    if isinstance(node, SequenceNode):
        parts = [_flow(text, item) for item in node.value]
        return None if None in parts else "[" + ", ".join(p or "" for p in parts) + "]"
    pairs = [(_flow(text, key), _flow(text, value)) for key, value in node.value]
    if any(key is None or value is None for key, value in pairs):
        return None
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


# --- indentation --------------------------------------------------------------


class _Start(Struct):
    """What begins in a line: where its last entry stood, and what is to stand before it."""

    old: int
    new: int
    lead: str


def _indentation(text: str) -> str:
    starts: dict[int, _Start] = {}
    _indent(text, compose(text), 0, starts)
    lines = text.split("\n")
    return "\n".join(_shifted(lines, number, starts) for number in range(len(lines)))


def _indent(text: str, node: Node | None, column: int, starts: dict[int, _Start]) -> None:
    if node is None or in_flow(node):
        return
    if isinstance(node, MappingNode):
        for key, value in node.value:
            _begin(starts, key, column, "")
            if value.start_mark.line == key.start_mark.line:
                continue  # brackets or a text, which follow their key
            if in_flow(value) or isinstance(value, ScalarNode):
                _begin(starts, value, column + 2, "")
            _indent(text, value, column + 2, starts)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            _begin(starts, item, column + 2, "- ")
            _indent(text, item, column + 2, starts)


def _begin(starts: dict[int, _Start], node: Node, column: int, dash: str) -> None:
    line, old = node.start_mark.line, node.start_mark.column
    if line not in starts:
        starts[line] = _Start(old, column, " " * (column - len(dash)) + dash)
    else:  # an entry behind a dash
        start = starts[line]
        start.old, start.new, start.lead = old, column, start.lead + dash


def _shifted(lines: list[str], number: int, starts: dict[int, _Start]) -> str:
    line = lines[number]
    if number in starts:
        return starts[number].lead + line[starts[number].old :]
    if not line.strip():
        return line
    start = _owner(lines, number, starts)
    if start is None:
        return line
    depth = len(line) - len(line.lstrip(" "))
    return " " * max(depth + start.new - start.old, 0) + line.lstrip(" ")


def _owner(lines: list[str], number: int, starts: dict[int, _Start]) -> _Start | None:
    """Comments move with what follows at their depth; all else with what it continues."""
    if lines[number].lstrip().startswith("#"):
        depth = len(lines[number]) - len(lines[number].lstrip(" "))
        after = next((n for n in range(number + 1, len(lines)) if n in starts), None)
        if after is not None and len(lines[after]) - len(lines[after].lstrip(" ")) == depth:
            # a dash, not what stands behind it, is what the comment lines up with
            lead = starts[after].lead
            return _Start(depth, len(lead) - len(lead.lstrip(" ")), "")
    before = next((n for n in range(number - 1, -1, -1) if n in starts), None)
    return None if before is None else starts[before]
