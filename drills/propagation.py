"""From a signing to the edges that decide under it, at the refresh that edges have by default.

One control plane, `EDGES` edges that refresh every 5 s (a fifth more or less, each on its
own), visitors on each.  Again and again a policy is published, an offer is killed, and the
policy rolled back.  Of each signing the control plane tells, from the edges' own decision
records, how many edges decided under it within 60 s; `LEAST` of all must have.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from control_plane.releasing.latency import WITHIN_S
from tests.control_plane.shop import CATALOG, write_catalog
from tests.support.followers import CHANNEL, Followed, followed

EDGES = 8
LEAST = 0.95
REACH_S = 180.0
VERBS = ("publish", "kill", "roll back")


def drill(place: Path, rounds: int) -> Counter[str]:
    """What was counted; raises AssertionError if fewer than `LEAST` were in time."""
    catalog = write_catalog(place / "catalog")
    with followed(place, catalog, edges=EDGES) as shop:
        first = shop.get(f"/v1/channels/{CHANNEL}")["live"]["releases"][0]["bundle"]
        signings = [
            (verb, signing)
            for number in range(rounds)
            for verb, signing in _round(shop, catalog, first, number)
        ]
        time.sleep(1)  # the last records are on their way
        told = [(verb, shop.latency_of(each["sequence"], limit=50)) for verb, each in signings]
    return _counted(told)


def _round(shop: Followed, catalog: Path, first: str, number: int) -> list[tuple[str, Any]]:
    write_catalog(catalog, CATALOG.replace("unit_cost: 4.00", f"unit_cost: 4.{number:02d}"))
    made = []
    for verb in VERBS:
        time.sleep(5 * random.random())  # at any moment of an edge's rhythm
        if verb == "publish":
            signing = shop.channel("publish")
        elif verb == "kill":
            signing = shop.channel("pause", offers=["five-off"])
        else:
            signing = shop.channel("roll-back", bundle=first)
        shop.wait_for(signing["sequence"], REACH_S)
        made.append((verb, signing))
    shop.channel("resume", offers=["five-off"])
    return made


def _counted(told: list[tuple[str, Any]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for verb, latency in told:
        counts[f"{verb}: edges measured"] += latency["edges"]
        counts[f"{verb}: in time"] += latency["in_time"]
        slowest = f"{verb}: seconds of the slowest"
        counts[slowest] = max(counts[slowest], latency["slowest_s"] or 0)
    for verb in VERBS:
        measured, in_time = counts[f"{verb}: edges measured"], counts[f"{verb}: in time"]
        assert measured and in_time >= LEAST * measured, (verb, WITHIN_S, counts)
    return counts
