"""The browser's projection: nothing confidential in any byte of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest

from edge.decision import tables as t
from edge.decision.bundle import Bundle, open_bundle
from policy_compiler.catalog import (
    Budget,
    Cap,
    Catalog,
    Choice,
    CostTable,
    Guardrails,
    Model,
    Offer,
    Placement,
    Redemption,
    Rung,
    Term,
)
from policy_compiler.compiling import compile_catalog
from policy_compiler.emit import cap_key, emit
from policy_compiler.plan import Tiers, plan_of
from policy_compiler.projecting import Projected, project
from policy_compiler.tree import Compare, Node, Not
from tests.support.parts import ROOT
from tests.support.policies import ATTRIBUTES, a_catalog

MARGIN: Node = Not(part=Compare(attribute="a.margin", op="<", value=1))
TOTAL: Node = Compare(attribute="a.total", op=">=", value=5000, text="a.total >= 50.00")


class Numbers:
    """Numbers no two of which look alike, in steps that keep their order."""

    def __init__(self, first: str) -> None:
        self.next, self.given = Decimal(first), []

    def __call__(self) -> Decimal:
        self.next += Decimal("101.0937")
        self.given.append(self.next)
        return self.next


def confidential_catalog(numbers: Numbers) -> Catalog:
    """A catalog in which every confidential field holds a number from `numbers`."""
    base = a_catalog()
    attributes = {
        **ATTRIBUTES,
        "a.margin": msgspec.structs.replace(
            ATTRIBUTES["a.margin"], labels=["confidential"], maximum=numbers()
        ),
        "a.total": msgspec.structs.replace(ATTRIBUTES["a.total"], labels=["publishable"]),
    }
    economics = msgspec.structs.replace(
        base.shop.economics, order_value_otherwise=numbers(), margin_percent=Decimal("37.1943")
    )
    return msgspec.structs.replace(
        base,
        shop=msgspec.structs.replace(base.shop, economics=economics),
        attributes=attributes,
        placements=_placements(numbers),
        offers=list(_offers(numbers)),
        budgets={"b": Budget(amount=numbers())},
        models={
            "order": Model(
                link="identity",
                constant=numbers(),
                arms={"gift/r": numbers(), "points/r": numbers(), "floored/r": numbers()},
            ),
            "clever": Model(
                link="logistic",
                terms=[Term(attribute="a.flag", weights=[numbers(), numbers(), numbers()])],
            ),
        },
    )


def _placements(numbers: Numbers) -> dict[str, Placement]:
    def choice(policy: Literal["greedy", "epsilon", "allocation"], **fields: Any) -> Choice:
        return Choice(
            policy=policy, gamma=numbers(), explore_loss=numbers(), floor=Decimal("0.0193"),
            epsilon=Decimal("0.0917"), **fields,
        )  # fmt: skip

    rows = {"*": {"none": 1, "gift/r": 2, "floored/r": 3}}
    return {
        "greedy": Placement(title="", rank=1, model="order", choice=choice("greedy")),
        "shared": Placement(title="", rank=2, choice=choice("allocation", allocation=rows)),
        "scored": Placement(title="", rank=3, choice=choice("epsilon")),
        "clever": Placement(title="", rank=4, model="clever", choice=choice("greedy")),
        "letter": Placement(title="", rank=5, channel="email", choice=choice("greedy")),
        "secret": Placement(
            title="", rank=6, choice=choice("allocation", segment="a.hidden", allocation=None)
        ),
    }


PUBLIC = ["greedy", "shared"]


def _offers(numbers: Numbers) -> Iterator[Offer]:
    table = CostTable(
        attribute="geo.country",
        values={"DE": numbers(), "AT": numbers()},
        otherwise=numbers(),
    )

    def offer(name: str, kind: str, limits: Guardrails | None = None, **size: Any) -> Offer:
        rung = Rung(
            id="r", depth=Decimal("1.7"), fixed_cost=numbers(), expected_profit=numbers(),
            expected_cost=numbers(), **size,
        )  # fmt: skip
        return Offer(
            id=name, title=name, kind=kind, placements=[*PUBLIC, "scored"], rungs=[rung],  # type: ignore[arg-type]
            guardrails=limits or Guardrails(), budget="b", scope="a.garden",
            redemption=Redemption(per_customer=71_993, total=81_997),
            caps=[Cap(count=2, placement="scored"), Cap(count=3)],
        )  # fmt: skip

    yield offer("gift", "gift", Guardrails(ceiling=Decimal(9999)), unit_cost=numbers())
    yield offer(
        "points", "points", points_per_unit=Decimal(2), point_value=numbers(),
        breakage_percent=Decimal("17.3"),
    )  # fmt: skip
    yield offer(
        "later",
        "financing",
        fee_percent=Decimal("3.1907"),
        risk_percent=Decimal("1.7093"),
        months=3,
    )
    yield offer("post", "shipping", cost_table=table)
    yield offer("floored", "gift", Guardrails(margin_floor=numbers()), unit_cost=numbers())
    yield offer("shares", "gift", Guardrails(margin_floor_percent=Decimal(3)), unit_cost=numbers())
    yield offer("ratio", "gift", Guardrails(ceiling_percent=Decimal(3)), unit_cost=numbers())
    yield offer("dear", "gift", Guardrails(ceiling=Decimal(1)), unit_cost=numbers())
    yield offer("unbounded", "percent", Guardrails(ceiling=Decimal(5)), percent=Decimal(10))
    yield offer("dear-post", "shipping", Guardrails(ceiling=Decimal(1)), cost_table=table)
    yield offer("rich", "gift", unit_cost=numbers())
    yield offer(
        "capped", "percent", Guardrails(ceiling=Decimal(5)), percent=Decimal(10), cap=Decimal(5)
    )
    yield msgspec.structs.replace(
        offer("elsewhere", "gift", unit_cost=numbers()), placements=["letter"]
    )


def projected(catalog: Catalog) -> tuple[Projected, bytes]:
    hidden = msgspec.structs.replace(ATTRIBUTES["a.flag"], labels=["confidential"])
    known = msgspec.structs.replace(catalog, attributes=catalog.attributes | {"a.hidden": hidden})
    tiers = {offer.id: Tiers(MARGIN if offer.id == "rich" else TOTAL) for offer in catalog.offers}
    result = project(known, tiers, {})
    return result, emit(plan_of(result.catalog, {}, tiers), t.BROWSER_PROJECTION)


def forms(number: Decimal) -> Iterator[bytes]:
    """How a number could stand in a bundle: text, micros, ppm, score units, logit steps."""
    yield f"{number}".encode()
    for scaled in (10**6, 10**4, 10**3, 10**2, 64, 1 << 20):
        integer = int((number * scaled).to_integral_value())
        for width in (4, 8):
            if 0xFFFF < integer < 1 << 8 * width - 1:
                yield integer.to_bytes(width, "little")
                yield integer.to_bytes(width, "big")


def test_no_confidential_number_is_in_any_byte() -> None:
    numbers = Numbers("1000.1")
    _, data = projected(confidential_catalog(numbers))
    planted = [*numbers.given, Decimal("37.1943"), Decimal(71_993), Decimal(81_997)]
    assert len(planted) > 60
    found = {number for number in planted for form in forms(number) if form in data}
    assert found == set()


def test_the_same_search_finds_them_in_the_edges_bundle() -> None:
    """The canaries sing where they should."""
    numbers = Numbers("1000.1")
    catalog = confidential_catalog(numbers)
    catalog = msgspec.structs.replace(
        catalog, placements={k: v for k, v in catalog.placements.items() if k != "secret"}
    )
    tiers = {offer.id: Tiers() for offer in catalog.offers}
    data = emit(plan_of(catalog, {}, tiers))
    found = {number for number in numbers.given for form in forms(number) if form in data}
    assert len(found) > 25


def test_confidential_numbers_that_keep_the_ranks_change_no_byte() -> None:
    _, one = projected(confidential_catalog(Numbers("1000.1")))
    _, other = projected(confidential_catalog(Numbers("3333.7")))
    assert one == other


def test_another_rank_changes_the_bundle() -> None:
    catalog = confidential_catalog(Numbers("1000.1"))
    turned = {"gift/r": Decimal(2), "points/r": Decimal(1), "floored/r": Decimal(3)}
    order = msgspec.structs.replace(catalog.models["order"], arms=turned)
    other = msgspec.structs.replace(catalog, models=catalog.models | {"order": order})
    assert projected(catalog)[1] != projected(other)[1]


def test_what_an_edge_only_arm_ranks_is_not_to_be_seen() -> None:
    """`floored` ranks above, between or below the two that are there."""
    catalog = confidential_catalog(Numbers("1000.1"))
    datas = set()
    for rank in (3, Decimal("1.5"), Decimal("0.5")):
        arms = {"gift/r": Decimal(1), "points/r": Decimal(2), "floored/r": Decimal(rank)}
        order = msgspec.structs.replace(catalog.models["order"], arms=arms)
        models = catalog.models | {"order": order}
        datas.add(projected(msgspec.structs.replace(catalog, models=models))[1])
    assert len(datas) == 1


def test_everything_else_is_left_out_with_its_reason() -> None:
    result, data = projected(confidential_catalog(Numbers("1000.1")))
    bundle = open_bundle(data)
    assert list(bundle.placement_rows) == PUBLIC
    assert {name for name in bundle.arm_rows if name != "none"} == {
        "gift/r", "points/r", "later/r", "post/r", "capped/r"
    }  # fmt: skip
    why = {(out.kind, out.name): out.why for out in result.left_out}
    assert why == {
        ("placement", "scored"): "its choice policy `epsilon` needs scores",
        ("placement", "clever"): "its model's order depends on the visitor",
        ("placement", "letter"): "it is no place on a page",
        ("placement", "secret"): "its segments read the confidential `a.hidden`",
        ("offer", "floored"): "its margin floor cannot be shown to hold for every cart",
        ("offer", "shares"): "its margin floor cannot be shown to hold for every cart",
        ("offer", "ratio"): "its ceiling is a share of the cart",
        ("offer", "dear"): "the cost of a rung is not bounded by its ceiling",
        ("offer", "unbounded"): "the cost of a rung is not bounded by its ceiling",
        ("offer", "dear-post"): "the cost of a rung is not bounded by its ceiling",
        ("offer", "rich"): "its rule reads the confidential `a.margin`",
        ("offer", "elsewhere"): "none of its placements is in a browser",
    }


@pytest.fixture(scope="module")
def browser() -> Bundle:
    return open_bundle(projected(confidential_catalog(Numbers("1000.1")))[1])


def test_a_browsers_bundle_reads_no_money_and_no_scores(browser: Bundle) -> None:
    tables = browser.tables
    assert browser.head(t.HEAD_PROJECTION) == t.BROWSER_PROJECTION
    assert browser.head(t.HEAD_VALUE) == browser.head(t.HEAD_MARGIN) == -1
    assert browser.head(t.HEAD_VALUE_OTHERWISE) == browser.head(t.HEAD_MARGIN_PPM) == 0
    assert not any(tables.rung_handling) and not any(tables.rung_expected_cost)
    assert not any(tables.rung_limits[i] & (t.CEILING | t.FLOOR) for i in range(5))
    assert set(tables.offer_budget) == set(tables.offer_scope) == {-1}
    assert not len(tables.response) and not len(tables.cost_attribute)
    assert set(browser.attribute_rows) == {"a.total"}


def test_sizes_that_visitors_see_stay(browser: Bundle) -> None:
    sizes = {note.title: note.sizes for note in browser.notes.offers}
    assert sizes["capped"] == ({"percent": "10", "cap": "5"},)
    assert sizes["later"] == ({"months": "3"},)
    assert sizes["points"] == ({"points": "2"},)


def test_caps_of_placements_that_are_not_there_go_and_the_others_keep_their_keys(
    browser: Bundle,
) -> None:
    names = [name.split("/")[0] for name in browser.arm_rows if name != "none"]
    assert list(browser.tables.cap_key) == [cap_key(name, 1) for name in names]


def test_the_stores_browser_bundle_is_one() -> None:
    compiled = compile_catalog(ROOT / "examples" / "store" / "catalog", projection="browser")
    assert compiled.bundle.head(t.HEAD_PROJECTION) == t.BROWSER_PROJECTION
    assert compiled.bundle.rows["offer"] > 0
    for name in compiled.bundle.attribute_rows:
        row = compiled.bundle.attribute_rows[name]
        assert not compiled.bundle.tables.attribute_flags[row] & t.CONFIDENTIAL
    assert any(d.code == "P501" for d in compiled.diagnostics)
