"""Edits of a catalog's files that leave everything else as its author wrote it.

    edit = set_value(texts, "offers[welcome].rungs[p10].percent", Decimal("12.5"))
    texts = edit.apply(texts)       files with the edit
    texts = edit.undo(texts)        the very bytes from before

A round trip through objects would lose what only people read: comments, order, blank
lines, which file an object stands in.  So ruamel is asked *where* things stand, and
only that stretch of text is replaced; lines that an edit does not touch stay identical
by construction.  Before an edit is handed out, the file is read again as the compiler
reads it and compared with what was wanted.  What cannot be edited in place (a value
shared through an alias, say) is refused, never approximated.

Paths are those of diagnostics, and list items may go by their `id`: `offers[3].title`,
`offers[welcome].caps[0].count`, `attributes["cart.total"].maximum`.

Comments stay where they are, also above a removed object: whether they still apply is
for people to say.  Only comments inside a replaced or removed value go with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from policy_compiler.yaml_text import read_nodes
from policy_compiler.yaml_values import below, block, flow, plain, scalar

Texts = Mapping[str, str]
"""File, by its path below the catalog's folder -> its text."""
Steps = list[str | int]

_STEP = re.compile(
    r'\.?(?P<word>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>[0-9]+)\]'
    r'|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\[(?P<id>[a-z0-9][a-z0-9_.-]*)\]'
)  # fmt: skip


class EditRefused(Exception):
    """The edit cannot be made: what happened, and what to do."""

    def __init__(self, problem: str, help: str = "") -> None:
        super().__init__(f"{problem}  {help}".strip())
        self.problem = problem
        self.help = help


class Edit(Struct, frozen=True):
    """One stretch of one file: at offset `start`, `before` becomes `after`."""

    file: str
    start: int
    before: str
    after: str

    def apply(self, texts: Texts) -> dict[str, str]:
        """Raises `EditRefused` if the file has changed there."""
        return self._swap(texts, self.before, self.after)

    def undo(self, texts: Texts) -> dict[str, str]:
        return self._swap(texts, self.after, self.before)

    def _swap(self, texts: Texts, old: str, new: str) -> dict[str, str]:
        text = texts[self.file]
        if not text.startswith(old, self.start):
            raise EditRefused(f"{self.file} has changed meanwhile.", "Read it again.")
        return {**texts, self.file: text[: self.start] + new + text[self.start + len(old) :]}


def set_value(texts: Texts, path: str, value: Any) -> Edit:
    """Replace what stands at the path, or add the field to the object around it."""
    steps = parse_path(path)
    spot = _Spot.find(texts, steps, path)
    if spot.missing == 0:
        edit = spot.replaced(value)
    elif spot.missing == 1 and isinstance(steps[-1], str) and isinstance(spot.node, MappingNode):
        edit = spot.with_field(steps[-1], value)
    else:
        raise EditRefused(f"There is nothing at {path}.", f"Found: {spot.reached or 'no file'}.")
    return spot.checked(edit, lambda top: _put(top, spot.local, value))


def add_item(texts: Texts, path: str, value: Any) -> Edit:
    """Append to the list at the path; of several files, to the last that has the list."""
    spot = _Spot.find(texts, parse_path(path), path)
    if spot.missing or not isinstance(spot.node, SequenceNode):
        raise EditRefused(f"There is no list at {path}.", "Set the whole list instead.")
    return spot.checked(spot.with_item(value), lambda top: _get(top, spot.local).append(value))


def remove(texts: Texts, path: str) -> Edit:
    """Take the field or list item away."""
    spot = _Spot.find(texts, parse_path(path), path)
    if spot.missing or not spot.chain[1:]:
        raise EditRefused(f"There is nothing at {path}.", f"Found: {spot.reached or 'no file'}.")
    return spot.checked(spot.removed(), lambda top: _drop(top, spot.local))


def parse_path(path: str) -> Steps:
    """Keys as text, list positions as numbers.  Raises `EditRefused`."""
    steps: Steps = []
    at = 0
    while match := _STEP.match(path, at):
        at = match.end()
        quoted = match["quoted"]
        if match["index"]:
            steps.append(int(match["index"]))
        else:
            text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else ""
            steps.append(text or match["word"] or match["id"])
    if not steps or at != len(path):
        raise EditRefused(f"{path!r} is no path.", 'Such as offers[welcome].title or a["b.c"].')
    return steps


# --- plain objects, to compare with -------------------------------------------


def _get(top: Any, steps: Steps) -> Any:
    for step in steps:
        top = top[step]
    return top


def _put(top: Any, steps: Steps, value: Any) -> None:
    _get(top, steps[:-1])[steps[-1]] = value


def _drop(top: Any, steps: Steps) -> None:
    del _get(top, steps[:-1])[steps[-1]]


# --- where things stand -------------------------------------------------------


def compose(text: str) -> Node | None:
    """ruamel's nodes with their marks; None for an empty file or broken YAML."""
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError):
        return None


def span(text: str, node: Node) -> tuple[int, int]:
    """Offsets of a node's own text, without comments and blank lines behind it."""
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, ScalarNode):
        return start, start + len(text[start:end].rstrip()) if node.style in ("|", ">") else end
    if not in_flow(node) and node.value:
        last = node.value[-1]
        return start, span(text, last[1] if isinstance(last, tuple) else last)[1]
    return start, end


def in_flow(node: Node) -> bool:
    """Whether a list or mapping is written in brackets."""
    return bool(getattr(node, "flow_style", False))


class _Spot:
    """The deepest place in one file that a path leads to."""

    def __init__(self, file: str, text: str, chain: list[Node], local: Steps, steps: Steps) -> None:
        self.file, self.text = file, text
        self.chain = chain
        self.node = chain[-1]
        self.local = local
        self.missing = len(steps) - len(local)
        self.reached = ".".join(str(step) for step in local)
        if self.missing == 1:
            self.local = [*local, steps[-1]]
        self.newline = "\r\n" if "\r\n" in text else "\n"

    @classmethod
    def find(cls, texts: Texts, steps: Steps, path: str) -> _Spot:
        best: _Spot | None = None
        passed = 0
        for file in sorted(texts):
            root = compose(texts[file]) if str(steps[0]) in texts[file] else None
            if not isinstance(root, MappingNode):
                continue
            chain, local = _walk(root, _local(steps, passed))
            passed += _count_of_list(root, steps)
            if best is None or len(local) >= len(best.chain) - 1:
                best = cls(file, texts[file], chain, local, steps)
        if best is None:
            raise EditRefused(f"There is nothing at {path}.", f"No file has `{steps[0]}`.")
        return best

    def checked(self, edit: Edit, change: Any) -> Edit:
        """The edit, if the reader then sees just that change."""
        wanted = deepcopy(_read(self.text))
        change(wanted)
        if _read(edit.apply({self.file: self.text})[self.file]) != wanted:
            raise EditRefused(
                f"{self.reached or 'This'} in {self.file} cannot be changed in place.",
                "It may be shared through an alias (*name): edit the file by hand.",
            )
        return edit

    def _edit(self, start: int, end: int, after: str) -> Edit:
        return Edit(self.file, start, self.text[start:end], after)

    @property
    def _in_flow(self) -> bool:
        return any(in_flow(node) for node in self.chain[:-1])

    @property
    def _key(self) -> ScalarNode | None:
        around = self.chain[-2] if len(self.chain) > 1 else None
        pairs = around.value if isinstance(around, MappingNode) else []
        return next((key for key, value in pairs if value is self.node), None)

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return end - 1 if self.text[end - 1 : end] == "\r" else end

    # --- setting ---

    def replaced(self, value: Any) -> Edit:
        start, end = span(self.text, self.node)
        key = self._key
        if self._in_flow:
            return self._edit(start, end, _spaced(self.text, start, flow(value)))
        if key is None:
            return self._edit(start, end, block(value, self.node.start_mark.column, self.newline))
        short = below(value, key.start_mark.column, self.newline)
        one_line = self.node.start_mark.line == key.start_mark.line and start < end
        if one_line and not short.startswith(self.newline):
            return self._edit(start, end, short[1:])
        colon = self.text.index(":", key.end_mark.index) + 1
        return self._edit(colon, max(end, colon), short)

    def with_field(self, name: str, value: Any) -> Edit:
        assert isinstance(self.node, MappingNode)
        pair = f"{scalar(name)}: {flow(value)}"
        if in_flow(self.node) or self._in_flow or not self.node.value:
            return self._into_flow(pair)
        first = self.node.value[0][0].start_mark.column
        return self._after_last(f"{scalar(name)}:{below(value, first, self.newline)}", first)

    def with_item(self, value: Any) -> Edit:
        if in_flow(self.node) or self._in_flow or not self.node.value:
            return self._into_flow(flow(value))
        column = self.node.start_mark.column
        return self._after_last(f"- {block(value, column + 2, self.newline)}", column)

    def _after_last(self, line: str, column: int) -> Edit:
        at = self._line_end(span(self.text, self.node)[1])
        return self._edit(at, at, f"{self.newline}{' ' * column}{line}")

    def _into_flow(self, entry: str) -> Edit:
        if not self.node.value:
            at = self.node.start_mark.index + 1
            return self._edit(at, at, entry)
        last = self.node.value[-1]
        at = span(self.text, last[1] if isinstance(last, tuple) else last)[1]
        return self._edit(at, at, f", {entry}")

    # --- removing ---

    def removed(self) -> Edit:
        around = self.chain[-2]
        entries = [e[0] if isinstance(e, tuple) else e for e in around.value]
        ends = [e[1] if isinstance(e, tuple) else e for e in around.value]
        at = next(i for i, end in enumerate(ends) if end is self.node)
        starts = [entry.start_mark.index for entry in entries]
        end = span(self.text, self.node)[1]
        if len(entries) == 1:
            return self._emptied(around)
        if in_flow(around) or any(in_flow(node) for node in self.chain[:-2]):
            last = at == len(entries) - 1
            begin = span(self.text, ends[at - 1])[1] if last else starts[at]
            return self._edit(begin, end if last else starts[at + 1], "")
        return self._without_lines(around, entries, at, end)

    def _emptied(self, around: Node) -> Edit:
        inner = _Spot(self.file, self.text, self.chain[:-1], [], [])
        return inner.replaced({} if isinstance(around, MappingNode) else [])

    def _without_lines(self, around: Node, entries: list[Node], at: int, end: int) -> Edit:
        """Whole lines; the first field of a `- ` item leaves the dash to the next one."""
        begin = entries[at].start_mark.index
        line = self.text.rfind("\n", 0, begin) + 1
        lead = self.text[line:begin]
        blank = lead.strip() == ("-" if isinstance(around, SequenceNode) else "")
        if not blank:
            return self._edit(begin, entries[at + 1].start_mark.index, "")
        stop = self.text.find("\n", end) + 1
        return self._edit(line, stop or len(self.text), "")


def _spaced(text: str, at: int, value: str) -> str:
    """An empty value stands right behind its colon."""
    return f" {value}" if text[at - 1 : at] == ":" else value


def _read(text: str) -> Any:
    top, found = read_nodes(text, "")
    return None if top is None or found else plain(top)


def _walk(root: Node, steps: Steps) -> tuple[list[Node], Steps]:
    """Nodes along the path as far as it leads, and the steps taken, ids as positions."""
    chain, local = [root], []
    for step in steps:
        found = _child(chain[-1], step)
        if found is None:
            break
        chain.append(found[0])
        local.append(found[1])
    return chain, local


def _child(node: Node, step: str | int) -> tuple[Node, str | int] | None:
    if isinstance(node, MappingNode):
        return next(((v, k.value) for k, v in node.value if k.value == str(step)), None)
    if not isinstance(node, SequenceNode):
        return None
    for index, item in enumerate(node.value):
        if index == step or (isinstance(step, str) and _id_of(item) == step):
            return item, index
    return None


def _id_of(item: Node) -> str | None:
    pairs = item.value if isinstance(item, MappingNode) else []
    return next((v.value for k, v in pairs if k.value == "id"), None)


def _local(steps: Steps, passed: int) -> Steps:
    """A position in the merged list of offers, as one in a file with others before it."""
    if len(steps) > 1 and steps[0] == "offers" and isinstance(steps[1], int):
        return ["offers", steps[1] - passed, *steps[2:]]
    return steps


def _count_of_list(root: Node, steps: Steps) -> int:
    found = _child(root, steps[0])
    return len(found[0].value) if found and isinstance(found[0], SequenceNode) else 0
