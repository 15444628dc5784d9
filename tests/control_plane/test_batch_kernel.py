"""A batch by the kernel's C: the same tables and the same records as in Python, to the byte."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

import pytest

from control_plane.cli import kernels
from control_plane.cli.batching import BatchRun, run_batch
from control_plane.cli.kernels import fast_verdicts
from control_plane.cli.terminal import Refused, Terminal
from edge.decision.bundle import open_bundle
from edge.kernel import native as library
from edge.kernel.native import library_path
from tests.edge.kernel.library import native
from tests.support.bundles import tiny_bundle
from tests.support.parts import ROOT

STORE = ROOT / "examples" / "store" / "catalog"
HEADS = (
    "visitor",
    "customer",
    "nonce",
    "now_s",
    "cart.total",
    "geo.country",
    "visit.kind",
    "consent",
)
NOW_S = 1_795_000_000


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """500 rows of 60 visitors; some are no requests."""
    random, file = Random(1), tmp_path / "requests.csv"
    rows = [
        (
            f"v{random.randrange(60)}", random.choice(("", "ada")), f"n{number}",
            NOW_S + 60 * number, random.choice(("12.50", "80.00", "250", "many", "")),
            random.choice(("DE", "US", "")), random.choice(("new", "known", "")),
            random.choice(("full", "full", "full", "contextual", "none", "perhaps")),
        )
        for number in range(500)
    ]  # fmt: skip
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([HEADS, *rows])
    return file


def decided(requests: Path, name: str, pure: bool) -> tuple[bytes, bytes]:
    """The table and the records."""
    out, record = requests.with_name(f"{name}.csv"), requests.with_name(f"{name}.records")
    asked = BatchRun(
        source=STORE, requests=requests, data=None, adapter=None, out=out, parquet=None,
        record=record, pure=pure,
    )  # fmt: skip
    with pytest.raises(Refused, match="refused"):  # the rows that are none
        run_batch(Terminal(json=True, plain=True), asked)
    return out.read_bytes(), record.read_bytes()


def test_table_and_records_are_the_same_bytes(
    requests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernels, "built", native)
    by_python = decided(requests, "python", pure=True)
    assert '"decided_by": "python"' in capsys.readouterr().out
    by_kernel = decided(requests, "kernel", pure=False)
    assert '"decided_by": "kernel"' in capsys.readouterr().out
    assert by_kernel == by_python
    assert by_python[0].count(b"fresh") > 100 and by_python[0].count(b"kept") > 20


def test_without_a_library_a_batch_is_decided_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "built", lambda: None)
    assert fast_verdicts(open_bundle(tiny_bundle())) is None


def test_a_library_is_named_by_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = library_path()
    (tmp_path / "kernel.c").write_text("int another;")
    monkeypatch.setattr(library, "sources", lambda: [tmp_path / "kernel.c"])
    assert library_path() != before
