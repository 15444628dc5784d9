"""Why a rule can never be true: the fewest of its parts that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from edge.decision import tables as t
from policy_compiler.lower import NEVER, Clause, RuleTooWide, lower
from policy_compiler.plan import Plan, Tiers, bounds_of
from policy_compiler.tree import And, Node
from policy_compiler.vocabulary import Cells

TIERS = ("eligible", "applicable", "suitable", "daypart")


class Part(Struct, frozen=True):
    """A part that must be true for the whole to be, and the tier it stands in."""

    tier: str
    node: Node

    @property
    def told(self) -> str:
        """The part in the rule's own words."""
        return f"`{self.node.text}`" if self.node.text else "the part shown"


def blame(tiers: Tiers, cells: Mapping[str, Cells]) -> list[Part]:
    """Parts of which no visitor satisfies all, none of them idle; empty if there are none."""
    parts = [part for tier in TIERS for part in _parts(tier, getattr(tiers, tier))]
    if not _never(parts, cells):
        return []
    for part in list(parts):
        others = [other for other in parts if other is not part]
        if _never(others, cells):
            parts = others
    return parts


def _parts(tier: str, node: Node | None) -> Iterator[Part]:
    match node:
        case None:
            return
        case And():
            for part in node.parts:
                yield from _parts(tier, part)
        case _:
            yield Part(tier, node)


def _never(parts: list[Part], cells: Mapping[str, Cells]) -> bool:
    try:
        return lower(And(parts=tuple(part.node for part in parts)), cells) == NEVER
    except RuleTooWide:
        return False


def told(offer: str, parts: list[Part]) -> str:
    """One sentence: which tier, which parts."""
    if not parts:
        return f"Offer `{offer}` can never be eligible."
    tiers = list(dict.fromkeys(part.tier for part in parts))
    what = f"the tier `{tiers[0]}`" if len(tiers) == 1 else " and ".join(f"`{x}`" for x in tiers)
    words = [part.told for part in parts]
    if len(words) == 1:
        return f"Offer `{offer}` can never be eligible: in {what}, {words[0]} is never true."
    listed = ", ".join(words[:-1]) + f" and {words[-1]}"
    return f"Offer `{offer}` can never be eligible: in {what}, {listed} exclude each other."


def out_of_range(plan: Plan, offer: str) -> str:
    """The attribute whose declared range no alternative of the rule can meet, or nothing."""
    beyond = [_beyond(plan, clause) for clause in plan.clauses[offer]]
    return beyond[0] if beyond and all(beyond) else ""


def _beyond(plan: Plan, clause: Clause) -> str:
    for literal in sorted(clause):
        cells = plan.cells[literal.attribute]
        if literal.kind != t.CELLS or cells.type in (t.BOOL, t.STRING):
            continue
        low, high = bounds_of(plan.attributes[literal.attribute])
        lows = cells.lows()
        ends = [*(each - 1 for each in lows[1:]), high]
        within = [
            i for i, (a, b) in enumerate(zip(lows, ends, strict=True)) if a <= high and b >= low
        ]
        if not any(literal.mask >> index & 1 for index in within):
            return literal.attribute
    return ""
