"""A few points of the drills for the log: `make drill` has them all."""

from __future__ import annotations

from pathlib import Path

from drills import log_calls, log_order

STEPS = range(2, 18, 15)


def test_a_collector_killed_at_a_call_has_lost_and_doubled_nothing(tmp_path: Path):
    counts = log_calls.killed(tmp_path, STEPS)
    assert sum(n for name, n in counts.items() if name.startswith("killed")) >= 12
    assert counts["acknowledged"] > 100


def test_a_full_or_broken_disk_is_no_false_2xx_and_heals_without_a_restart(tmp_path: Path):
    counts = log_calls.refused(tmp_path, range(3, 4))
    assert counts["refused"] > 0 < counts["acknowledged"]


def test_the_sync_comes_before_every_acknowledgement(tmp_path: Path):
    counts = log_order.drill(tmp_path, 8)
    assert set(counts) == {"202 after its sync, segment", "202 after its sync, spill"}
    assert min(counts.values()) >= 8
