"""What learning found, put over the catalog's own numbers.

A catalog states priors; the control plane learns.  `Weights` are what it learned, and
`weigh` gives the catalog that is compiled: same offers, same rules, other numbers.
Weights for arms or placements that the catalog no longer has are left out and named.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from policy_compiler.catalog import Catalog, Model, Placement

Allocation = dict[str, dict[str, int]]
"""Segment value (or "*" for all others) -> arm -> weight."""


class Weights(Struct, frozen=True, kw_only=True, omit_defaults=True):
    allocations: dict[str, Allocation] = {}
    models: dict[str, Model] = {}


class Weighed(Struct, frozen=True):
    """The catalog with its weights, and what no longer fits it."""

    catalog: Catalog
    unused: tuple[str, ...] = ()


def weigh(catalog: Catalog, weights: Weights) -> Weighed:
    arms = {"none"} | {f"{o.id}/{r.id}" for o in catalog.offers for r in o.rungs}
    unused: list[str] = []
    placements = dict(catalog.placements)
    for name, allocation in weights.allocations.items():
        placement = placements.get(name)
        if placement is None or placement.choice.policy != "allocation":
            unused.append(name)
            continue
        placements[name] = _allocate(placement, _known(allocation, arms, unused))
    models = {**catalog.models, **{k: m for k, m in weights.models.items() if k in catalog.models}}
    unused += [name for name in weights.models if name not in catalog.models]
    weighed = msgspec.structs.replace(catalog, placements=placements, models=models)
    return Weighed(weighed, tuple(unused))


def _known(allocation: Allocation, arms: set[str], unused: list[str]) -> Allocation:
    unused += sorted({arm for row in allocation.values() for arm in row} - arms)
    return {
        segment: {arm: weight for arm, weight in row.items() if arm in arms}
        for segment, row in allocation.items()
    }


def _allocate(placement: Placement, allocation: Allocation) -> Placement:
    choice = msgspec.structs.replace(placement.choice, allocation=allocation)
    return msgspec.structs.replace(placement, choice=choice)
