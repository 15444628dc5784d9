"""How many bytes an offer takes at the edge, next to other formats.

    python -m bench.size            10, 100 and 1,000 offers
    python -m bench.size 10000      any numbers

Bytes per offer: raw, gzip (level 9) and brotli (quality 11).  Every format holds the same
rules and the same 16 learned weights per offer (`synthetic.py`, `peers.py`).

    bundle      what decides: rules, rungs, costs, guardrails, weights, keys, placements
    weights     of that, the columns with the weights
    whole       with what explanations and pages read: titles, creatives, rule trees
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from pathlib import Path

import brotli
import msgspec

from bench.peers import eppo, growthbook, plain_json
from bench.synthetic import catalog_files, weights
from edge.decision.bundle import write_bundle
from edge.decision.notes import Notes, pack_notes
from policy_compiler.compiling import Compiled, compile_catalog


def compiled(offers: int) -> Compiled:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in catalog_files(offers).items():
            (Path(folder) / name).write_text(text)
        return compile_catalog(Path(folder), weights=weights(offers))


def without_notes(found: Compiled) -> bytes:
    """The bundle with empty notes: what a decision reads."""
    notes = pack_notes(Notes(title="", currency="EUR", minor_digits=2, locales=()))
    tables = msgspec.structs.replace(found.bundle.tables, notes=notes)
    return write_bundle(tables)


def weight_columns(found: Compiled) -> list[memoryview]:
    tables = found.bundle.tables
    columns = (tables.bias_arm, tables.bias_weight, tables.row_arm, tables.weight_value)
    return [memoryview(column) for column in columns]  # type: ignore[arg-type]


def rows(offers: int) -> list[tuple[str, bytes]]:
    found = compiled(offers)
    return [
        ("bundle", without_notes(found)),
        ("weights", b"".join(bytes(t) for t in weight_columns(found))),
        ("whole", found.data),
        ("plain JSON", plain_json(found.plan)),
        ("GrowthBook", growthbook(found.plan)),
        ("Eppo", eppo(found.plan)),
    ]


def main(counts: list[int]) -> None:
    print(f"{'offers':>7} {'format':<12} {'raw':>8} {'gzip':>8} {'brotli':>8}   brotli / bundle")
    for count in counts:
        base = 0.0
        for name, data in rows(count):
            sizes = [len(data), len(gzip.compress(data, 9)), len(brotli.compress(data, quality=11))]
            raw, zipped, brotlied = (size / count for size in sizes)
            base = base or brotlied
            print(
                f"{count:>7} {name:<12} {raw:>8.1f} {zipped:>8.1f} {brotlied:>8.1f}"
                f"   {brotlied / base:.1f}"
            )


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [10, 100, 1000])
