"""Who comes, and what each would do: drawn from the truth, before anything is shown.

A person's chances are numbers of its own, made from (seed, number).  So the same person
behaves alike whatever offer is shown, and whatever order visits are served in: two runs
differ only in what the engine shows.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

from msgspec import Struct

from control_plane.outcomes import NONE
from control_plane.truth import Truth, VisitorType

VALUE_STEPS = 10_000
"""Order values come from this many quantiles, never the very ends of the distribution."""


class Person(Struct, frozen=True, kw_only=True):
    """One visitor.  The chances are numbers from 0 to 1, `value` is that of an order."""

    number: int
    kind: VisitorType
    buying: float
    clicking: float
    redeeming: float
    browsing: float
    value: Decimal
    margin: Decimal

    def buys(self, arm: str) -> bool:
        """Whether this person orders when this arm is shown."""
        return self.buying < self.kind.probability(arm)

    def redeems(self, arm: str) -> bool:
        return arm != NONE and self.redeeming < float(self.kind.redeems)

    def clicks(self, arm: str) -> bool:
        """Whether it follows the offer; whoever redeems one has followed it."""
        wants = self.clicking < float(self.kind.clicks)
        return arm != NONE and (wants or (self.buys(arm) and self.redeems(arm)))


def person(truth: Truth, seed: int, number: int) -> Person:
    """The visitor of this number (from 0)."""
    chance = Random(f"{seed}/{number}")
    kind = truth.type_at(chance.random())
    value = truth.order.value_at((chance.randrange(VALUE_STEPS) + 0.5) / VALUE_STEPS)
    return Person(
        number=number,
        kind=kind,
        buying=chance.random(),
        clicking=chance.random(),
        redeeming=chance.random(),
        browsing=chance.random(),
        value=value,
        margin=truth.order.margin_of(value),
    )
