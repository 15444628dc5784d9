"""The carts that an offer may meet, and what a guardrail says to all of them at once.

This is the interval analysis behind three answers: which rungs no cart can reach, which
guardrails no decision can break, and which of them a browser may be given as a threshold.

Everything that a guardrail computes is monotone in the order value: shares of it rise
with it under every rounding, caps and "at most the subtotal" keep that.  So over a
range of order values the *slack* of a guardrail (what is left before it breaks) lies
between two numbers that the range's ends give, computed by the edge's own `share_of`.
A range whose least slack is not negative passes whole, one whose greatest is negative
fails whole, any other is halved.  At a single order value nothing is estimated, so what
is found is exact to the unit, ragged edges of rounding included.

What does not follow from the order value (a cost table, a scope, a stated margin) enters
as a range of its own.  Then both claims, "always" and "never", still hold, and between
them nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.money import share_of
from policy_compiler.catalog import Attribute, Catalog, Offer, Rung
from policy_compiler.costs import Cost, cost_of, micros, ppm_of_percent
from policy_compiler.lower import Clauses
from policy_compiler.plan import bounds_of
from policy_compiler.vocabulary import Cells

Guard = Literal["ceiling", "ceiling_percent", "margin_floor", "margin_floor_percent"]
GUARDS: tuple[Guard, ...] = (
    "ceiling",
    "ceiling_percent",
    "margin_floor",
    "margin_floor_percent",
)
ROUNDINGS = {"down": t.DOWN, "half_up": t.HALF_UP, "half_even": t.HALF_EVEN}
STEPS_MAX = 4096
"""Halvings before a threshold is given up."""
CLAIM_STEPS_MAX = 512
"""Halvings before nothing is claimed of a guardrail."""
PROBE_SHIFTS = (10, 8, 12, 6, 14, 4)
"""Of a range's width, from its low end: a cap binds at carts far below the largest."""
PROBES = 16
"""Order values of every range that are tried first: mostly two of them already disagree."""


class Span(NamedTuple):
    """Integers from `low` to `high`, both included."""

    low: int
    high: int


NOTHING = Span(0, 0)


def hull(*spans: Span) -> Span:
    return Span(min(s.low for s in spans), max(s.high for s in spans))


class Till(Struct, frozen=True):
    """The shop's arithmetic: micros of the minor unit, rounding, typical margin and order."""

    minor: int
    rounding: int
    margin_ppm: int
    otherwise: int

    def share(self, amount: int, ppm: int, rounding: int) -> int:
        return share_of(amount, ppm, self.minor, rounding)


class Box(Struct, frozen=True):
    """Ranges in micros of one set of carts; `taken`: incentives taken before."""

    value: Span
    base: Span
    margin: Span
    taken: Span = NOTHING


class Carts(Struct, frozen=True, kw_only=True):
    """The carts that an offer's rule admits.

    `spans`: order values in the attribute's own unit of `step` micros; `absent`: whether
    there may be no cart yet.  `base` and `margin`: ranges in micros of a subtotal or margin
    that does not follow from the order value.
    """

    till: Till
    step: int
    spans: tuple[Span, ...]
    absent: bool
    base: Span | None = None
    margin: Span | None = None
    taken: Span = NOTHING

    def box(self, low: int, high: int) -> Box:
        """The carts whose order value lies between two amounts in micros."""
        value, till = Span(low, high), self.till
        share = Span(*(till.share(x, till.margin_ppm, t.DOWN) for x in value))
        base = value if self.base is None else hull(self.base, value)
        margin = share if self.margin is None else hull(self.margin, share)
        return Box(value, base, margin, self.taken)

    def boxes(self) -> Iterator[Box]:
        for low, high in self.spans:
            yield self.box(low * self.step, high * self.step)
        if self.absent:
            yield self.without_cart()

    def without_cart(self) -> Box:
        """A visitor without a cart: the shop's typical order stands in."""
        return self.box(self.till.otherwise, self.till.otherwise)

    @property
    def exact(self) -> bool:
        """Whether all follows from the order value."""
        return self.base is None and self.margin is None and self.taken == NOTHING


class Price(Struct, frozen=True):
    """A rung's cost, with the range of its table's entries in micros."""

    cost: Cost
    extra: Span

    def span(self, till: Till, base: Span) -> Span:
        return Span(*map(lambda b, e: self._at(till, b, e), base, self.extra))

    def _at(self, till: Till, base: int, extra: int) -> int:
        cost = self.cost
        value = cost.fixed + till.share(base, cost.rate_ppm, till.rounding) + extra
        if cost.most is not None:
            value = min(value, cost.most)
        return min(value, base) if cost.within_base else value


# --- from the catalog -----------------------------------------------------------


def till_of(catalog: Catalog) -> Till:
    shop = catalog.shop
    return Till(
        minor=10 ** (6 - shop.currency.minor_digits),
        rounding=ROUNDINGS[shop.currency.rounding],
        margin_ppm=ppm_of_percent(shop.economics.margin_percent),
        otherwise=micros(shop.economics.order_value_otherwise),
    )


def price_of(offer: Offer, rung: Rung) -> Price:
    cost = cost_of(offer, rung)
    if cost.table is None:
        return Price(cost, Span(0, 0))
    table = cost.table
    entries = [*table.costs, *table.values.values()]
    entries += [] if table.otherwise is None else [table.otherwise]
    amounts = [micros(entry) for entry in entries]
    return Price(cost, Span(min(amounts, default=0), max(amounts, default=0)))


def carts_of(
    catalog: Catalog,
    known: Mapping[str, Attribute],
    cells: Mapping[str, Cells],
    offer: Offer,
    clauses: Clauses,
    taken: Span = NOTHING,
) -> Carts:
    """The carts that the clauses admit; no span and no absent cart if there is no clause."""
    economics = catalog.shop.economics
    name = economics.order_value
    attribute = known[name]
    spans, absent = _admitted(attribute, cells.get(name), name, clauses)
    scoped = offer.scope is not None and offer.scope != name
    return Carts(
        till=till_of(catalog),
        step=_step(attribute),
        spans=spans,
        absent=absent,
        base=_range(known[offer.scope]) if scoped and offer.scope else None,
        margin=_range(known[economics.margin]) if economics.margin else None,
        taken=taken,
    )


def _step(attribute: Attribute) -> int:
    return 10 ** (6 - attribute.scale)


def _range(attribute: Attribute) -> Span:
    low, high = bounds_of(attribute)
    return Span(low * _step(attribute), high * _step(attribute))


def _admitted(
    attribute: Attribute, cells: Cells | None, name: str, clauses: Clauses
) -> tuple[tuple[Span, ...], bool]:
    whole = Span(*bounds_of(attribute))
    found: list[Span] = []
    absent = False
    for clause in clauses:
        literals = [literal for literal in clause if literal.attribute == name]
        absent = absent or all(literal.kind == t.ABSENT for literal in literals)
        masks = [literal.mask for literal in literals if literal.kind == t.CELLS]
        if any(literal.kind == t.ABSENT for literal in literals):
            continue
        found += _cut(cells, masks[0], whole) if masks and cells else [whole]
    return _joined(found), absent


def _cut(cells: Cells, mask: int, whole: Span) -> list[Span]:
    """The values in the cells of a mask, inside the attribute's own range."""
    lows = cells.lows()
    highs = [low - 1 for low in lows[1:]] + [whole.high]
    spans = [
        Span(max(low, whole.low), min(high, whole.high))
        for index, (low, high) in enumerate(zip(lows, highs, strict=True))
        if mask >> index & 1
    ]
    return [span for span in spans if span.low <= span.high]


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Ascending, overlapping and neighbouring ones made one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.low <= joined[-1].high + 1:
            joined[-1] = hull(joined[-1], span)
        else:
            joined.append(span)
    return tuple(joined)


# --- what a guardrail leaves ------------------------------------------------------

Slack = Callable[[Box], Span]


def slack_of(offer: Offer, rung: Rung, guard: Guard, till: Till) -> Slack:
    """What the guardrail leaves over a box of carts, in micros; negative breaks it."""
    limit = getattr(offer.guardrails, guard)
    price = price_of(offer, rung)
    if guard in ("ceiling", "margin_floor"):
        fixed = micros(limit)
        bound = lambda value: Span(fixed, fixed)  # noqa: E731
    else:
        ppm = ppm_of_percent(limit)
        mode = t.DOWN if guard == "ceiling_percent" else t.HALF_UP
        bound = lambda value: _sorted(*(till.share(x, ppm, mode) for x in value))  # noqa: E731

    def under_ceiling(box: Box) -> Span:
        cost, most = price.span(till, box.base), bound(box.value)
        return Span(most.low - cost.high, most.high - cost.low)

    def over_floor(box: Box) -> Span:
        cost, least = price.span(till, box.base), bound(box.value)
        return Span(
            box.margin.low - cost.high - box.taken.high - least.high,
            box.margin.high - cost.low - box.taken.low - least.low,
        )

    return under_ceiling if guard.startswith("ceiling") else over_floor


def _sorted(a: int, b: int) -> Span:
    return Span(min(a, b), max(a, b))


def guards_of(offer: Offer) -> list[Guard]:
    return [guard for guard in GUARDS if getattr(offer.guardrails, guard) is not None]


def least_of(slacks: list[Slack]) -> Slack:
    """Several guardrails at once: the tightest."""

    def least(box: Box) -> Span:
        found = [slack(box) for slack in slacks]
        return Span(min(s.low for s in found), min(s.high for s in found))

    return least


# --- answers --------------------------------------------------------------------------


def passing(carts: Carts, slack: Slack, steps_max: int = STEPS_MAX) -> tuple[Span, ...] | None:
    """Exactly the order values that pass, in the attribute's unit; None if that is not found."""
    waiting = list(reversed(carts.spans))
    found: list[Span] = []
    for _ in range(steps_max):
        if not waiting:
            return _joined(found)
        low, high = waiting.pop()
        worst, best = slack(carts.box(low * carts.step, high * carts.step))
        if worst >= 0:
            found.append(Span(low, high))
        elif best >= 0:
            if low == high:
                return None
            middle = (low + high) // 2
            waiting += [Span(middle + 1, high), Span(low, middle)]
    return None if waiting else _joined(found)


def passes_absent(carts: Carts, slack: Slack) -> bool:
    """Whether a visitor without a cart surely passes."""
    return slack(carts.without_cart()).low >= 0


def verdict(carts: Carts, slack: Slack) -> Literal["always", "never", "open"]:
    """What is proved for every admitted cart; `open` where nothing is."""
    found = [slack(box) for box in carts.boxes()]
    if all(span.low >= 0 for span in found):
        return "always"
    if all(span.high < 0 for span in found):
        return "never"
    if _differs(carts, slack):
        return "open"
    runs = passing(carts, slack, CLAIM_STEPS_MAX)
    if runs is None:
        return "open"
    absent = not carts.absent or passes_absent(carts, slack)
    if runs == carts.spans and absent:
        return "always"
    missing = not carts.absent or slack(carts.without_cart()).high < 0
    return "never" if not runs and missing else "open"


def _differs(carts: Carts, slack: Slack) -> bool:
    """Whether two carts already disagree, or one is undecided: then nothing can be claimed."""
    seen: set[bool] = set()
    for value in _probes(carts):
        worst, best = slack(carts.box(value * carts.step, value * carts.step))
        seen.add(worst >= 0)
        if worst < 0 <= best or len(seen) > 1:
            return True
    return False


def _probes(carts: Carts) -> Iterator[int]:
    for low, high in carts.spans:
        yield low
        yield high
        yield from (low + (high - low >> shift) for shift in PROBE_SHIFTS)
        yield from (low + (high - low) * part // PROBES for part in range(1, PROBES))
        yield from (value for value in range(low + 1, min(low + PROBES, high)))
