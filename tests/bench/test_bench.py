"""The speed benchmark compares engines that do the same: no timing is asserted here."""

from __future__ import annotations

import msgspec
import pytest

from bench.curve import draw
from bench.decide import Disagreement, agreed, run
from bench.plain import Policy
from bench.publish import MARKED, PAGE, tables
from bench.report import Report, show
from bench.runtimes import CPython
from bench.workload import SHARE_MAX, SHARE_MIN, Shape, compiled, workload

SIZES = (10, 100)
COLUMNS = {"encode", "eligible", "score", "hash", "choose", "equal", "decide"}


@pytest.fixture(scope="module")
def report() -> Report:
    return run(list(SIZES), ["cpython"], memory=200, timed=20)


def test_a_quick_run_times_every_stage_of_every_engine(report: Report) -> None:
    assert [size.offers for size in report.sizes] == list(SIZES)
    for size in report.sizes:
        assert {cell.engine for cell in size.cells} == {"ours", "naive"}
        for cell in size.cells:
            assert set(cell.times_ns) >= COLUMNS
            assert all(len(cell.times_ns[column]) == 20 for column in COLUMNS)
    assert set(report.memory) == {"CPython"}


def test_what_was_measured_survives_as_json_and_is_shown(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    show(again)
    assert "100 offers" in capsys.readouterr().out
    assert "### 100 offers" in tables(again)
    assert draw(again).count("<polyline") == len({cell.engine for cell in again.sizes[0].cells})


def test_the_documented_page_has_a_place_for_the_tables() -> None:
    assert len(MARKED.findall(PAGE.read_text())) == 1


@pytest.mark.parametrize("offers", SIZES)
def test_requests_have_2_to_10_percent_of_the_offers_eligible(offers: int) -> None:
    place = CPython()
    place.open(workload(offers, requests=50))
    for engine in place.engines:
        counts = [len(outcome[0]) for outcome in place.ask("outcomes", engine, list(range(50)))]
        assert all(offers * SHARE_MIN <= count <= max(1, offers * SHARE_MAX) for count in counts)


@pytest.mark.parametrize("offers", SIZES)
def test_the_policy_is_the_one_that_the_benchmark_states(offers: int) -> None:
    _, policy = compiled(Shape(offers))
    assert len(policy.offers) == offers
    assert len(policy.terms) == 16
    assert all(3 <= len(offer.rule) <= 6 for offer in policy.offers)
    assert all(len(term.own) == offers for term in policy.terms[8:])


def test_an_engine_that_decides_otherwise_is_found_before_anything_is_timed() -> None:
    load = workload(100, requests=20)
    other = msgspec.structs.replace(load, policy=_without_the_first_rule(load.policy))
    place = CPython()
    place.open(other)
    with pytest.raises(Disagreement, match="request"):
        agreed([place], list(range(20)))


def _without_the_first_rule(policy: Policy) -> Policy:
    """A policy whose first offer everybody may have."""
    first = msgspec.structs.replace(policy.offers[0], rule=policy.offers[1].rule[:0])
    return msgspec.structs.replace(policy, offers=[first, *policy.offers[1:]])
