"""What the stackable offers of one cart may cost together: a bound that no cart exceeds.

Costs rise with the order value, but a ceiling or a margin floor takes an offer away from
larger carts, so the dearest cart may lie anywhere.  Over a range of carts every offer has a
dearest cost that it cannot exceed there (`carts.py`), and the sum of the dearest, one of each
group and as many as there are slots, bounds every cart of the range.  The range with the
largest sum is halved until it is a single cart: then no other can cost more.  If that takes
too long, the bound holds all the same and no cart is named.

Invariant: every decision of the page takes at most `Stack.cost`.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from msgspec import Struct

from policy_compiler.carts import Box, Carts, Price, Slack, Span, guards_of, price_of, slack_of
from policy_compiler.catalog import Offer
from policy_compiler.check_bounds import Finding, units
from policy_compiler.slicing import Page

WORK_MAX = 100_000
"""Sizes that are priced for one page."""
STEPS_MAX = 2_000


class Size(Struct, frozen=True):
    """A rung with what it costs and what its guardrails leave."""

    name: str
    price: Price
    slacks: tuple[Slack, ...]


class Stackable(Struct, frozen=True):
    """An offer, the carts that it admits, and whom it excludes (`key`)."""

    key: str
    carts: Carts
    sizes: tuple[Size, ...]


class Stack(Struct, frozen=True):
    """What offers may cost together in micros, and which parts make that up."""

    cost: int = 0
    parts: tuple[tuple[str, int], ...] = ()


class Worst(Struct, frozen=True):
    """The dearest stack; `where` names its cart, empty if only the bound was found."""

    stack: Stack = Stack()
    where: str = ""


def worst_stack(
    page: Page, slots: int, offers: list[Offer], carts: dict[str, Carts]
) -> Iterator[Finding]:
    """A finding if two or more offers may come together on one cart."""
    stackable = [_stackable(offer, carts[offer.id]) for offer in offers]
    worst = max(_present(stackable, slots), _absent(stackable, slots), key=lambda w: w.stack.cost)
    if len(worst.stack.parts) < 2:
        return
    listed = ", ".join(f"`{name}` {units(cost)}" for name, cost in worst.stack.parts)
    yield Finding(
        "placements",
        f"On {page.told}, the stackable offers of one cart cost at most"
        f" {units(worst.stack.cost)} together{worst.where}: {listed}.",
    )


def _stackable(offer: Offer, carts: Carts) -> Stackable:
    sizes = [
        Size(
            f"{offer.id}/{rung.id}",
            price_of(offer, rung),
            tuple(slack_of(offer, rung, guard, carts.till) for guard in guards_of(offer)),
        )
        for rung in offer.rungs
    ]
    key = f"group/{offer.group}" if offer.group else f"offer/{offer.id}"
    return Stackable(key, carts, tuple(sizes))


# --- ranges of carts --------------------------------------------------------------


def _absent(offers: list[Stackable], slots: int) -> Worst:
    """For a visitor without a cart."""
    boxes = [(each, each.carts.without_cart()) for each in offers if each.carts.absent]
    return Worst(_stack(boxes, slots), ", for a visitor without a cart")


def _present(offers: list[Stackable], slots: int) -> Worst:
    spans = [span for each in offers for span in each.carts.spans]
    if not spans:
        return Worst()
    step, sizes = offers[0].carts.step, sum(len(each.sizes) for each in offers)
    waiting: list[tuple[int, int, int, Stack]] = []
    _wait(waiting, offers, Span(min(s.low for s in spans), max(s.high for s in spans)), slots)
    for _ in range(min(STEPS_MAX, max(WORK_MAX // sizes, 2))):
        _, width, below, stack = waiting[0]
        low = -below
        if not width:
            return Worst(stack, f", in a cart of {units(low * step)}")
        heappop(waiting)
        middle = low + width // 2
        for half in (Span(low, middle), Span(middle + 1, low + width)):
            _wait(waiting, offers, half, slots)
    return Worst(waiting[0][3])


def _wait(
    waiting: list[tuple[int, int, int, Stack]], offers: list[Stackable], span: Span, slots: int
) -> None:
    """The dearest first; of equals the narrowest, then the largest carts."""
    boxes = [(each, box) for each in offers if (box := _box(each.carts, span))]
    stack = _stack(boxes, slots)
    heappush(waiting, (-stack.cost, span.high - span.low, -span.low, stack))


def _box(carts: Carts, span: Span) -> Box | None:
    """The part of a range that the offer admits, as one box around it."""
    inside = [
        Span(max(low, span.low), min(high, span.high))
        for low, high in carts.spans
        if low <= span.high and span.low <= high
    ]
    return carts.box(inside[0].low * carts.step, inside[-1].high * carts.step) if inside else None


def _stack(boxes: list[tuple[Stackable, Box]], slots: int) -> Stack:
    """The dearest offers of these carts: one of each group, as many as there are slots."""
    dearest: dict[str, tuple[int, str]] = {}
    for offer, box in boxes:
        dearest[offer.key] = max(dearest.get(offer.key, (0, "")), _dearest(offer, box))
    chosen = sorted((each for each in dearest.values() if each[0]), reverse=True)[:slots]
    parts = tuple((name, cost) for cost, name in chosen)
    return Stack(sum(cost for cost, _ in chosen), parts)


def _dearest(offer: Stackable, box: Box) -> tuple[int, str]:
    """What the offer costs at most where it keeps its guardrails, and in which size."""
    found = (0, "")
    for size in offer.sizes:
        cheapest, dearest = size.price.span(offer.carts.till, box.base)
        left = min((slack(box).high for slack in size.slacks), default=dearest - cheapest)
        if left >= 0:  # else no cart of the box keeps the guardrail
            found = max(found, (min(dearest, cheapest + left), size.name))
    return found
