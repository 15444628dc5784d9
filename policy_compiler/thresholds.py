"""Guardrails that a browser may be trusted with: proved, or rewritten into a threshold.

A guardrail compares costs with margins, and neither may be read by visitors.  What they may
read is what follows from it for their cart: that it always holds, or that it holds from
such an order value on.  The first needs no words.  The second is published only if the
shop labelled the order value `publishable`, and only where everything the guardrail
computes follows from the order value alone; the boundary is searched with the edge's own
arithmetic and exact to the attribute's smallest unit.

Where rounding makes the boundary ragged, or the rungs differ, the threshold is the longest
range in which every cart keeps every guardrail of every rung: never more than the edge
would show.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from policy_compiler.carts import (
    Carts,
    Guard,
    Slack,
    Span,
    carts_of,
    guards_of,
    least_of,
    passes_absent,
    passing,
    slack_of,
    verdict,
)
from policy_compiler.catalog import Attribute, Catalog, Offer
from policy_compiler.lower import ALWAYS, Clauses, RuleTooWide, lower
from policy_compiler.plan import Tiers
from policy_compiler.tree import And, Compare, Has, Node, Not, Or
from policy_compiler.vocabulary import Cells, Vocabulary

WHY: dict[Guard, str] = {
    "ceiling": "the cost of a rung is not bounded by its ceiling",
    "ceiling_percent": "its ceiling is a share of the cart",
    "margin_floor": "its margin floor cannot be shown to hold for every cart",
    "margin_floor_percent": "its margin floor cannot be shown to hold for every cart",
}


class Public(Struct, frozen=True):
    """What a browser must check in place of the guardrails: nothing, a rule, or not at all."""

    rule: Node | None = None
    refused: str = ""


def without_guardrails(
    catalog: Catalog, offer: Offer, tiers: Tiers, known: Mapping[str, Attribute]
) -> Public:
    """How the offer can be decided without its guardrails' numbers, or why it cannot."""
    guards = guards_of(offer)
    if not guards:
        return Public()
    carts = admitted(catalog, offer, tiers, known)
    if not any(guard.startswith("margin") for guard in guards):
        carts = structs.replace(carts, margin=None)  # ceilings compare with no margin
    slacks: dict[Guard, list[Slack]] = {
        g: [slack_of(offer, rung, g, carts.till) for rung in offer.rungs] for g in guards
    }
    open_tables = any(r.cost_table and r.cost_table.otherwise is None for r in offer.rungs)
    stacks = offer.stackable and any(guard.startswith("margin") for guard in guards)
    why = _unproved(carts, slacks, open_tables, stacks)
    if not why or open_tables or stacks or not carts.exact:
        return Public(refused=why)
    name = catalog.shop.economics.order_value
    if "publishable" not in known[name].labels:
        return Public(refused=f"{why}, and `{name}` is not labelled publishable")
    if any(rung.cost_table for rung in offer.rungs):
        return Public(refused=why)
    tightest = least_of([slack for each in slacks.values() for slack in each])
    rule = _rule(carts, tightest, name, known[name])
    return Public(rule=rule) if rule else Public(refused=why)


def admitted(catalog: Catalog, offer: Offer, tiers: Tiers, known: Mapping[str, Attribute]) -> Carts:
    """The carts that the offer's own rule lets pass."""
    name = catalog.shop.economics.order_value
    vocabulary = Vocabulary(dict(known))
    vocabulary.mention(name)
    vocabulary.mention_rule(tiers.whole())
    cells = {each: vocabulary.cells_of(each) for each in vocabulary.mentions}
    return carts_of(catalog, known, cells, offer, _clauses(tiers, cells))


def _clauses(tiers: Tiers, cells: Mapping[str, Cells]) -> Clauses:
    try:
        return lower(tiers.whole(), cells)
    except RuleTooWide:
        return ALWAYS


def _unproved(
    carts: Carts, slacks: Mapping[Guard, list[Slack]], open_tables: bool, stacks: bool
) -> str:
    for guard, each in slacks.items():
        floor = guard.startswith("margin")
        proved = all(verdict(carts, slack) == "always" for slack in each)
        if not proved or open_tables or (floor and stacks):
            return WHY[guard]
    return ""


# --- the threshold ---------------------------------------------------------------------


def _rule(carts: Carts, slack: Slack, name: str, attribute: Attribute) -> Node | None:
    runs = passing(carts, slack)
    if not runs:
        return None
    low, high = max(_bridged(runs, carts.spans), key=lambda run: run.high - run.low)
    parts: list[Node] = []
    if low > carts.spans[0].low:
        parts.append(_compare(name, ">=", low, attribute))
    if high < carts.spans[-1].high:
        parts.append(_compare(name, "<=", high, attribute))
    inside = And(parts=tuple(parts) or (Has(attribute=name, text=f"has({name})"),))
    if carts.absent and passes_absent(carts, slack):
        missing = Not(part=Has(attribute=name, text=f"has({name})"), text=f"!has({name})")
        return Or(parts=(missing, inside))
    return inside


def _compare(name: str, op: str, value: int, attribute: Attribute) -> Compare:
    shown = f"{value / 10**attribute.scale:.{attribute.scale}f}"
    return Compare(attribute=name, op=op, value=value, text=f"{name} {op} {shown}")  # type: ignore[arg-type]


def _bridged(runs: tuple[Span, ...], spans: tuple[Span, ...]) -> list[Span]:
    """Runs between which the rule admits no cart, as one."""
    joined = [runs[0]]
    for run in runs[1:]:
        gap = Span(joined[-1].high + 1, run.low - 1)
        if any(low <= gap.high and gap.low <= high for low, high in spans):
            joined.append(run)
        else:
            joined[-1] = Span(joined[-1].low, run.high)
    return joined
