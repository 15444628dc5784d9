"""What showing an arm costs and brings for one cart, by one policy's own arithmetic.

All in integer micros.

    incentive      what the arm costs if it is redeemed on this cart (`guardrails.incentive_of`)
    margin         what is left of the cart's margin then: margin - incentive - handling;
                   of none the margin itself
    expected cost  link `logistic`: response x incentive, as the budget multiplier is charged
                   on it; else the catalog's expected cost per showing
    gain           the score without its budget multiplier: the profit beyond showing nothing
                   that the policy's own model expects

The first two rest on the cart alone, so two policies can be compared by them.  The last two
say what each policy believes.  They are computed in score units, as the decision does, and
so are exact multiples of one.

`ModelTerms` finds an arm's weights faster than `scoring.deviation` does, where many arms of
many requests are asked for; a test holds the two equal.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.guardrails import Cart, cart_of, incentive_of
from edge.decision.request import Request
from edge.decision.scoring import (
    SCORE_LIMIT,
    Shared,
    response,
    shared_by_arms,
    term_bin,
    terms_of,
    worth,
)
from edge.decision.situation import Situation, situate


class Worth(NamedTuple):
    incentive: int
    margin: int
    expected_cost: int
    gain: int


class ModelTerms:
    """The weights of one model by arm."""

    def __init__(self, bundle: Bundle, model: int) -> None:
        tables = self.tables = bundle.tables
        self.model = model
        self.terms = [x for x in terms_of(tables, model) if tables.term_role[x] == t.ARM]
        first, last = tables.model_bias[model], tables.model_bias[model + 1]
        self.bias = dict(
            zip(tables.bias_arm[first:last], tables.bias_weight[first:last], strict=True)
        )
        self.starts = [self._starts(term) for term in self.terms]

    def _starts(self, term: int) -> dict[int, int]:
        """Arm -> where its weights of this term begin."""
        rows = range(self.tables.term_row[term], self.tables.term_row[term + 1])
        return {self.tables.row_arm[row]: self.tables.row_weight[row] for row in rows}

    def bins(self, situation: Situation) -> list[int]:
        return [term_bin(self.tables, situation, term) for term in self.terms]

    def deviation(self, arm: int, bins: list[int]) -> int:
        """`scoring.deviation`."""
        own, weights = self.bias.get(arm, 0), self.tables.weight_value
        for starts, at in zip(self.starts, bins, strict=True):
            start = starts.get(arm, -1)
            if start >= 0:
                own += weights[start + at]
        return own


class Prices:
    """What is the same for every request of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.names = [bundle.arm_name(arm) for arm in range(bundle.rows["rung"] + 1)]
        self._models: dict[int, ModelTerms] = {}

    def model(self, model: int) -> ModelTerms:
        if model not in self._models:
            self._models[model] = ModelTerms(self.bundle, model)
        return self._models[model]


class Believed(Struct, frozen=True):
    """What a model says of one situation, whatever the arm."""

    terms: ModelTerms
    shared: Shared
    bins: list[int]


class Cartful:
    """One request as one bundle sees it: prices of its arms, each computed once."""

    def __init__(self, prices: Prices, request: Request) -> None:
        self.prices, self.bundle = prices, prices.bundle
        self.situation = situate(self.bundle, request)
        self._found: dict[tuple[int, int], Worth | None] = {}
        self._beliefs: dict[int, Believed] = {}

    @cached_property
    def cart(self) -> Cart:
        return cart_of(self.bundle.tables, self.situation)

    def worth(self, placement: int, arm: int) -> Worth | None:
        """None where the margin or the incentive cannot be evaluated for this cart."""
        key = self.bundle.tables.placement_model[placement], arm
        if key not in self._found:
            self._found[key] = self._price(*key)
        return self._found[key]

    def _price(self, model: int, arm: int) -> Worth | None:
        tables, margin = self.bundle.tables, self.cart.margin
        if margin is None:
            return None
        if not arm:
            return Worth(0, margin, 0, 0)
        sets = self.bundle.offer_sets
        terms = sets.costs[sets.cost_row[arm]]
        incentive = incentive_of(self.bundle, self.situation, self.cart, terms)
        if incentive is None:
            return None
        left = margin - incentive - tables.rung_handling[arm - 1]
        return Worth(incentive, left, *self._belief(model, arm, incentive))

    def _belief(self, model: int, arm: int, incentive: int) -> tuple[int, int]:
        """(expected cost, gain) in micros."""
        tables = self.bundle.tables
        unit = tables.head[t.HEAD_SCORE_UNIT]
        if model < 0:
            return tables.rung_expected_cost[arm - 1] * unit, 0
        believed = self._believed(model)
        own, shared = believed.terms.deviation(arm, believed.bins), believed.shared
        gain = worth(tables, self.cart, model, arm, shared, own, incentive, 0)
        if tables.model_link[model] == t.IDENTITY:
            return tables.rung_expected_cost[arm - 1] * unit, gain * unit
        own += shared.sensitivity * tables.rung_depth[arm - 1] >> 8
        chance = response(tables, shared.none + own)
        cost = min(chance * (incentive // unit) >> 16, SCORE_LIMIT)
        return cost * unit, gain * unit

    def _believed(self, model: int) -> Believed:
        if model not in self._beliefs:
            terms = self.prices.model(model)
            shared = shared_by_arms(self.bundle.tables, self.situation, model)
            self._beliefs[model] = Believed(terms, shared, terms.bins(self.situation))
        return self._beliefs[model]
