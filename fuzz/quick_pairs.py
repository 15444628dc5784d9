"""The quick way to candidates against their definition: `python -m fuzz.quick_pairs [N] [SEED]`.

Policies, manifests and requests are those of the conformance generator, from other seeds.
A decision on which the two differ is printed with the seed of its policy, which alone
makes it again.
"""

from __future__ import annotations

import sys
from random import Random

from msgspec import Struct
from rich.console import Console
from rich.progress import track

from edge.decision.beacon import unpack_verdict
from edge.decision.bundle import open_bundle
from edge.decision.manifest import pack_manifest
from fuzz.oracle_pairs import seed_of_today
from policy_compiler.emit import emit
from tests.conformance.made_up import Maker, made_up_plan
from tests.support.plainly import both_ways

REQUESTS = 100
"""Per policy, under one manifest."""
CROWDED = 0.3


class Compared(Struct):
    """`shown`: decisions of which a slot shows an arm."""

    decisions: int = 0
    shown: int = 0
    refused: int = 0
    differences: list[int] = []
    """Seeds of the policies on which the two differ."""


def compared(decisions: int, seed: int) -> Compared:
    found, console = Compared(), Console(stderr=True)
    seeds = range(seed, seed + -(-decisions // REQUESTS))
    for policy in track(seeds, "quick", console=console, disable=not console.is_terminal):
        _compare_policy(policy, found)
    return found


def _compare_policy(seed: int, found: Compared) -> None:
    random = Random(seed)
    bundle = open_bundle(emit(made_up_plan(random, crowded=random.random() < CROWDED)))
    maker = Maker(bundle, seed)
    manifest = pack_manifest(maker.manifest())
    for request in maker.requests(REQUESTS):
        quick, plain = both_ways(bundle, manifest, request)
        found.decisions += 1
        found.refused += not plain
        found.shown += bool(plain) and any(row.shown.arm for row in unpack_verdict(plain))
        if quick != plain:
            found.differences.append(seed)


def report(found: Compared, console: Console) -> bool:
    """Print what was found; True if the two agree everywhere."""
    console.print(
        f"quick: {found.decisions:,} decisions, {found.shown:,} with an arm,"
        f" {found.refused:,} refused; {len(found.differences)} differences",
        highlight=False,
    )
    for seed in sorted(set(found.differences))[:10]:
        console.print(f"  they differ on the policy of seed {seed}", highlight=False)
    return not found.differences


def main() -> int:
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else seed_of_today()
    return 0 if report(compared(decisions, seed), Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
