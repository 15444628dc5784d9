"""The wasm kernel's C against Python: `python -m fuzz.kernel_pairs [PAIRS] [SEED] [PROCESSES]`.

Policies are drawn as tables (`tests/edge/kernel/made_up_tables.py`), requests and manifest
blocks for them, some of them broken; every verdict must be the same bytes, every error the
same code.  For every four policies a fifth has something wrong in it, and must be refused
with the same code.  A difference is printed with the seed that makes it again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from fuzz.oracle_pairs import seed_of_today
from tests.edge.kernel.comparing import Compared, compare_policy, compare_spoiled
from tests.edge.kernel.library import native

REQUESTS = 100
"""Per policy, under four manifests."""
BATCH = 40
"""Policies that a process is given at a time."""
SHOWN_MAX = 5


def batch(seed: int) -> Compared:
    """`BATCH` policies from this seed on, and a quarter as many broken ones."""
    found, kernel = Compared(), native()
    for one in range(seed, seed + BATCH):
        found.add(compare_policy(kernel, one, REQUESTS))
        if one % 4 == 0:
            found.add(compare_spoiled(kernel, one))
    return found


def run(pairs: int, seed: int, processes: int = 2) -> Compared:
    """Compares at least that many pairs, unless there are differences before."""
    native()  # compiled once, before the processes want it
    whole, seeds = Compared(), _seeds(seed, pairs)
    with ProcessPoolExecutor(processes) as pool:
        for found in pool.map(batch, seeds):
            whole.add(found)
            if len(whole.differences) >= SHOWN_MAX:
                pool.shutdown(cancel_futures=True)
                break
    return whole


def _seeds(seed: int, pairs: int) -> Iterator[int]:
    batches = -(-pairs // (BATCH * REQUESTS)) + 1  # some policies are refused by both
    return iter(range(seed, seed + batches * BATCH, BATCH))


def report(found: Compared) -> bool:
    """Prints what was found; True if there is no difference."""
    for one in found.differences[:SHOWN_MAX]:
        print(f"seed {one.seed}: {one.what}\n  Python\n{one.python}\n  kernel\n{one.kernel}")
    print(f"bundles: {_counts(dict(found.bundles))}")
    print(f"pairs by outcome: {_counts(dict(found.pairs))}")
    print(f"pairs in which some slot is: {_counts(dict(found.slots))}")
    print(f"kernel: {found.decided:,} pairs, {len(found.differences)} differences")
    return not found.differences


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def main() -> int:
    numbers = [int(argument) for argument in sys.argv[1:]]
    pairs, seed, processes = (numbers + [100_000, seed_of_today(), 2][len(numbers) :])[:3]
    start_s = time.monotonic()
    found = run(pairs, seed, processes)
    print(f"seed {seed}, {time.monotonic() - start_s:.0f} s")
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
