"""What each target can take: sizes and operation counts against published limits.

`edge` is the whole policy in a CDN worker; `browser` is one slice in a page, where every
byte waits before the first paint.  Beyond an advised limit the target still works and is
slower than promised: a warning.  Beyond a hard one nothing is promised: an error.
docs/reference/limits.md is this table, held by a test.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.tables import cell_count
from policy_compiler.check_bounds import Finding
from policy_compiler.conversion import step


class Limit(Struct, frozen=True):
    """The most of something, and how to bring it down."""

    what: str
    unit: str
    advised: int
    hard: int
    remedy: str


KIB, MIB = 1 << 10, 1 << 20
LIMITS: dict[str, tuple[Limit, ...]] = {
    "edge": (
        Limit("size", "bytes", 4 * MIB, 64 * MIB, "shorten creatives, retire old offers"),
        Limit("gzip", "bytes, compressed", 1 * MIB, 16 * MIB, "shorten creatives"),
        Limit("cells", "cells of one attribute", 1_024, 65_535, "compare with fewer constants"),
        Limit("clauses", "clauses", 50_000, 640_000, "replace alternatives by lists"),
        Limit("literals", "literals", 250_000, 4_000_000, "share conditions by named rules"),
        Limit("arms", "rungs", 20_000, 310_000, "offer fewer sizes"),
    ),
    "browser": (
        Limit("size", "bytes", 256 * KIB, 1 * MIB, "give placements their `pages`"),
        Limit("gzip", "bytes, compressed", 16 * KIB, 64 * KIB, "give placements their `pages`"),
        Limit("cells", "cells of one attribute", 256, 1_024, "compare with fewer constants"),
        Limit("clauses", "clauses", 1_000, 10_000, "replace alternatives by lists"),
        Limit("literals", "literals", 4_000, 40_000, "share conditions by named rules"),
        Limit("arms", "rungs", 500, 5_000, "give placements their `pages`"),
    ),
}


class Excess(Struct, frozen=True):
    """A count over a limit."""

    finding: Finding
    hard: bool


def check_target(bundle: Bundle, data: bytes, target: str) -> Iterator[Excess]:
    counts = measured(bundle, data)
    for limit in LIMITS[target]:
        path, count = counts[limit.what]
        if count > limit.advised:
            hard = count > limit.hard
            kind, most = ("hard", limit.hard) if hard else ("advised", limit.advised)
            what = f"{count:,} {limit.unit} for `{target}`, over the {kind} limit of {most:,}"
            yield Excess(Finding(path, f"{what}: {limit.remedy}."), hard)


def measured(bundle: Bundle, data: bytes) -> dict[str, tuple[str, int]]:
    """What is limited: the place to blame, and how much there is."""
    cells = {n: cell_count(bundle.tables, row) for n, row in bundle.attribute_rows.items()}
    widest = max(cells, key=lambda name: cells[name], default="")
    return {
        "size": ("shop", len(data)),
        "gzip": ("shop", len(gzip.compress(data, mtime=0))),
        "cells": (step("attributes", widest), cells.get(widest, 0)),
        "clauses": ("offers", bundle.rows["clause"]),
        "literals": ("offers", bundle.rows["literal"]),
        "arms": ("offers", bundle.rows["rung"]),
    }
