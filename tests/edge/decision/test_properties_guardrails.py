"""No decision ever violates a ceiling, a joint floor, a cap, a group or a pause.

The guardrails are computed a second time here, in decimals and from the catalog, so that
the code that decides is not asked whether it is right.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from edge.decision.beacon import Row
from edge.decision.bundle import Bundle
from edge.decision.hashing import key_of
from policy_compiler.catalog import Catalog, Offer, Rung
from policy_compiler.costs import cost_of
from policy_compiler.plan import Plan
from tests.support.requests import Said
from tests.support.situations import POLICIES, policy, situation

SEEDS = st.integers(0, 10**9)
POLICY = st.integers(0, POLICIES - 1)
ROUNDING = {"down": ROUND_DOWN, "half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


class Numbers(Struct):
    """A cart, and what arms cost in it, from the catalog's own numbers.  None: unknown."""

    catalog: Catalog
    said: Said

    @property
    def minor(self) -> int:
        return 10 ** (6 - self.catalog.shop.currency.minor_digits)

    def micros(self, attribute: str, scale: int) -> int | None:
        value = self.said.values.get(attribute)
        return value * 10 ** (6 - scale) if isinstance(value, int) else None

    def sent(self, attribute: str) -> bool:
        return attribute in self.said.attributes

    def percent(self, amount: int, ppm: int, rounding: str) -> int:
        exact = Decimal(amount // self.minor) * ppm / 1_000_000
        return int(exact.to_integral_value(rounding)) * self.minor

    def value(self) -> int | None:
        return self.micros("a.total", 2) if self.sent("a.total") else 50_000_000

    def margin(self) -> int | None:
        if self.sent("a.margin"):
            return self.micros("a.margin", 2)
        value = self.value()
        return None if value is None else self.percent(value, 400_000, ROUND_DOWN)

    def subtotal(self, offer: Offer) -> int | None:
        if offer.scope is None or not (self.sent("a.total") or self.sent("a.garden")):
            return self.value()
        return self.micros("a.garden", 3)

    def incentive(self, offer: Offer, rung: Rung) -> int | None:
        base, cost = self.subtotal(offer), cost_of(offer, rung)
        if base is None:
            return None
        rounding = ROUNDING[self.catalog.shop.currency.rounding]
        total = cost.fixed + self.percent(base, cost.rate_ppm, rounding)
        if cost.table is not None:
            count = self.said.values.get("a.count")
            if not isinstance(count, int):
                return None
            total += int(cost.table.costs[bisect_right(cost.table.cuts, count)] * 1_000_000)
        total = total if cost.most is None else min(total, cost.most)
        return min(total, base) if cost.within_base else total

    def ceiling(self, offer: Offer) -> int | None:
        rails, value = offer.guardrails, self.value()
        limits = [] if rails.ceiling is None else [int(rails.ceiling * 1_000_000)]
        if rails.ceiling_percent is not None:
            assert value is not None, "a share of an unknown order was allowed"
            limits.append(self.percent(value, int(rails.ceiling_percent * 10_000), ROUND_DOWN))
        return min(limits, default=None)

    def floor(self, offer: Offer) -> int | None:
        rails, value = offer.guardrails, self.value()
        limits = [] if rails.margin_floor is None else [int(rails.margin_floor * 1_000_000)]
        if rails.margin_floor_percent is not None:
            assert value is not None, "a share of an unknown order was promised"
            ppm = int(rails.margin_floor_percent * 10_000)
            limits.append(self.percent(value, ppm, ROUND_HALF_UP))
        return max(limits, default=None)


class Shown(Struct, frozen=True):
    offer: Offer
    rung: Rung
    placement: str


def arms_of(plan: Plan) -> dict[str, tuple[Offer, Rung]]:
    return {f"{o.id}/{r.id}": (o, r) for o in plan.offers for r in o.rungs}


def shown_on(bundle: Bundle, plan: Plan, rows: tuple[Row, ...], ghost: bool) -> Iterator[Shown]:
    arms = arms_of(plan)
    for row in rows:
        arm = (row.ghost if ghost else row.shown).arm
        if arm:
            yield Shown(*arms[bundle.arm_name(arm)], bundle.placement_name(row.placement))


@settings(max_examples=600)
@given(POLICY, SEEDS, st.booleans())
def test_no_decision_breaks_a_ceiling_or_a_floor_of_anything_on_the_page(
    number: int, seed: int, ghost: bool
) -> None:
    plan, bundle = policy(number).plan, policy(number).bundle
    _, said, rows = situation(seed, bundle)
    numbers, arms = Numbers(plan.catalog, said), arms_of(plan)
    before = [arms[t["arm"]] for t in said.fields.get("taken", []) if t["arm"] in arms]
    costs = [numbers.incentive(*each) for each in before]
    page = [offer for offer, _ in before]
    for each in shown_on(bundle, plan, rows, ghost):
        cost, ceiling = numbers.incentive(each.offer, each.rung), numbers.ceiling(each.offer)
        assert cost is not None
        assert ceiling is None or cost <= ceiling
        costs.append(cost)
        page.append(each.offer)
        floors = [floor for offer in page if (floor := numbers.floor(offer)) is not None]
        if floors:
            margin = numbers.margin()
            assert margin is not None and None not in costs
            assert margin - sum(cost or 0 for cost in costs) >= max(floors)


@settings(max_examples=600)
@given(POLICY, SEEDS, st.booleans())
def test_no_decision_shows_what_is_paused_capped_taken_or_excluded(
    number: int, seed: int, ghost: bool
) -> None:
    plan, bundle = policy(number).plan, policy(number).bundle
    manifest, said, rows = situation(seed, bundle)
    arms = arms_of(plan)
    names = [t["arm"] for t in said.fields.get("taken", []) if t["arm"] != "none"]
    page = [arms[name][0] for name in names if name in arms]
    for each in shown_on(bundle, plan, rows, ghost):
        offer = each.offer
        assert all(name in arms for name in names), "after an unknown arm nothing is shown"
        assert key_of(f"offer/{offer.id}") not in manifest.paused_offers
        assert key_of(f"arm/{offer.id}/{each.rung.id}") not in manifest.paused_rungs
        assert key_of(f"placement/{each.placement}") not in manifest.paused_placements
        assert each.placement in offer.placements
        assert said.fields["now_s"] - manifest.issued_s <= offer.max_policy_age_s
        assert not any(_capped(offer, index, each, said) for index in range(len(offer.caps)))
        for other in page:
            assert other.id != offer.id
            assert offer.group is None or other.group != offer.group
            assert other.stackable and offer.stackable
        page.append(offer)


def _capped(offer: Offer, index: int, shown: Shown, said: Said) -> bool:
    """Whether this cap forbids it, by what the state has counted."""
    cap, now_s = offer.caps[index], said.fields["now_s"]
    state = said.fields.get("state") if said.fields["consent"] == "full" else None
    if cap.placement not in (None, shown.placement):
        return False
    if cap.strict and (state is None or state["overflow"]):
        return True
    window = now_s // cap.period_s if cap.period_s else 0
    named = (key_of(f"cap/{offer.id}/{index}"), window)
    seen = [c["count"] for c in (state or {"caps": []})["caps"] if (c["key"], c["window"]) == named]
    return sum(seen) >= cap.count
