"""A shop under a ramp: visitors whose ticket says which policy they get, and looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from control_plane.learning.loop import allocations_of
from control_plane.measurement.sequence import Side, Stratum
from control_plane.releasing.guardrails import Guard, Metric, breached, compare
from control_plane.simulation.people import person
from control_plane.truth import read_truth
from edge.decision.bundle import Bundle
from policy_compiler.compiling import compile_catalog
from policy_compiler.weigh import Allocation
from tests.control_plane.synthetic import Synthetic
from tests.support.parts import ROOT

STORE = ROOT / "examples" / "store"
SEGMENTS = ("new", "returning", "member", "*")


@cache
def store() -> tuple[Bundle, Allocation]:
    compiled = compile_catalog(STORE / "catalog")
    return compiled.bundle, allocations_of(compiled.plan.catalog)["home_hero"]


NOTHING: Allocation = {segment: {"none": 1} for segment in SEGMENTS}
GENEROUS: Allocation = {
    "new": {"none": 1, "welcome-first-order/p15": 10_000},
    "returning": {"none": 1, "bargain-clearance/p20": 10_000, "thank-you-back/a10": 10_000},
    "member": {"none": 1, "tier-booster/b200": 10_000},
}
"""Where offers make nobody buy, all that these do is cost."""


def first_breach(
    canary: Allocation,
    *,
    seed: int,
    truth: str = "null",
    share: float,
    visitors: int,
    looks: int,
    guard: Guard = Guard(),  # noqa: B008
) -> int | None:
    """How many visitors had come when a look rolled the canary back; None if none did.

    The live policy shows nothing; whoever comes is drawn by chance of the seed.
    """
    bundle, _ = store()
    shop = Synthetic(bundle, read_truth(STORE / "truth" / f"{truth}.yaml").truth, {}, seed)
    policies = {False: NOTHING, True: canary}
    tickets = np.random.default_rng(seed).random(visitors) < share
    profits: dict[bool, list[float]] = {False: [], True: []}
    for number, is_new in enumerate(map(bool, tickets), 1):
        row = shop._visit(person(shop.truth, seed, number), policies[is_new])
        profits[is_new].append(row.profit_micros / 1_000_000)
        if number % (visitors // looks) == 0 and breached(look(profits, guard)):
            return number
    return None


def look(profits: Mapping[bool, list[float]], guard: Guard) -> list[Metric]:
    """What the guardrails say, with nothing withheld or refused on either side."""
    sides = {is_new: side_of(values) for is_new, values in profits.items()}
    quiet = {is_new: Side(units=side.units) for is_new, side in sides.items()}
    still = [Stratum(quiet[True], quiet[False])]
    strata = {"profit": [Stratum(sides[True], sides[False])], "withheld": still, "refused": still}
    return compare(strata, guard)  # type: ignore[arg-type]


def side_of(values: list[float]) -> Side:
    array = np.array(values)
    return Side(
        units=len(values),
        events=int(np.count_nonzero(array)),
        total=float(array.sum()),
        squares=float((array**2).sum()),
    )
