"""A policy of the benchmark in which every offer has a threshold of its own.

    thresholds(10_000, requests=170)   -> Workload

Rules are `cart.total >= X && text.t0 == "value-N"`, each X another amount.  A catalog may
have 1,024 cells per attribute, the format 65,535; so the compiler's own limit is lifted
here: what is measured is the kernel where its remembered sets do not help.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.synthetic import attributes_yaml
from bench.workload import SHOP, Workload, kept, requests_within, scorecard
from policy_compiler import check_limits

PER_FILE = 2000
SHARE = (0.001, 0.1)


def thresholds(offers: int, *, requests: int) -> Workload:
    with _many_cells(offers):
        bundle, policy = kept(offers, catalog_files(offers), scorecard(offers, seed=1))
    found = requests_within(policy, requests, SHARE)
    return Workload(offers=offers, bundle=bundle, policy=policy, requests=found)


def catalog_files(offers: int) -> dict[str, str]:
    files = {"shop.yaml": SHOP, "attributes.yaml": attributes_yaml()}
    texts = [_offer(index) for index in range(offers)]
    for start in range(0, offers, PER_FILE):
        files[f"offers-{start:05d}.yaml"] = "offers:\n" + "".join(texts[start : start + PER_FILE])
    return files


def _offer(index: int) -> str:
    cents = 100 + 5 * index
    rule = f'cart.total >= {cents // 100}.{cents % 100:02d} && text.t0 == "value-{index % 30}"'
    return (
        f"  - id: offer-{index:05d}\n"
        f"    title: Offer {index}\n"
        f"    kind: percent\n"
        f"    placements: [home]\n"
        f"    token: false\n"
        f"    eligible: '{rule}'\n"
        f"    guardrails: {{ceiling: 15}}\n"
        f"    rungs: [{{id: r, percent: {(5, 8, 10, 12, 15, 20)[index % 6]}, cap: 20}}]\n"
    )


@contextmanager
def _many_cells(count: int) -> Iterator[None]:
    before = check_limits.CELLS_MAX
    check_limits.CELLS_MAX = max(before, count + 8)
    try:
        yield
    finally:
        check_limits.CELLS_MAX = before
