"""How objects of a catalog may be named.

Object names become parts of ids, cookies and hashed key paths ("arm/<offer>/<rung>"),
so they are plain.  Attribute and rule names are also words of CEL: attributes
have at least one dot, because `has(x)` of CEL asks for a member of something.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
RULE_NAME = re.compile(r"[a-z][a-z0-9_]*")
LENGTH_MAX = 64

# fmt: off
CEL_WORDS = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
})
"""Literals, operators and reserved words of CEL (cel-spec, doc/langdef.md)."""
TAKEN_FIRST_WORDS = frozenset({
    "rules", "sets", "has", "age_s", "size", "type", "dyn", "bool", "int", "uint", "double",
    "string", "bytes", "list", "map", "null_type", "timestamp", "duration", "google", "proffer",
    "all", "exists", "exists_one", "filter", "matches", "math", "optional", "strings",
})
"""First words with a meaning of their own in rules."""
# fmt: on


def is_name(text: str) -> bool:
    """Whether an offer, rung, placement, group, budget or model may be called so."""
    return bool(NAME.fullmatch(text)) and text != "none"


def is_attribute_name(text: str) -> bool:
    words = text.split(".")
    return (
        len(text) <= LENGTH_MAX
        and bool(ATTRIBUTE_NAME.fullmatch(text))
        and CEL_WORDS.isdisjoint(words)
        and words[0] not in TAKEN_FIRST_WORDS
    )


def is_rule_name(text: str) -> bool:
    return len(text) <= LENGTH_MAX and bool(RULE_NAME.fullmatch(text)) and text not in CEL_WORDS
