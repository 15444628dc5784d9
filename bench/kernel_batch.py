"""Rows per second of a batch, in Python and by the kernel; `bench.kernel` asks for them.

The table has a row per customer, each with a value for every attribute; the policies are
those of `bench.decide`.  Three numbers per policy:

    core      encoded request to verdict, nothing else
    batch     `proffer decide --batch` on a CSV file: reading, encoding, deciding, keeping
              state, naming, writing
    reading   the same table read and written again by Python's csv module
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

from msgspec import Struct

from bench.ours import ISSUED_S
from bench.workload import visitors, workload
from control_plane.cli.batching import BatchRun, run_batch
from control_plane.cli.terminal import Terminal
from edge.decision.bundle import open_bundle
from edge.decision.decide import decide
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_request
from edge.kernel.native import built

ROWS = {100: 20_000, 1000: 20_000, 10_000: 2_000}
BLOCK = pack_manifest(
    ManifestBlock(digest=bytes(32), issued_s=ISSUED_S, expires_s=ISSUED_S + 86_400)
)


class BatchTimes(Struct, kw_only=True):
    """Rows per second."""

    offers: int
    rows: int
    core_python: float
    core_kernel: float
    batch_python: float
    batch_kernel: float
    reading: float


def measured(offers: int, rows: int) -> BatchTimes:
    load = workload(offers)
    bundle, kernel = open_bundle(load.bundle), built()
    assert kernel is not None
    opened = kernel.open(load.bundle)
    texts = [text for _, text in zip(range(rows), visitors(11), strict=False)]
    encoded = [encode_request(bundle, text).data for text in texts]
    few = encoded[: max(200, rows // 10)]
    with tempfile.TemporaryDirectory() as folder:
        table, policy = Path(folder) / "customers.csv", Path(folder) / "policy.bundle"
        policy.write_bytes(load.bundle)
        _write(table, texts)
        return BatchTimes(
            offers=offers,
            rows=rows,
            core_python=_rate(len(few), lambda: [decide(bundle, BLOCK, each) for each in few]),
            core_kernel=_rate(rows, lambda: [opened.decide(BLOCK, each) for each in encoded]),
            batch_python=_batch(policy, table, rows, pure=True),
            batch_kernel=_batch(policy, table, rows, pure=False),
            reading=_rate(rows, lambda: _copy(table)),
        )


def _rate(rows: int, work: Callable[[], object]) -> float:
    """By the lesser of wall and processor time, as in `ours.py`."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return rows / min(time.perf_counter() - wall_s, time.process_time() - cpu_s)


def _write(table: Path, texts: list[bytes]) -> None:
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        for number, text in enumerate(texts):
            request = json.loads(text)
            values = {
                "visitor": f"customer-{number}",
                "now_s": request["now_s"],
                **{name: _cell(value) for name, value in request["attributes"].items()},
            }
            if not number:
                writer.writerow(values)
            writer.writerow(values.values())


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "|".join(value) or "[]" if isinstance(value, list) else value


def _copy(table: Path) -> None:
    with table.open(newline="") as file, table.with_suffix(".copy").open("w", newline="") as out:
        csv.writer(out).writerows(csv.reader(file))


def _batch(policy: Path, table: Path, rows: int, *, pure: bool) -> float:
    asked = BatchRun(
        source=policy, requests=table, data=None, adapter=None,
        out=table.with_name("decisions.csv"), parquet=None, record=None, pure=pure,
    )  # fmt: skip
    with redirect_stdout(io.StringIO()):
        return _rate(rows, lambda: run_batch(Terminal(json=False, plain=True), asked))
