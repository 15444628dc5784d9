"""Generated (rule, request) pairs against cel-python: `python -m fuzz.oracle_pairs [PAIRS] [SEED]`.

The tests compare 2,000 pairs of one fixed seed; here the seed is the day's unless one is
given, so that every day looks elsewhere.  A pair on which oracle, tree and clauses differ
is printed with the seed of its batch, which alone makes it again.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import track

from tests.support.oracle import Comparison, Oracle, batches, compared

RULES, CONTEXTS = 100, 20
SHOWN_MAX = 10


def seed_of_today() -> int:
    return int(f"{datetime.now(UTC):%Y%m%d}") * 1000


def run(pairs: int, seed: int, console: Console) -> Comparison:
    oracle, whole = Oracle(), Comparison()
    seeds = list(batches(seed, pairs, RULES, CONTEXTS))
    for batch in track(seeds, f"oracle, seeds {seeds[0]} to {seeds[-1]}", console=console):
        found = compared(oracle, batch, RULES, CONTEXTS)
        for name in ("pairs", "true", "false", "error", "too_wide"):
            setattr(whole, name, getattr(whole, name) + getattr(found, name))
        whole.differences += found.differences
        if len(whole.differences) >= SHOWN_MAX:
            break
    return whole


def report(found: Comparison, console: Console) -> bool:
    """Print what was found; True if the three agree everywhere."""
    for difference in found.differences[:SHOWN_MAX]:
        console.print(str(difference), markup=False, highlight=False)
    console.print(
        f"oracle: {found.pairs:,} pairs, {found.true:,} true, {found.false:,} false,"
        f" {found.error:,} errors; {found.too_wide} rules refused as too wide;"
        f" {len(found.differences)} differences",
        highlight=False,
    )
    return not found.differences


def main() -> int:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else seed_of_today()
    console = Console()
    return 0 if report(run(pairs, seed, console), console) else 1


if __name__ == "__main__":
    sys.exit(main())
