"""No integer of a decision reaches 2^53: bundles that could go beyond are refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.decision import tables as t
from edge.decision.bounds import integers_stay_exact
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from edge.decision.tables import SAFE
from policy_compiler.catalog import Attribute, Derived, Model, Offer, Placement, Rung
from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.emit import emit
from policy_compiler.tree import Compare
from tests.conformance.cases import POLICIES
from tests.support.policies import ATTRIBUTES, a_catalog, bundle_of, random_plan


def with_cart_up_to(maximum: str, link: Any = None, **rung: Any) -> Bundle:
    """One offer, for carts of at most so much, in cents and a score unit of 0.001."""
    size: dict[str, Any] = {"amount": Decimal(1)} | rung
    kind = "percent" if "percent" in size else "fixed"
    offer = Offer(
        id="o", title="", kind=kind, placements=["list"], rungs=[Rung(id="r", **size)]
    )  # fmt: skip
    money = {
        name: msgspec.structs.replace(ATTRIBUTES[name], maximum=Decimal(maximum))
        for name in ("a.total", "a.margin")
    }
    models = {"m": Model(link=link)} if link else {}
    placements = {"list": Placement(title="", rank=1, model="m" if link else None)}
    return bundle_of(
        a_catalog(
            offers=[offer], attributes=ATTRIBUTES | money, models=models, placements=placements
        )
    )


def refused(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(BundleError) as caught:
        call(*given, **named)
    assert caught.value.code == "MEANING"
    return caught.value.detail


def test_a_page_of_incentives_stays_below_2_to_53() -> None:
    """1088 arms of a whole cart each, and a margin as large: 8.27 million at most."""
    with_cart_up_to("8000000", amount=None, percent=Decimal(100))
    detail = refused(with_cart_up_to, "8300000", amount=None, percent=Decimal(100))
    assert detail.startswith("the incentives of a page may reach 9")


def test_small_rates_allow_larger_carts() -> None:
    with_cart_up_to("100000000")
    assert "the incentives" in refused(
        with_cart_up_to, "100000000", amount=None, percent=Decimal(60)
    )


def test_the_economics_of_an_arm_stay_below_2_to_53() -> None:
    """(2 x margin + ...) / 0.001 x 65536: 68.7 million at most."""
    with_cart_up_to("68000000", link="logistic")
    with_cart_up_to("69000000", link="identity")
    assert "the economics" in refused(with_cart_up_to, "69000000", link="logistic")


def test_derived_attributes_stay_below_2_to_53() -> None:
    wide = Attribute(type="int", minimum=Decimal(-(2**52)), maximum=Decimal(2**52))
    attributes = ATTRIBUTES | {
        "a.count": wide,
        "a.points": wide,
        "b.gap": Attribute(type="int", derived=Derived(difference=("a.points", "a.count"))),
    }
    model = Model(link="identity", terms=[])
    rung = Rung(id="r", amount=Decimal(1))
    offer = Offer(id="o", title="", kind="fixed", placements=["list"], rungs=[rung])
    catalog = a_catalog(attributes=attributes, offers=[offer], models={"m": model})
    rule = Compare(attribute="b.gap", op=">", value=0)
    assert "a derived attribute" in refused(bundle_of, catalog, {"o": rule})


def test_a_model_has_a_bounded_number_of_terms() -> None:
    bundle = open_bundle(emit(random_plan(0)))
    terms = msgspec.structs.replace(bundle.tables, model_term=[0, 5000])
    assert integers_stay_exact(terms, bundle.rows | {"model": 1}) == (
        "a model has 5000 terms, more than 4096"
    )


@pytest.mark.parametrize("seed", range(20))
def test_bundles_of_believable_shops_are_far_from_the_limit(seed: int) -> None:
    bundle = open_bundle(emit(random_plan(seed)))
    assert integers_stay_exact(bundle.tables, bundle.rows) is None
    assert max(bundle.tables.attribute_high) < SAFE
    assert bundle.tables.head[t.HEAD_VALUE] >= 0


def test_the_compiler_refuses_such_a_catalog_with_a_diagnostic(tmp_path: Path) -> None:
    text = (POLICIES / "money" / "catalog.yaml").read_text()
    (tmp_path / "catalog.yaml").write_text(text.replace("maximum: 5000}", "maximum: 900000000}"))
    with pytest.raises(CatalogRefused) as caught:
        compile_catalog(tmp_path)
    errors = [each for each in caught.value.diagnostics if each.severity == "error"]
    assert [each.code for each in errors] == ["P404"]
    assert "cart.total" in errors[0].message
