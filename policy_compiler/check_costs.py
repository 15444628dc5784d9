"""What interval analysis over costs and margins proves (`carts.py`), told to the author.

    always-failing guardrails   no cart can be given any rung of the offer
    unreachable rungs           no cart can be given this rung
    idle guardrails             no cart that the rule admits can break it: a note
    the worst stack             what one cart may cost where offers combine: a note
                                (`check_stacks.py`)

Claims hold for every cart that the offer's rule admits; nothing is claimed that the
analysis cannot prove.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from policy_compiler.carts import (
    NOTHING,
    Carts,
    Guard,
    Span,
    carts_of,
    guards_of,
    least_of,
    price_of,
    slack_of,
    verdict,
)
from policy_compiler.catalog import Offer, Rung
from policy_compiler.check_bounds import Finding, units
from policy_compiler.check_stacks import worst_stack
from policy_compiler.lower import NEVER
from policy_compiler.plan import Plan
from policy_compiler.slicing import pages_of


class Findings(Struct, frozen=True):
    failing: list[Finding]
    unreachable: list[Finding]
    idle: list[Finding]
    stacks: list[Finding]


def check_costs(plan: Plan, index: dict[str, int]) -> Findings:
    """`index`: where each offer stands in the author's list."""
    found = Findings([], [], [], [])
    if not plan.catalog.shop.economics.order_value:
        return found
    live = [o for o in plan.offers if not o.paused and plan.clauses[o.id] != NEVER]
    dearest = {o.id: _dearest(plan, o) for o in live if o.stackable}
    for offer in live:
        others = sum(dearest.values()) - dearest[offer.id] if offer.stackable else 0
        _check_guards(plan, offer, f"offers[{index[offer.id]}]", others, found)
    for page in pages_of(plan.placements):
        stack = [o for o in live if o.stackable and set(o.placements) & set(page.placements)]
        if len(stack) > 1:
            slots = sum(plan.placements[name].slots for name in page.placements)
            carts = {offer.id: carts_for(plan, offer) for offer in stack}
            found.stacks.extend(worst_stack(page, slots, stack, carts))
    return found


def carts_for(plan: Plan, offer: Offer, taken: Span = NOTHING) -> Carts:
    clauses = plan.clauses[offer.id]
    return carts_of(plan.catalog, plan.attributes, plan.cells, offer, clauses, taken)


def _check_guards(plan: Plan, offer: Offer, path: str, others: int, found: Findings) -> None:
    """`others`: the most that all other stackable offers may cost, in micros."""
    guards = guards_of(offer)
    if not guards:
        return
    carts = carts_for(plan, offer)
    if not (carts.spans or carts.absent):
        return
    failing = [_failing(carts, offer, rung, guards) for rung in offer.rungs]
    if all(failing):
        message = f"No cart can be given `{offer.id}`: {failing[0]} for {told(carts)}."
        found.failing.append(Finding(f"{path}.guardrails", message))
        return
    for at, guard in enumerate(failing):
        if guard:
            rung = offer.rungs[at]
            message = f"No cart can be given `{offer.id}/{rung.id}`: {guard} for {told(carts)}."
            found.unreachable.append(Finding(f"{path}.rungs[{at}]", message))
    reachable = [rung for rung, guard in zip(offer.rungs, failing, strict=True) if not guard]
    found.idle.extend(_idle(carts_for(plan, offer, Span(0, others)), offer, path, reachable))


def _failing(carts: Carts, offer: Offer, rung: Rung, guards: list[Guard]) -> str:
    """What stands against the rung in every cart; empty if something passes, or may."""
    slacks = {guard: slack_of(offer, rung, guard, carts.till) for guard in guards}
    for guard, slack in slacks.items():
        if verdict(carts, slack) == "never":
            return f"`{guard}` {getattr(offer.guardrails, guard)} fails"
    together = least_of(list(slacks.values()))
    if len(slacks) > 1 and verdict(carts, together) == "never":
        return "one or the other guardrail fails"
    return ""


def _idle(carts: Carts, offer: Offer, path: str, rungs: list[Rung]) -> Iterator[Finding]:
    for guard in guards_of(offer):
        slacks = [slack_of(offer, rung, guard, carts.till) for rung in rungs]
        if all(verdict(carts, slack) == "always" for slack in slacks):
            names = ", ".join(f"`{offer.id}/{rung.id}`" for rung in rungs)
            keep = "keeps" if len(rungs) == 1 else "keep"
            limit = getattr(offer.guardrails, guard)
            message = (
                f"No decision can break `{guard}` {limit}: {names} {keep} it for {told(carts)}."
            )
            yield Finding(f"{path}.guardrails.{guard}", message)


def told(carts: Carts) -> str:
    """The carts in words: from where to where."""
    ends = [(units(low * carts.step), units(high * carts.step)) for low, high in carts.spans]
    spans = [f"{low} to {high}" for low, high in ends]
    if not spans:
        return "a visitor without a cart"
    more = f" and {len(spans) - 3} further ranges" if len(spans) > 3 else ""
    absent = ", or without a cart" if carts.absent else ""
    return f"every cart of {', '.join(spans[:3])}{more}{absent}"


def _dearest(plan: Plan, offer: Offer) -> int:
    """The most that the offer may cost in any cart, whatever its guardrails say."""
    carts = carts_for(plan, offer)
    prices = [price_of(offer, rung) for rung in offer.rungs]
    spans = [p.span(carts.till, box.base) for p in prices for box in carts.boxes()]
    return max((span.high for span in spans), default=0)
