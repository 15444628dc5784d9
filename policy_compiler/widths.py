"""A rule that is too wide, told to its author: the part to blame, and other words for it."""

from __future__ import annotations

import json

from msgspec import Struct

from policy_compiler.blame import TIERS
from policy_compiler.lower import CLAUSE_LIMIT, RuleTooWide
from policy_compiler.plan import Tiers
from policy_compiler.tree import Compare, In, Node, Or, parts_of

SHOWN_MAX = 60
"""Characters of a part that are shown."""
FACTORS_SHOWN = 8
MANY = 10**9


class Width(Struct, frozen=True):
    """Where the part stands (no tier: it is all of them together), what it is, what helps."""

    tier: str
    start: int
    message: str
    help: str


def told(offer: str, tiers: Tiers, error: RuleTooWide) -> Width:
    tier = _tier_of(tiers, error.node)
    what = _shown(error.node) if tier else "all tiers together"
    message = (
        f"The rule of `{offer}` is too wide: in {what}, {_size(error)}; at most {CLAUSE_LIMIT}."
    )
    return Width(tier, error.node.start if tier else 0, message, _help(error))


def _tier_of(tiers: Tiers, node: Node) -> str:
    for tier in TIERS:
        root = getattr(tiers, tier)
        if root is not None and _is_in(root, node):
            return tier
    return ""


def _is_in(root: Node, node: Node) -> bool:
    return root is node or any(_is_in(part, node) for part in parts_of(root))


def _size(error: RuleTooWide) -> str:
    if len(error.factors) < 2:
        return f"there are {error.count} alternatives"
    counts = [factor.clauses for factor in error.factors]
    product = 1
    for count in counts:
        product *= count
    listed = ", ".join(f"{_shown(f.node)} has {f.clauses}" for f in error.factors[:FACTORS_SHOWN])
    rest = max(len(counts) - FACTORS_SHOWN, 0)
    more = f", and {rest} more have some" if rest else ""
    times = " x ".join(map(str, counts[:FACTORS_SHOWN])) + (" x ..." if rest else "")
    total = f"{product:,}" if product < MANY else "more than a billion"
    return f"alternatives multiply to {times} = {total} ({listed}{more})"


def _shown(node: Node) -> str:
    text = " ".join(node.text.split())
    return f"`{text}`" if len(text) <= SHOWN_MAX else f"`{text[: SHOWN_MAX - 1]}…`"


# --- what helps -----------------------------------------------------------------------


def _help(error: RuleTooWide) -> str:
    """A list for equal alternatives where there are some; else what is to be taken apart."""
    for node in (error.node, *(factor.node for factor in error.factors)):
        if rewritten := _as_list(node):
            return f"Write {rewritten}: one alternative instead of several."
    if len(error.factors) < 2:
        return ""
    widest = max(error.factors, key=lambda factor: factor.clauses)
    return (
        f"Make one offer for each alternative of {_shown(widest.node)}, all in one exclusivity"
        " group, or let the shop send what it asks for as one boolean attribute."
    )


def _as_list(node: Node) -> str:
    """`a == 1 || a == 2` as `a in [1, 2]`; empty if there is nothing like that."""
    if not isinstance(node, Or):
        return ""
    values: dict[str, list[str]] = {}
    for part in node.parts:
        match part:
            case Compare(op="==", value=str()):
                values.setdefault(part.attribute, []).append(json.dumps(part.value))
            case In() if all(isinstance(value, str) for value in part.values):
                found = [json.dumps(value) for value in part.values]
                values.setdefault(part.attribute, []).extend(found)
    several = {name: found for name, found in values.items() if len(found) > 1}
    if not several:
        return ""
    name, found = max(several.items(), key=lambda each: len(each[1]))
    listed = ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
    return f"`{name} in [{listed}]`"
