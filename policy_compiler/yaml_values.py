"""Plain values as YAML text that the catalog's reader takes back unchanged.

Plain style wherever the reader would see the same text, else double quotes.  Decimals
keep their digits: `15.00` stays `15.00`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from policy_compiler.nodes import AnyNode, Scalar
from policy_compiler.nodes import Mapping as MappingNode
from policy_compiler.yaml_text import read_nodes

WIDTH_MAX = 100
_SAFE = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+%()&=<>;' -]*")
"""Texts that have no meaning to YAML, wherever they stand."""


def plain(node: AnyNode) -> Any:
    """Nodes as bool, int, Decimal, str, None, list and dict."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, MappingNode):
        return {name: plain(entry.node) for name, entry in node.entries.items()}
    return [plain(item) for item in node.items]


def scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case int():
            return str(value)
    text = str(value)
    return text if _reads_as_itself(text) else _quoted(text)


def _reads_as_itself(text: str) -> bool:
    if not _SAFE.fullmatch(text) or text != text.strip():
        return False
    top, found = read_nodes(f"[{{k: {text}}}]".join(("k: ", "")), "")
    return top is not None and not found and plain(top) == {"k": [{"k": text}]}


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(char) or _printable(char) for char in text) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def flow(value: Any) -> str:
    """On one line: `{count: 2, period_s: 60}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    return scalar(value)


def block(value: Any, column: int, newline: str = "\n") -> str:
    """The value at that column, its first line without indentation."""
    between = newline + " " * column
    if isinstance(value, Mapping) and value:
        return between.join(f"{scalar(k)}:{below(v, column, newline)}" for k, v in value.items())
    if isinstance(value, list | tuple) and value:
        return between.join(f"- {block(each, column + 2, newline)}" for each in value)
    return flow(value)


def below(value: Any, column: int, newline: str = "\n") -> str:
    """What follows the colon of a key at that column: on its line if it is short and flat."""
    if _is_flat(value) and column + len(line := flow(value)) <= WIDTH_MAX - 20:
        return f" {line}"
    if not isinstance(value, Mapping | list | tuple) or not value:
        return f" {flow(value)}"
    return newline + " " * (column + 2) + block(value, column + 2, newline)


def _is_flat(value: Any) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, str) or not (
        isinstance(value, Mapping | list | tuple)
        and any(isinstance(each, Mapping | list | tuple) for each in inner)
    )
