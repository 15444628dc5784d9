"""Did a rule become wider or narrower?  Proved on clauses, or not claimed.

Two bundles cut their attributes at different constants, so clauses are made anew from
both rule trees, over the cells of every constant that either mentions.  Clause a holds
only where clause b does if asking for both asks no more than a alone.  So "widened" and
"narrowed" are true when said; two rules may be related and only be called "changed",
since a clause may be covered by several others together.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from policy_compiler.catalog import Attribute
from policy_compiler.explain_words import Words
from policy_compiler.listed import Rules
from policy_compiler.lower import Clause, Clauses, RuleTooWide, lower, merge
from policy_compiler.tree import And, Node, attributes_of
from policy_compiler.vocabulary import TYPES, Cells, Vocabulary

TIERS = ("eligible", "applicable", "suitable", "daypart")
_NAMES = {number: name for name, number in TYPES.items()}


class RuleChange(Struct, frozen=True, kw_only=True):
    """`gone` and `come`: parts that must all be true, as written."""

    what: Literal["widened", "narrowed", "changed"]
    gone: list[str]
    come: list[str]


def compare_rules(before: Bundle, after: Bundle, old: Rules, new: Rules) -> RuleChange | None:
    """None if both provably mean the same."""
    one, other = _whole(old), _whole(new)
    relation = "same" if one == other and not _redeclared(before, after, one) else ""
    if not relation:
        relation = _relation(before, after, one, other)
    if relation == "same":
        return None
    had, has = _parts(old), _parts(new)
    return RuleChange(
        what=relation,  # type: ignore[arg-type]
        gone=[part for part in had if part not in has],
        come=[part for part in has if part not in had],
    )


def _whole(rules: Rules) -> Node:
    given = (getattr(rules, tier) for tier in TIERS)
    return And(parts=tuple(tier for tier in given if tier is not None))


def _parts(rules: Rules) -> list[str]:
    """What must hold, as written, one by one."""
    found: list[str] = []
    for tier in TIERS:
        rule: Node | None = getattr(rules, tier)
        waiting = [] if rule is None else [rule]
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, And):
                waiting = [*node.parts, *waiting]
            elif node.text not in found:
                found.append(node.text)
    return found


def _relation(before: Bundle, after: Bundle, one: Node, other: Node) -> str:
    try:
        vocabulary = Vocabulary(_attributes(before, after, one, other))
        vocabulary.mention_rule(one)
        vocabulary.mention_rule(other)
        cells = {name: vocabulary.cells_of(name) for name in vocabulary.attributes}
        clauses, clauses_now = lower(one, cells), lower(other, cells)
    except (RuleTooWide, _Redeclared):
        return "changed"
    wider = _covered(clauses, clauses_now, cells)
    narrower = _covered(clauses_now, clauses, cells)
    if wider and narrower:
        return "same"
    return "widened" if wider else "narrowed" if narrower else "changed"


def _covered(clauses: Clauses, others: Clauses, cells: dict[str, Cells]) -> bool:
    """Whether each clause holds only where one of the others does (a sufficient test)."""
    return all(any(_implies(clause, other, cells) for other in others) for clause in clauses)


def _implies(clause: Clause, other: Clause, cells: dict[str, Cells]) -> bool:
    alone = merge(clause, frozenset(), cells)
    return alone is None or merge(clause, other, cells) == alone


# --- attributes of both -------------------------------------------------------


class _Redeclared(Exception):
    """An attribute is of another type or scale now: values cannot be compared."""


def _redeclared(before: Bundle, after: Bundle, rule: Node) -> bool:
    try:
        _attributes(before, after, rule, rule)
    except _Redeclared:
        return True
    return False


def _attributes(before: Bundle, after: Bundle, one: Node, other: Node) -> dict[str, Attribute]:
    declared = _declared(before, one)
    for name, attribute in _declared(after, other).items():
        was = declared.get(name, attribute)
        if (was.type, was.scale, was.describe) != (
            attribute.type, attribute.scale, attribute.describe
        ):  # fmt: skip
            raise _Redeclared
        # other values than before: judged over any string, which holds for fewer ones, too
        values = attribute.values if was.values == attribute.values else None
        declared[name] = Attribute(type=attribute.type, scale=attribute.scale, values=values)
    return declared


def _declared(bundle: Bundle, rule: Node) -> dict[str, Attribute]:
    tables = bundle.tables
    rows = {bundle.text(text): row for row, text in enumerate(tables.attribute_name)}
    used = {name: rows[name] for name in attributes_of(rule) if name in rows}
    return {
        name: Attribute(
            type=_NAMES[tables.attribute_type[row]],  # type: ignore[arg-type]
            scale=tables.attribute_scale[row],
            values=_values(bundle, row),
            describe=Words(bundle).origin(row),
        )
        for name, row in used.items()
    }


def _values(bundle: Bundle, row: int) -> list[str] | None:
    tables = bundle.tables
    if not tables.attribute_flags[row] & t.ENUMERATED:
        return None
    words = tables.word_text[tables.attribute_word[row] : tables.attribute_word[row + 1]]
    return [bundle.text(word) for word in words]
