"""Did a rule become wider or narrower?  Proved on clauses, or not claimed.

Two bundles cut their attributes at different constants, so clauses are made anew from
both rule trees, over the cells of every constant that either mentions.  Clause a holds
only where clause b does if asking for both asks no more than a alone.

An attribute declared otherwise may have its value more or less often: a wider range, one
more word, no longer personal.  Rules are monotone in that (strong Kleene logic: where an
attribute without a value does not keep a rule from being true, none with one does).  So who
may get the offer has widened if clauses are covered and every attribute that both rules
read has its value wherever it had it before.

So "widened" and "narrowed" are true when said; two rules may be related and only be called
"changed", since a clause may be covered by several others together.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from edge.decision.bundle import Bundle
from policy_compiler.catalog import Attribute
from policy_compiler.diff_attributes import Openness
from policy_compiler.explain_words import Words, written
from policy_compiler.listed import Rules
from policy_compiler.lower import Clause, Clauses, RuleTooWide, lower, merge
from policy_compiler.tree import And, Node, attributes_of
from policy_compiler.vocabulary import TYPES, Cells, Vocabulary

TIERS = ("eligible", "applicable", "suitable", "daypart")
_NAMES = {number: name for name, number in TYPES.items()}


class RuleChange(Struct, frozen=True, kw_only=True):
    """`gone` and `come`: parts that must all be true, as written; `declared`: attributes that
    both rules read, and that have their value more or less often."""

    what: Literal["widened", "narrowed", "changed"]
    gone: list[str]
    come: list[str]
    declared: list[str]


def compare_rules(before: Bundle, after: Bundle, old: Rules, new: Rules) -> RuleChange | None:
    """None if both provably mean the same."""
    one, other = _whole(old), _whole(new)
    wider, narrower = Openness(before, after), Openness(after, before)
    shared = sorted(attributes_of(one) & attributes_of(other))
    opened = [name for name in shared if not wider.keeps(name)]
    closed = [name for name in shared if not narrower.keeps(name)]
    if one == other and not (opened or closed):
        return None
    covered = _relation(before, after, one, other)
    what = _said(covered.wider and not opened, covered.narrower and not closed)
    if what is None:
        return None
    had, has = _parts(old), _parts(new)
    return RuleChange(
        what=what,
        gone=[part for part in had if part not in has],
        come=[part for part in has if part not in had],
        declared=sorted({*opened, *closed}),
    )


def _said(wider: bool, narrower: bool) -> Literal["widened", "narrowed", "changed"] | None:
    if wider and narrower:
        return None
    return "widened" if wider else "narrowed" if narrower else "changed"


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
            elif (text := written(node)) not in found:
                found.append(text)
    return found


class Covered(Struct, frozen=True):
    """Whether the old clauses imply the new ones, and the other way round."""

    wider: bool = False
    narrower: bool = False


def _relation(before: Bundle, after: Bundle, one: Node, other: Node) -> Covered:
    try:
        vocabulary = Vocabulary(_attributes(before, after, one, other))
        vocabulary.mention_rule(one)
        vocabulary.mention_rule(other)
        cells = {name: vocabulary.cells_of(name) for name in vocabulary.attributes}
        clauses, clauses_now = lower(one, cells), lower(other, cells)
    except (RuleTooWide, Redeclared):
        return Covered()
    return Covered(_covered(clauses, clauses_now, cells), _covered(clauses_now, clauses, cells))


def _covered(clauses: Clauses, others: Clauses, cells: dict[str, Cells]) -> bool:
    """Whether each clause holds only where one of the others does (a sufficient test)."""
    return all(any(_implies(clause, other, cells) for other in others) for clause in clauses)


def _implies(clause: Clause, other: Clause, cells: dict[str, Cells]) -> bool:
    alone = merge(clause, frozenset(), cells)
    return alone is None or merge(clause, other, cells) == alone


# --- attributes of both -------------------------------------------------------


class Redeclared(Exception):
    """An attribute is of another type or scale now: values cannot be compared."""


def _attributes(before: Bundle, after: Bundle, one: Node, other: Node) -> dict[str, Attribute]:
    declared = _declared(before, one)
    for name, attribute in _declared(after, other).items():
        was = declared.get(name, attribute)
        if (was.type, was.scale, was.describe) != (
            attribute.type, attribute.scale, attribute.describe
        ):  # fmt: skip
            raise Redeclared
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
            values=Words(bundle).values(row),
            describe=Words(bundle).origin(row),
        )
        for name, row in used.items()
    }
