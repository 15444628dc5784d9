"""Nothing confidential reaches a browser's file, whichever way it is looked for.

Canaries: every confidential field of a catalog holds a number or word that stands nowhere
else, and no form of it is in any slice's bytes.  Non-interference: two catalogs that differ
in every confidential number, but not in ranks, allocations and published thresholds, give
the same bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from policy_compiler.compiling import compile_slices
from tests.policy_compiler.samples import write_catalog


class Secrets(Struct, frozen=True, kw_only=True):
    """Every confidential number of the catalog below.  The defaults are canaries."""

    margin_percent: Decimal = Decimal("43.1907")
    otherwise: Decimal = Decimal("917.2143")
    unit_cost: Decimal = Decimal("31.772913")
    ceiling: Decimal = Decimal("1733.19")
    floor: Decimal = Decimal("217.1939")
    fixed_cost: Decimal = Decimal("13.717171")
    expected_cost: Decimal = Decimal("19.919")
    best: Decimal = Decimal("7.313")
    second: Decimal = Decimal("5.171")
    edge_only: Decimal = Decimal("6.191")
    point_value: Decimal = Decimal("0.019371")
    breakage: Decimal = Decimal("17.3191")
    fee: Decimal = Decimal("3.1907")
    risk: Decimal = Decimal("1.7093")
    budget: Decimal = Decimal("77131.19")
    redemptions: int = 719_317
    per_customer: int = 91_733
    stock_maximum: int = 813_377
    postage: Decimal = Decimal("23.191713")
    gamma: Decimal = Decimal("3.1713")
    constant: Decimal = Decimal("31.719")


WORDS = ("secretword.stock", "overstock-canary", "quiet-budget", "hushed-model", "hidden-place")


def catalog_of(folder: Path, s: Secrets) -> Path:
    return write_catalog(folder, shop=_shop(s), attributes=_attributes(s), placements=_places(s),
                         offers=_offers(s))  # fmt: skip


def _shop(s: Secrets) -> str:
    return f"""\
shop:
  tenant: harbor
  title: Harbor Goods
  currency: {{code: USD}}
  locales: [en-US]
  zone: America/New_York
  economics:
    order_value: cart.total
    order_value_otherwise: {s.otherwise}
    margin_percent: {s.margin_percent}
budgets:
  quiet-budget: {{amount: {s.budget}}}
models:
  hushed-model:
    link: identity
    constant: {s.constant}
    arms: {{gift: {s.best}, points: {s.second}, floored: {s.edge_only}}}
"""


def _attributes(s: Secrets) -> str:
    return f"""\
attributes:
  cart.total: {{type: decimal, scale: 2, money: true, maximum: 5000, labels: [publishable]}}
  customer.is_new: {{type: bool, source: signed}}
  secretword.stock:
    {{type: int, source: signed, labels: [confidential], minimum: 0, maximum: {s.stock_maximum}}}
  geo.country: {{type: string, source: edge}}
"""


def _places(s: Secrets) -> str:
    return f"""\
placements:
  ranked: {{title: Ranked, rank: 1, model: hushed-model, pages: [home]}}
  shared:
    title: Shared
    rank: 2
    pages: [cart]
    choice: {{policy: allocation, allocation: {{"*": {{none: 1, gift/r: 2, floored/r: 1}}}}}}
  hidden-place:
    {{title: Scored, rank: 3, choice: {{policy: inverse_gap, gamma: {s.gamma}}}}}
"""


def _offers(s: Secrets) -> str:
    beliefs = f"fixed_cost: {s.fixed_cost}, expected_cost: {s.expected_cost}"
    common = (
        "    placements: [ranked, shared, hidden-place]\n    budget: quiet-budget\n"
        f"    redemption: {{total: {s.redemptions}, per_customer: {s.per_customer}}}\n"
        "    creatives:\n"
        + "".join(
            f"      {place}: {{en-US: {{headline: Have it}}}}\n"
            for place in ("ranked", "shared", "hidden-place")
        )
    )

    def offer(name: str, kind: str, rung: str, *more: str) -> str:
        lines = "".join(f"    {line}\n" for line in more)
        rungs = f"    rungs: [{{id: r, {rung}, {beliefs}}}]\n"
        return f"  - id: {name}\n    title: {name}\n    kind: {kind}\n{rungs}{common}{lines}"

    points = f"points_per_unit: 2, point_value: {s.point_value}, breakage_percent: {s.breakage}"
    table = (
        "cost_table: {attribute: geo.country, values: {DE: "
        f"{s.postage}}}, otherwise: {s.postage}}}"
    )
    later = f"months: 3, fee_percent: {s.fee}, risk_percent: {s.risk}"
    gift = f"unit_cost: {s.unit_cost}"
    return "offers:\n" + "".join(
        [
            offer("gift", "gift", gift, f"guardrails: {{ceiling: {s.ceiling}}}"),
            offer("points", "points", points),
            offer("later", "financing", later),
            offer("post", "shipping", table),
            offer(
                "threshold", "fixed", "amount: 5.00", "guardrails: {margin_floor: 30.00}",
                "eligible: cart.total >= 500.00",
            ),
            offer("floored", "gift", gift, f"guardrails: {{margin_floor: {s.floor}}}",
                  "stackable: true"),
            offer("stocked", "gift", gift, "eligible: secretword.stock > 31907"),
        ]
    )  # fmt: skip


def files_of(folder: Path, secrets: Secrets) -> dict[str, bytes]:
    """Every browser file of the catalog, by slice."""
    slices = compile_slices(catalog_of(folder, secrets))
    return {name: compiled.data for name, compiled in slices.items()}


def forms(number: Decimal | int) -> Iterator[bytes]:
    """How a number could stand in a bundle: as text, or as an integer of some unit."""
    number = Decimal(number)
    yield f"{number}".encode()
    for scale in (10**6, 10**4, 10**3, 10**2, 64, 1, 1 << 20):
        integer = int((number * scale).to_integral_value())
        for width in (4, 8):
            if 0xFFFF < integer < 1 << 8 * width - 1:
                yield integer.to_bytes(width, "little")
                yield integer.to_bytes(width, "big")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return files_of(tmp_path_factory.mktemp("planted"), Secrets())


def test_there_is_a_file_per_page_with_offers_in_it(planted: dict[str, bytes]) -> None:
    assert set(planted) == {"site", "home", "cart"}
    assert b"gift" in planted["home"] and b"threshold" in planted["cart"]
    assert b"floored" not in planted["home"] and b"stocked" not in planted["home"]


@pytest.mark.parametrize("field", Secrets.__struct_fields__)
def test_no_form_of_a_planted_number_is_in_any_browser_file(
    field: str, planted: dict[str, bytes]
) -> None:
    number = getattr(Secrets(), field)
    for name, data in planted.items():
        assert [form for form in forms(number) if form in data] == [], name


@pytest.mark.parametrize("word", WORDS)
def test_no_planted_word_is_in_any_browser_file(word: str, planted: dict[str, bytes]) -> None:
    for data in planted.values():
        assert word.encode() not in data
        assert zlib.crc32(word.encode()).to_bytes(4, "little") not in data


# --- non-interference -------------------------------------------------------------------


def amount(low: int, high: int, digits: int = 2) -> st.SearchStrategy[Decimal]:
    return st.integers(low * 10**digits, high * 10**digits).map(lambda n: Decimal(n) / 10**digits)


secrets = st.builds(
    lambda gap, **fields: Secrets(best=fields["second"] + gap, **fields),
    gap=amount(1, 9),
    margin_percent=amount(20, 90),
    otherwise=amount(0, 900),
    unit_cost=amount(0, 90, 6),
    ceiling=amount(100, 9000),
    floor=amount(10, 900),
    fixed_cost=amount(0, 90, 6),
    expected_cost=amount(0, 90, 3),
    second=amount(1, 9, 3),
    edge_only=amount(-9, 99, 3),
    point_value=amount(0, 9, 6).filter(bool),
    breakage=amount(0, 100),
    fee=amount(1, 50),
    risk=amount(0, 50),
    budget=amount(1, 99_999),
    redemptions=st.integers(1, 10**9),
    per_customer=st.integers(1, 10**9),
    stock_maximum=st.integers(40_000, 10**9),
    postage=amount(0, 99, 6),
    gamma=amount(0, 30),
    constant=amount(-99, 99, 3),
)
"""Ranks, allocations and published thresholds stay: `gift` is worth more than `points`, a
gift costs less than its ceiling, and from 500.00 on a fifth of margin keeps the floor."""


@settings(max_examples=30, deadline=None)
@given(secrets)
def test_other_confidential_numbers_change_no_byte_of_any_browser_file(
    tmp_path_factory: pytest.TempPathFactory, planted: dict[str, bytes], other: Secrets
) -> None:
    assert files_of(tmp_path_factory.mktemp("other"), other) == planted


def test_what_is_published_does_change_the_files(tmp_path: Path, planted: dict[str, bytes]) -> None:
    """The comparison above can fail: a turned rank, a ceiling that no longer holds."""
    turned = Secrets(best=Decimal("1.000"))
    assert files_of(tmp_path / "turned", turned)["home"] != planted["home"]
    bound = Secrets(ceiling=Decimal(1))
    assert files_of(tmp_path / "bound", bound)["cart"] != planted["cart"]
