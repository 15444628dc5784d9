"""The kernel's benchmark: what it compares is equal, and what it says is shown."""

from __future__ import annotations

import pytest

from bench import kernel_batch
from bench.decide import agreed
from bench.kernel import STAGES, code_bytes
from bench.kernel_batch import BatchTimes, measured
from bench.kernel_report import MARKED, PAGE, RATES, KernelReport, SizeTimes, tables, targets
from bench.runtimes import CPython
from bench.thresholds import thresholds
from control_plane.cli import kernels
from edge.decision.bundle import open_bundle
from edge.kernel.build import compile_wasm
from tests.edge.kernel.library import native

OFFERS = 100


def test_every_offer_has_a_threshold_and_decides_as_its_plain_rules_say() -> None:
    load = thresholds(OFFERS, requests=60)
    tables = open_bundle(load.bundle).tables
    row = open_bundle(load.bundle).attribute_rows["count.c4"]
    assert tables.attribute_break[row + 1] - tables.attribute_break[row] == OFFERS
    place = CPython()
    place.open(load)
    assert agreed([place], list(range(60))) > 30


def test_the_stages_are_compiled_from_the_kernels_own_source() -> None:
    assert b"bare_decide" in compile_wasm(STAGES) and b"proffer_decide" in compile_wasm(STAGES)


def a_size(offers: int, kernel_us: float) -> SizeTimes:
    ours = {"eligible": [1.0], "decide": [kernel_us], "full": [2 * kernel_us], "load": [1000.0]}
    rival = {"eligible": [900.0], "decide": [1000.0], "full": [1000.0], "load": [1000.0]}
    bare = {"eligible": [0.6], "decide": [1.0]}
    names = ("Eppo", "GrowthBook", "flagd", "json-logic-engine, compiled")
    return SizeTimes(
        name=f"{offers:,} offers", offers=offers, requests=1, bundle_bytes=1, bundle_gzip_bytes=1,
        policy_gzip_bytes=1,
        times_us={"kernel": ours, "bare loop": bare, **dict.fromkeys(names, rival)},
    )  # fmt: skip


def test_met_and_missed_targets_are_told_apart() -> None:
    report = KernelReport(
        machine={"cpu": "x"},
        code_bytes=code_bytes(),
        sizes=[a_size(100, 10.0), a_size(1000, 25.0)],
        bridge_us={"100 offers": {"python": 200.0, "kernel": 40.0}},
        batch=[BatchTimes(offers=100, rows=10, **dict.fromkeys(RATES, 2.0))],
    )
    told = {(name, what): word for name, what, _, _, word in targets(report)}
    assert told["100 offers", "all, against the bare loop's decision"] == "met"
    assert told["100 offers", "a decision, against flagd's"] == "met"
    assert told["1,000 offers", "a decision, against flagd's"] == "**missed**"
    assert told["1,000 offers", "eligibility alone, against the bare loop's"] == "met"
    page = tables(report)
    assert "#### 1,000 offers" in page and "through the bridge" in page


def test_the_documented_page_has_a_place_for_the_tables() -> None:
    assert len(MARKED.findall(PAGE.read_text())) == 1


def test_batches_are_measured_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kernel_batch, kernels):
        monkeypatch.setattr(module, "built", native)
    found = measured(OFFERS, 200)
    assert found.core_kernel > found.core_python > 0
    assert min(found.batch_python, found.batch_kernel, found.reading) > 0
