"""Emission: the catalog's numbers as columns, and the same bytes every time."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.hashing import T, key_of
from policy_compiler.catalog import (
    Budget,
    Cap,
    Choice,
    Group,
    Guardrails,
    Holdout,
    Model,
    Offer,
    Placement,
    Rung,
    Term,
    Window,
)
from policy_compiler.compiling import compile_catalog
from policy_compiler.emit import cap_key, emit, runs, share
from policy_compiler.scorecards import responses
from tests.support.parts import ROOT
from tests.support.policies import a_catalog, bundle_of, random_plan


def an_offer(name: str = "o", **changes: object) -> Offer:
    given = {
        "id": name, "title": "", "kind": "fixed", "placements": ["list"],
        "rungs": [Rung(id="r", amount=Decimal(1))],
    }  # fmt: skip
    return Offer(**(given | changes))  # type: ignore[arg-type]


def arms(bundle: Bundle) -> list[str]:
    return [name for name in bundle.arm_rows if name != "none"]


# --- the same bytes -----------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_gives_the_same_bytes_every_time(seed: int) -> None:
    assert emit(random_plan(seed)) == emit(random_plan(seed))


STORE = """
import sys
from pathlib import Path
from policy_compiler.compiling import compile_catalog
print(compile_catalog(Path("examples/store/catalog"), projection=sys.argv[1]).digest)
"""


@pytest.mark.parametrize("projection", ["edge", "browser"])
def test_the_store_gives_the_same_bytes_in_every_process(projection: str) -> None:
    """Another hash seed, another time zone and another locale: nothing of them gets in."""
    here = compile_catalog(ROOT / "examples" / "store" / "catalog", projection=projection)
    strange = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    there = subprocess.run(
        [sys.executable, "-c", STORE, projection], cwd=ROOT, env=os.environ | strange, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert there.stdout.strip() == here.digest


def test_the_order_of_offers_in_the_files_does_not_matter() -> None:
    offers = [an_offer("a", priority=1), an_offer("b"), an_offer("c", priority=1)]
    one, other = (bundle_of(a_catalog(offers=o)) for o in (offers, offers[::-1]))
    assert one.digest == other.digest


# --- order and keys -----------------------------------------------------------


def test_arms_are_in_tie_order() -> None:
    """Priority descending, id by UTF-8 bytes, rung as listed."""
    rungs = [Rung(id=name, amount=Decimal(1)) for name in ("z", "a")]
    offers = [an_offer("b", priority=1), an_offer("a", rungs=rungs), an_offer("c", priority=9)]
    assert arms(bundle_of(a_catalog(offers=offers))) == ["c/r", "b/r", "a/z", "a/a"]


def test_things_that_survive_publishes_are_named_by_key() -> None:
    offer = an_offer("o", caps=[Cap(count=1), Cap(count=2, placement="list")], budget="b")
    tables = bundle_of(a_catalog(offers=[offer], budgets={"b": Budget(amount=Decimal(1))})).tables
    assert list(tables.offer_key) == [key_of("offer/o")]
    assert list(tables.rung_key) == [key_of("arm/o/r")]
    assert list(tables.placement_key) == [key_of("placement/list")]
    assert list(tables.budget_key) == [key_of("budget/b")]
    assert list(tables.cap_key) == [cap_key("o", 0), cap_key("o", 1)] == [
        key_of("cap/o/0"), key_of("cap/o/1")
    ]  # fmt: skip


def test_an_attribute_that_nothing_reads_stays_out() -> None:
    bundle = bundle_of(a_catalog(offers=[an_offer(scope="a.garden")]))
    assert list(bundle.attribute_rows) == ["a.garden", "a.margin", "a.total"]


# --- numbers ------------------------------------------------------------------


@given(st.integers(0, (1 << 70) - 1))
def test_runs_are_the_set_bits(mask: int) -> None:
    found = runs(mask)
    assert sum((1 << high + 1) - (1 << low) for low, high in found) == mask
    assert all(a[1] + 1 < b[0] for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "tickets"), [("0", 0), ("1", T), ("0.25", T // 4), ("0.1", 104858), ("0.000001", 1)]
)
def test_shares_become_tickets(text: str, tickets: int) -> None:
    assert share(Decimal(text)) == tickets


def test_responses_are_the_logistic_function() -> None:
    found = responses()
    assert len(found) == 1024 and found == sorted(found)
    assert (found[0], found[512], found[1023]) == (22, 32768, 65513)
    for index in range(0, 1024, 37):
        assert abs(found[index] - 65535 / (1 + exp(-(index - 512) / 64))) <= 0.5


def test_a_rungs_numbers() -> None:
    rung = Rung(
        id="r", amount=Decimal("1.5"), depth=Decimal("2.5"), fixed_cost=Decimal("0.25"),
        expected_cost=Decimal("0.4"),
    )  # fmt: skip
    guards = Guardrails(
        ceiling=Decimal(3), ceiling_percent=Decimal(12), margin_floor=Decimal(-1),
        margin_floor_percent=Decimal("7.5"),
    )  # fmt: skip
    tables = bundle_of(a_catalog(offers=[an_offer(rungs=[rung], guardrails=guards)])).tables
    assert tables.rung_limits[0] == (
        t.CEILING | t.CEILING_PPM | t.FLOOR | t.FLOOR_PPM | t.WITHIN_BASE
    )
    wanted = {
        "fixed": 1_500_000, "depth": 640, "handling": 250_000, "expected_cost": 400,
        "ceiling": 3_000_000, "ceiling_ppm": 120_000, "floor": -1_000_000, "floor_ppm": 75_000,
    }  # fmt: skip
    assert {name: getattr(tables, f"rung_{name}")[0] for name in wanted} == wanted


def test_an_offers_numbers_and_flags() -> None:
    offer = an_offer(
        window=Window(start="2026-03-02T00:00", until="2026-03-09T00:00"), stackable=True,
        without_identity="allow", token=True, group="g", expires_after_s=77, max_policy_age_s=66,
    )  # fmt: skip
    groups = {"f": Group(), "g": Group()}
    tables = bundle_of(a_catalog(offers=[offer, an_offer("p", paused=True)], groups=groups)).tables
    assert (tables.offer_from_s[0], tables.offer_until_s[0]) == (1_772_406_000, 1_773_010_800)
    assert (tables.offer_from_s[1], tables.offer_until_s[1]) == (0, 0)
    assert tables.offer_flags[0] == t.STACKABLE | t.WITHOUT_IDENTITY | t.TOKEN
    assert (tables.offer_group[0], tables.offer_group[1]) == (2, 0)
    assert (tables.offer_expires_s[0], tables.offer_max_age_s[0]) == (77, 66)


def test_a_placements_numbers() -> None:
    choice = Choice(
        policy="inverse_gap", unit="customer", salt="s", gamma=Decimal("0.5"),
        floor=Decimal("0.25"), explore_loss=Decimal("0.5"), epoch_s=60,
    )  # fmt: skip
    placement = Placement(
        title="", rank=7, slots=3, choice=choice, holdout=Holdout(share=Decimal("0.5"), salt="h")
    )
    bundle = bundle_of(a_catalog(placements={"list": placement}, offers=[an_offer()]))
    tables = bundle.tables
    wanted = {
        # 0.5 per unit of currency times a score unit of 0.001, in steps of 2^-24
        "slots": 3, "rank": 7, "policy": t.INVERSE_GAP, "param": 8389, "floor": T // 4, "loss": 500,
        "share": T // 2, "unit": t.CUSTOMER, "share_unit": t.VISITOR, "epoch_s": 60,
    }  # fmt: skip
    assert {name: getattr(tables, f"placement_{name}")[0] for name in wanted} == wanted
    salts = (tables.placement_salt[0], tables.placement_share_salt[0])
    assert [bundle.text(row) for row in salts] == ["s", "h"]


def test_a_models_weights_are_rounded_to_its_steps() -> None:
    terms = [
        Term(attribute="a.flag", weights=[Decimal("0.01"), Decimal("0.0155"), Decimal(-1)]),
        Term(
            attribute="a.device", values=["phone"], cross="a.total", cross_cuts=[Decimal(50)],
            role="arm", arms={"o": [Decimal(i) for i in range(9)]},
        ),
    ]  # fmt: skip
    for link, steps, first in (("identity", 1000, (10, 16)), ("logistic", 64, (1, 1))):
        model = Model(link=link, constant=Decimal("0.5"), arms={"o/r": Decimal(2)}, terms=terms)  # type: ignore[arg-type]
        placements = {"list": Placement(title="", rank=1, model="m")}
        catalog = a_catalog(offers=[an_offer()], models={"m": model}, placements=placements)
        tables = bundle_of(catalog).tables
        assert (tables.model_constant[0], tables.bias_weight[0]) == (steps // 2, 2 * steps)
        assert tuple(tables.weight_value)[:2] == first
        assert list(tables.weight_value)[3:] == [i * steps for i in range(9)]
        assert list(tables.term_width) == [1, 3]
        # desktop, phone, tablet, others; then "no value"
        assert list(tables.leftbin_bin)[3:] == [1, 0, 1, 1, 2]


def test_an_allocation_has_a_row_per_segment_and_one_for_the_rest() -> None:
    choice = Choice(
        policy="allocation", segment="geo.country",
        allocation={"FR": {"none": 1, "o/r": 2}, "*": {"o/r": 3}},
    )  # fmt: skip
    placements = {"list": Placement(title="", rank=1, choice=choice)}
    bundle = bundle_of(a_catalog(offers=[an_offer()], placements=placements))
    assert list(bundle.tables.share_weight) == [1, 2, 0, 3]
    assert list(bundle.tables.allocbin_row) == [0, 1, 1]
    assert bundle.notes.placements[0].segments == ("FR",)


def test_without_weights_every_arm_of_an_allocation_weighs_the_same() -> None:
    placements = {"list": Placement(title="", rank=1, choice=Choice(policy="allocation"))}
    bundle = bundle_of(a_catalog(offers=[an_offer()], placements=placements))
    assert list(bundle.tables.share_weight) == [1, 1]


def test_what_no_column_holds_is_refused() -> None:
    gamma = Choice(policy="inverse_gap", gamma=Decimal(10**9))
    placements = {"list": Placement(title="", rank=1, choice=gamma)}
    with pytest.raises(ValueError, match="placement_param"):
        bundle_of(a_catalog(offers=[an_offer()], placements=placements))
