"""The JavaScript worker's benchmark measures real answers, and says what it measured."""

from __future__ import annotations

from bench.javascript_worker import SCRIPTS, measure, summary


def test_a_short_run_measures_every_worker() -> None:
    results = measure(seconds=1, starts=1, warm_s=0.2)
    assert set(results) == {*SCRIPTS, "edge"}
    for result in results.values():
        assert len(result.rps) == len(result.cpu_us) == len(result.start_ms) == 1
        assert min(*result.rps, *result.cpu_us, *result.start_ms) > 0
    told = summary(results)
    assert 0 < told["rps_to_empty"] < 10
    assert told["edge"]["start_ms"] > 0
