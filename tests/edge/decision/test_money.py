"""Rounding to the minor unit, and what each of the seven kinds of offer costs."""

from __future__ import annotations

import json
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.guardrails import guard
from edge.decision.manifest import ManifestBlock
from edge.decision.money import share_of, to_micros
from edge.decision.reasons import ArmReason
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.visit import Visit, begin
from policy_compiler.catalog import CostTable, Guardrails, Offer, Rung
from policy_compiler.costs import Cost, cost_of, ppm_of_percent
from tests.support.policies import a_catalog, bundle_of

CENT = 10_000
MODES = {t.DOWN: ROUND_DOWN, t.HALF_UP: ROUND_HALF_UP, t.HALF_EVEN: ROUND_HALF_EVEN}


@pytest.mark.parametrize(
    ("amount", "ppm", "down", "half_up", "half_even"),
    [
        # 10 % of 33.25, 33.35 and 33.26 are 3.325, 3.335 and 3.326
        (33_250_000, 100_000, 3_320_000, 3_330_000, 3_320_000),
        (33_350_000, 100_000, 3_330_000, 3_340_000, 3_340_000),
        (33_260_000, 100_000, 3_320_000, 3_330_000, 3_330_000),
        (33_390_000, 100_000, 3_330_000, 3_340_000, 3_340_000),
        (33_240_000, 100_000, 3_320_000, 3_320_000, 3_320_000),
        # half a cent, by one part in a million and by all of them
        (10_000, 500_000, 0, 10_000, 0),
        (30_000, 500_000, 10_000, 20_000, 20_000),
        (10_000, 499_999, 0, 0, 0),
        (10_000, 500_001, 0, 10_000, 10_000),
        (10_000, 1_000_000, 10_000, 10_000, 10_000),
        (0, 1_000_000, 0, 0, 0),
    ],
)
def test_a_share_rounds_in_the_shops_mode(
    amount: int, ppm: int, down: int, half_up: int, half_even: int
) -> None:
    found = [share_of(amount, ppm, CENT, mode) for mode in (t.DOWN, t.HALF_UP, t.HALF_EVEN)]
    assert found == [down, half_up, half_even]


@given(
    st.integers(0, 10**10),
    st.integers(0, 1 << 20),
    st.sampled_from([1_000_000, 10_000, 1_000]),
    st.sampled_from(sorted(MODES)),
)
def test_a_share_is_what_decimal_arithmetic_says(
    units: int, ppm: int, minor: int, mode: int
) -> None:
    exact = Decimal(units) * ppm / 1_000_000
    rounded = int(exact.to_integral_value(MODES[mode]))
    assert share_of(units * minor, ppm, minor, mode) == rounded * minor


def test_a_share_goes_by_whole_minor_units() -> None:
    """0.019999 is 0.01: what is below a cent was never in the cart."""
    assert share_of(19_999, 1_000_000, CENT, t.HALF_UP) == 10_000


@pytest.mark.parametrize(("scale", "micros"), [(0, 7_000_000), (2, 70_000), (6, 7)])
def test_decimals_become_micros_by_their_scale(scale: int, micros: int) -> None:
    assert to_micros(7, scale) == micros


def test_percentages_become_parts_per_million_and_never_less() -> None:
    assert ppm_of_percent(Decimal("7.5")) == 75_000
    assert ppm_of_percent(Decimal("33.33333")) == 333_334


# --- the seven kinds ----------------------------------------------------------

TABLE = CostTable(attribute="a.count", cuts=[Decimal(5)], costs=[Decimal(3), Decimal(9)])
BY_COUNTRY = CostTable(
    attribute="a.country", values={"DE": Decimal(3), "AT": Decimal(6)}, otherwise=Decimal(12)
)
CENTS = Decimal("0.01")
KINDS: dict[str, tuple[str, dict[str, Any], Cost]] = {
    "percent": ("percent", {"percent": Decimal(10)}, Cost(0, 100_000, within_base=True)),
    "capped": (
        "percent",
        {"percent": Decimal(10), "cap": Decimal(3)},
        Cost(0, 100_000, 3_000_000, within_base=True),
    ),
    "fixed": ("fixed", {"amount": Decimal("4.5")}, Cost(4_500_000, within_base=True)),
    "bundle": ("bundle", {"saves": Decimal(6)}, Cost(6_000_000, within_base=True)),
    "gift": ("gift", {"unit_cost": Decimal(5)}, Cost(5_000_000)),
    "shipping": ("shipping", {"amount": Decimal(4)}, Cost(4_000_000)),
    "by weight": ("shipping", {"cost_table": TABLE}, Cost(table=TABLE)),
    "by country": ("shipping", {"cost_table": BY_COUNTRY}, Cost(table=BY_COUNTRY)),
    "rate of points": (
        "points",
        {"points_per_unit": Decimal(2), "point_value": CENTS, "breakage_percent": Decimal(10)},
        Cost(0, 18_000),
    ),
    "points": (
        "points",
        {"points": 200, "point_value": CENTS, "breakage_percent": Decimal(25)},
        Cost(1_500_000),
    ),
    "financing": (
        "financing",
        {"fee_percent": Decimal("2.5"), "risk_percent": Decimal("0.5"), "months": 3},
        Cost(0, 30_000),
    ),
}


def offer_of(name: str, **changes: Any) -> Offer:
    kind, fields, _ = KINDS[name]
    rungs = [Rung(id="r", **fields)]
    given = {"id": "o", "title": "", "kind": kind, "placements": ["list"], "rungs": rungs}
    return Offer(**(given | changes))


@pytest.mark.parametrize("name", KINDS)
def test_the_formula_of_each_kind(name: str) -> None:
    offer = offer_of(name)
    assert cost_of(offer, offer.rungs[0]) == KINDS[name][2]


def bundle_with(offer: Offer) -> Bundle:
    catalog = a_catalog(offers=[offer])
    attributes = catalog.attributes | {"a.country": catalog.attributes["geo.country"]}
    return bundle_of(a_catalog(offers=[offer], attributes=attributes))


def visit_of(bundle: Bundle, attributes: dict[str, Any]) -> Visit:
    fields = {"visitor": "ada", "nonce": "n", "consent": "full", "now_s": 5,
              "placements": ["list"], "attributes": attributes}  # fmt: skip
    encoded = encode_request(bundle, json.dumps(fields).encode())
    block = ManifestBlock(digest=bytes(32), issued_s=0, expires_s=99)
    return begin(bundle, block, unpack_request(encoded.data))


@pytest.mark.parametrize(
    ("name", "attributes", "micros"),
    [
        ("percent", {"a.total": "33.35"}, 3_340_000),
        ("percent", {}, 5_000_000),  # a tenth of the typical order of 50.00
        ("percent", {"a.total": -1}, None),
        ("capped", {"a.total": "29.99"}, 3_000_000),
        ("capped", {"a.total": 100}, 3_000_000),
        ("capped", {"a.total": "29.80"}, 2_980_000),
        ("fixed", {"a.total": 100}, 4_500_000),
        ("fixed", {"a.total": "4.49"}, 4_490_000),
        ("fixed", {"a.total": 0}, 0),
        ("bundle", {"a.total": 5}, 5_000_000),
        ("gift", {"a.total": 1}, 5_000_000),
        ("shipping", {"a.total": 1}, 4_000_000),
        ("by weight", {"a.total": 1, "a.count": 4}, 3_000_000),
        ("by weight", {"a.total": 1, "a.count": 5}, 9_000_000),
        ("by weight", {"a.total": 1}, None),
        ("by weight", {"a.total": 1, "a.count": 99}, None),
        ("by country", {"a.country": "DE"}, 3_000_000),
        ("by country", {"a.country": "AT"}, 6_000_000),
        ("by country", {"a.country": "FR"}, 12_000_000),
        ("by country", {}, 12_000_000),
        ("rate of points", {"a.total": "50.28"}, 910_000),
        ("points", {"a.total": 1}, 1_500_000),
        ("financing", {"a.total": 200}, 6_000_000),
    ],
)
def test_what_a_cart_costs(name: str, attributes: dict[str, Any], micros: int | None) -> None:
    assert visit_of(bundle_with(offer_of(name)), attributes).incentive(1) == micros


@pytest.mark.parametrize(
    ("attributes", "micros"),
    [
        ({"a.total": 100, "a.garden": "10.055"}, 1_010_000),  # 10.05 in whole cents: 1.005
        ({"a.total": 100}, None),
        ({"a.garden": 30}, 3_000_000),
        ({}, 5_000_000),
    ],
)
def test_a_scope_has_its_own_subtotal(attributes: dict[str, Any], micros: int | None) -> None:
    bundle = bundle_with(offer_of("percent", scope="a.garden"))
    assert visit_of(bundle, attributes).incentive(1) == micros


@pytest.mark.parametrize(
    ("limits", "attributes", "taken", "reason"),
    [
        ({"ceiling": Decimal(5)}, {"a.total": 50}, 0, ArmReason.CANDIDATE),
        ({"ceiling": Decimal("4.99")}, {"a.total": 50}, 0, ArmReason.OVER_CEILING),
        ({"ceiling_percent": Decimal(10)}, {"a.total": "50.01"}, 0, ArmReason.CANDIDATE),
        ({"ceiling_percent": Decimal(10)}, {"a.total": "50.05"}, 0, ArmReason.OVER_CEILING),
        ({"margin_floor": Decimal(5)}, {"a.total": 50, "a.margin": 10}, 0, ArmReason.CANDIDATE),
        ({"margin_floor": Decimal(5)}, {"a.total": 50, "a.margin": 10}, 1, ArmReason.UNDER_FLOOR),
        ({"margin_floor": Decimal(5)}, {"a.total": 50, "a.margin": "x"}, 0, ArmReason.COST_UNKNOWN),
        ({"margin_floor": Decimal(5)}, {"a.total": 50}, None, ArmReason.COST_UNKNOWN),
        # 40 % of 50.00 is 20.00; less 5.00 leaves 15.00, 30 % of the order
        ({"margin_floor_percent": Decimal(30)}, {"a.total": 50}, 0, ArmReason.CANDIDATE),
        ({"margin_floor_percent": Decimal("30.01")}, {"a.total": 50}, 0, ArmReason.UNDER_FLOOR),
        ({"margin_floor": Decimal(-9)}, {"a.total": 50, "a.margin": -4}, 0, ArmReason.CANDIDATE),
        ({}, {"a.total": "x"}, 0, ArmReason.COST_UNKNOWN),
    ],
)
def test_guardrails(
    limits: dict[str, Any], attributes: dict[str, Any], taken: int | None, reason: ArmReason
) -> None:
    bundle = bundle_with(offer_of("percent", guardrails=Guardrails(**limits)))
    visit = visit_of(bundle, attributes)
    assert guard(bundle.tables, visit.cart, 1, visit.incentive(1), taken) == reason
