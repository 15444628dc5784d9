"""Interval analysis: held against the edge's own guardrails at every boundary."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.decision.bundle import Bundle, open_bundle
from edge.decision.guardrails import cart_of, cost_terms, guard, incentive_of
from edge.decision.reasons import ArmReason
from edge.decision.situation import ABSENT_CELL, Situation
from policy_compiler.carts import GUARDS, Span, guards_of, least_of, passing, slack_of, verdict
from policy_compiler.catalog import Guardrails, Model, Offer, Placement, Rung
from policy_compiler.check_costs import carts_for
from policy_compiler.compiling import compile_catalog
from policy_compiler.emit import emit
from policy_compiler.plan import Plan, Tiers, plan_of
from policy_compiler.tree import Compare
from tests.policy_compiler.samples import offer_with, write_catalog
from tests.support.policies import ATTRIBUTES, a_catalog

MOST = 200_00
"""The largest order value of `a.total`, in cents."""


def one_offer(
    kind: str, limits: Guardrails, margin_percent: Decimal, rounding: str, from_cents: int = 0,
    **size: Any,
) -> tuple[Plan, Bundle]:  # fmt: skip
    """A plan with one offer of one rung over carts of 0.00 to 200.00, and its bundle."""
    base = a_catalog()
    economics = msgspec.structs.replace(
        base.shop.economics, order_value="a.total", margin=None, margin_percent=margin_percent,
        order_value_otherwise=Decimal("63.21"),
    )  # fmt: skip
    currency = msgspec.structs.replace(base.shop.currency, rounding=rounding)
    rung = Rung(id="r", **size)
    catalog = msgspec.structs.replace(
        base,
        shop=msgspec.structs.replace(base.shop, economics=economics, currency=currency),
        attributes=ATTRIBUTES,
        placements={"p": Placement(title="", rank=1, model="m")},
        offers=[
            Offer(id="o", title="", kind=kind, placements=["p"], rungs=[rung], guardrails=limits)  # type: ignore[arg-type]
        ],
        models={"m": Model(link="identity")},
    )
    rule = Compare(attribute="a.total", op=">=", value=from_cents) if from_cents else None
    plan = plan_of(catalog, {}, {"o": Tiers(rule)})
    return plan, open_bundle(emit(plan))


def guarded(bundle: Bundle, cents: int | None) -> bool:
    """What the edge says to the arm in a cart of that value; None: no cart yet."""
    row = bundle.attribute_rows["a.total"]
    count = bundle.rows["attribute"]
    situation = Situation([ABSENT_CELL] * count, [0] * count, [0] * count)
    if cents is not None:
        situation.cells[row], situation.values[row] = 0, cents
    cart = cart_of(bundle.tables, situation)
    incentive = incentive_of(bundle, situation, cart, cost_terms(bundle.tables, 1))
    return guard(bundle.tables, cart, 1, incentive, 0) == ArmReason.CANDIDATE


cents = st.integers(0, 300_00).map(lambda n: Decimal(n) / 100)
percents = st.integers(0, 100_0).map(lambda n: Decimal(n) / 10)
limits = st.builds(
    Guardrails,
    ceiling=st.none() | cents,
    ceiling_percent=st.none() | percents,
    margin_floor=st.none() | cents,
    margin_floor_percent=st.none() | percents,
)
sizes = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("percent"), "percent": percents.filter(bool), "cap": st.none() | cents}
    ),
    st.fixed_dictionaries({"kind": st.just("fixed"), "amount": cents}),
    st.fixed_dictionaries({"kind": st.just("gift"), "unit_cost": cents}),
)  # fmt: skip
roundings = st.sampled_from(["down", "half_up", "half_even"])


@settings(max_examples=60, deadline=None)
@given(limits, sizes, percents, roundings, st.integers(0, 100_00))
def test_what_passes_is_exactly_what_the_edge_lets_pass_around_every_boundary(
    limits: Guardrails, size: dict[str, Any], margin: Decimal, rounding: str, from_cents: int
) -> None:
    kind = size["kind"]
    rest = {name: value for name, value in size.items() if name != "kind"}
    plan, bundle = one_offer(kind, limits, margin, rounding, from_cents, **rest)
    offer = plan.offers[0]
    carts = carts_for(plan, offer)
    slacks = [slack_of(offer, offer.rungs[0], name, carts.till) for name in guards_of(offer)]
    if not slacks:
        assert guarded(bundle, from_cents)
        return
    runs = passing(carts, least_of(slacks), steps_max=100_000)
    assert runs is not None
    ends = {end + off for run in runs for end in run for off in (-1, 0, 1)}
    probes = ends | {from_cents, MOST, (from_cents + MOST) // 2}
    for value in sorted(v for v in probes if from_cents <= v <= MOST):
        assert guarded(bundle, value) == any(low <= value <= high for low, high in runs), value
    claim = verdict(carts, least_of(slacks))
    asked = [*range(from_cents, MOST, 997), *(v for v in ends if from_cents <= v <= MOST)]
    if claim != "open":
        assert {guarded(bundle, value) for value in asked} <= {claim == "always"}


def test_ragged_edges_of_rounding_are_found_to_the_cent() -> None:
    """33.3 % margin less a tenth: rounding makes neighbouring carts differ."""
    limits = Guardrails(margin_floor_percent=Decimal("23.3"))
    plan, bundle = one_offer(
        "percent", limits, Decimal("33.3"), "half_up", percent=Decimal(10), from_cents=19_800
    )
    carts, offer = carts_for(plan, plan.offers[0]), plan.offers[0]
    runs = passing(
        carts, slack_of(offer, offer.rungs[0], "margin_floor_percent", carts.till), 10_000
    )
    assert runs is not None and len(runs) > 10
    for value in range(19_800, MOST + 1):
        assert guarded(bundle, value) == any(low <= value <= high for low, high in runs)


def test_a_search_that_takes_too_long_claims_nothing() -> None:
    limits = Guardrails(margin_floor_percent=Decimal("23.3"))
    plan, _ = one_offer("percent", limits, Decimal("33.3"), "half_up", percent=Decimal(10))
    carts, offer = carts_for(plan, plan.offers[0]), plan.offers[0]
    slack = slack_of(offer, offer.rungs[0], "margin_floor_percent", carts.till)
    assert passing(carts, slack, steps_max=10) is None
    assert verdict(carts, slack) == "open"


def test_the_carts_are_those_that_the_rule_admits() -> None:
    plan, _ = one_offer("gift", Guardrails(), Decimal(40), "down", 50_00, unit_cost=Decimal(1))
    carts = carts_for(plan, plan.offers[0])
    assert carts.spans == (Span(50_00, 200_00),)
    assert not carts.absent
    plan, _ = one_offer("gift", Guardrails(), Decimal(40), "down", unit_cost=Decimal(1))
    assert carts_for(plan, plan.offers[0]).absent


# --- what an author reads ---------------------------------------------------------------


def remarks(folder: Path, *fields: str, **files: str) -> dict[str, str]:
    compiled = compile_catalog(write_catalog(folder, offers=offer_with(*fields), **files))
    return {found.code: found.message for found in compiled.diagnostics}


def test_guardrails_that_always_fail_name_the_guardrail_and_the_carts(tmp_path: Path) -> None:
    told = remarks(
        tmp_path, "rungs: [{id: ten, percent: 10}]", "guardrails: {ceiling_percent: 9}",
    )  # fmt: skip
    assert told["P408"] == (
        "No cart can be given `welcome`: `ceiling_percent` 9 fails for every cart of 50.00 to"
        " 5000.00."
    )


def test_an_unreachable_rung_is_told_by_name(tmp_path: Path) -> None:
    told = remarks(
        tmp_path,
        "rungs: [{id: five, percent: 5}, {id: forty, percent: 40}]",
        "guardrails: {margin_floor_percent: 10}",
    )
    assert "`welcome/forty`" in told["P409"] and "`welcome/five`" not in told["P409"]
    assert "`welcome/five`" in told["P410"]


def test_two_guardrails_that_leave_nothing_between_them_are_found(tmp_path: Path) -> None:
    told = remarks(
        tmp_path,
        "rungs: [{id: ten, percent: 10}]",
        "guardrails: {ceiling: 20.00, margin_floor: 61.00}",
    )
    assert "one or the other guardrail fails" in told["P408"]


@pytest.mark.parametrize("limit", GUARDS)
def test_a_guardrail_that_may_or_may_not_bind_is_not_remarked_on(
    limit: str, tmp_path: Path
) -> None:
    value = {"ceiling": "30.00", "margin_floor": "40.00", "margin_floor_percent": "25"}.get(limit)
    rungs = "rungs: [{id: some, amount: 20.00}]"
    told = remarks(
        tmp_path, "kind: fixed" if limit != "ceiling" else "kind: percent",
        rungs if limit != "ceiling" else "rungs: [{id: ten, percent: 10}]",
        f"guardrails: {{{limit}: {value or 10}}}",
    )  # fmt: skip
    assert not told.keys() & {"P408", "P409", "P410"}


def test_the_worst_stack_adds_one_offer_of_each_group(tmp_path: Path) -> None:
    def offer(name: str, cost: str, *more: str) -> str:
        fields = (f"id: {name}", "kind: gift", f"rungs: [{{id: r, unit_cost: {cost}}}]")
        text = offer_with(*fields, "stackable: true", "eligible: customer.is_new", *more)
        body = [line.strip() for line in text.splitlines() if line.strip() not in ("offers:",)]
        body = [line.removeprefix("- ") for line in body if not line.startswith("- id")]
        return "  - " + "\n    ".join(body) + "\n"

    offers = "offers:\n" + "".join(
        [offer("bag", "3.00", "group: g"), offer("pen", "1.00", "group: g"), offer("cup", "2.50")]
    )
    places = "placements:\n  hero: {title: Hero, rank: 1, slots: 3}\n"
    folder = write_catalog(
        tmp_path, offers=offers, placements=places, groups="groups:\n  g: {title: G}\n"
    )
    found = [d for d in compile_catalog(folder).diagnostics if d.code == "P411"]
    assert [d.message for d in found] == [
        "On a page, the stackable offers of one cart cost at most 5.50 together, in a cart of"
        " 5000.00: `bag/r` 3.00, `cup/r` 2.50."
    ]
