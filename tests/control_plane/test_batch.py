"""Batches: any table whose columns are named by attributes, in and out."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from control_plane.batch import COLUMNS
from edge.decision.hashing import T
from tests.support.cli import PROFFER, Ran, proffer, tree
from tests.support.parts import ROOT

Rows = list[dict[str, str]]
HEADS = ("visitor", "nonce", "now_s", "cart.total", "customer.is_new")
NOW_S = 1_795_000_000
WEEK_S = 604_800


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """The starter, with a cap of two exposures a week on its welcome."""
    folder = tmp_path / "catalog"
    assert proffer("init", folder).code == 0
    offers, shop = folder / "offers.yaml", folder / "shop.yaml"
    capped = f"    priority: 20\n    caps: [{{count: 2, period_s: {WEEK_S}}}]\n"
    offers.write_text(offers.read_text().replace("    priority: 20\n", capped))
    greedy = shop.read_text().replace("policy: epsilon, unit: visitor, epsilon: 0.1", "epoch_s: 60")
    shop.write_text(greedy.replace("share: 0.10", "share: 0.50"))
    return folder


def table(file: Path, rows: Sequence[Sequence[object]], heads: Sequence[str] = HEADS) -> Path:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", newline="") as text:
        csv.writer(text).writerows([heads, *rows])
    return file


def batch(catalog: Path, requests: Path, *more: str | Path) -> tuple[Ran, Rows]:
    out = requests.parent / "decisions.csv"
    ran = proffer(
        "decide", "--batch", "--catalog", catalog, "--requests", requests, "--out", out, "--json",
        *more,
    )  # fmt: skip
    return ran, read(out) if out.exists() else []


def read(file: Path) -> Rows:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def shown(rows: Rows) -> list[str]:
    return [f"{row['offer']}/{row['rung']}" if row["offer"] else "" for row in rows]


def test_a_table_with_columns_named_by_attributes_is_decided(catalog: Path, tmp_path: Path) -> None:
    rows = [(f"v{n}", f"n{n}", NOW_S, "64.90", "true") for n in range(40)]
    ran, lines = batch(catalog, table(tmp_path / "requests.csv", rows))
    assert ran.code == 0
    assert ran.document["requests"] == ran.document["lines"] == 40
    assert list(lines[0]) == list(COLUMNS)
    assert [line["request"] for line in lines] == [f"n{n}" for n in range(40)]
    held = [line for line in lines if line["held_out"]]
    assert 10 <= len(held) <= 30 and all(line["reason"] == "HOLDOUT" for line in held)
    assert {line["would_show"] for line in held} == {"welcome/p10"}
    best = [line for line in lines if line["offer"]]
    assert shown(best) == ["welcome/p10"] * len(best)
    assert {line["incentive"] for line in best} == {"6.49"}
    assert all(Decimal(line["propensity"]) * T == int(line["tickets"]) for line in best)


def test_caps_hold_from_one_row_of_a_visitor_to_the_next(catalog: Path, tmp_path: Path) -> None:
    """Two exposures a week; then the next best, and the same again a week later."""
    start = NOW_S - NOW_S % WEEK_S
    times = [start + 1000 * n for n in range(4)] + [start + WEEK_S]
    rows = [(v, f"{v}-{t}", t, "64.90", "true") for v in ("a", "b", "c", "d") for t in times]
    _, lines = batch(catalog, table(tmp_path / "requests.csv", rows))
    expected = ["welcome/p10"] * 2 + ["free-delivery/standard"] * 2 + ["welcome/p10"]
    seen = {v: shown([x for x in lines if x["visitor"] == v]) for v in ("a", "b", "c", "d")}
    ghosts = {v: [x["would_show"] for x in lines if x["visitor"] == v] for v in seen}
    assert set(map(tuple, ghosts.values())) == {tuple(expected)}, "ghost exposures count, too"
    assert expected in seen.values() and [""] * 5 in seen.values()


def test_a_drawn_choice_is_kept_within_its_epoch(catalog: Path, tmp_path: Path) -> None:
    rows = [(f"v{n % 8}", str(n), NOW_S, "64.90", "true") for n in range(16)]
    _, lines = batch(catalog, table(tmp_path / "requests.csv", rows))
    pairs = [pair for pair in zip(lines[:8], lines[8:], strict=True) if not pair[0]["held_out"]]
    assert pairs
    for first, second in pairs:
        assert (first["draw"], second["draw"]) == ("fresh", "kept")
        assert second["drawn_by"] == first["decision"] != second["decision"]
        assert (second["propensity"], second["tickets"]) == ("", "")
        assert second["reason"] == "KEPT" and shown([first]) == shown([second])


def test_text_cells_are_read_by_their_attribute_s_type(catalog: Path, tmp_path: Path) -> None:
    attributes = catalog / "shop.yaml"
    more = """
  customer.segments: {type: set, source: signed}
  cart.updated_at: {type: timestamp, source: signed}
  cart.items: {type: int, source: signed, minimum: 0, maximum: 99}
"""
    text = attributes.read_text().replace("\n# Where offers", f"{more}\n# Where offers")
    attributes.write_text(text)
    offers = catalog / "offers.yaml"
    rule = (
        '\'"a" in customer.segments && cart.items == 3 && age_s(cart.updated_at) <= 60'
        " && cart.total == 30.50'"
    )
    offers.write_text(offers.read_text().replace("eligible: customer.is_new", f"eligible: {rule}"))
    heads = ("now_s", "cart.total", "customer.segments", "cart.updated_at", "cart.items", "visitor")
    good = [
        ("2026-11-22T00:01:00+00:00", "30.50", "b|a", "2026-11-22T00:00:00Z", "3", "v1"),
        ("1795305660", "30.5", '["a"]', "1795305600", "3.0", "v1"),
    ]
    bad = [
        ("1795305660", "30.5", "b", "1795305600", "3", "v1"),
        ("1795305660", "cheap", "a", "1795305600", "3", "v1"),
        ("1795305660", "30.50", "a", "2026-11-22T00:00:00", "3", "v1"),
        ("1795305660", "30.50", "a", "1795305600", "3.5", "v1"),
        ("1795305660", "30.50", "", "1795305600", "3", "v1"),
    ]
    ran, lines = batch(catalog, table(tmp_path / "requests.csv", [*good, *bad], heads))
    assert ran.code == 0
    offered = [line["would_show"] for line in lines]
    assert offered[:2] == ["welcome/p10"] * 2
    assert "welcome" not in "".join(offered[2:])
    invalid = {"cart.total": 1, "cart.updated_at": 1, "cart.items": 1}
    assert ran.document["invalid"] == invalid


def test_what_a_row_leaves_out_has_its_default(catalog: Path, tmp_path: Path) -> None:
    ran, lines = batch(
        catalog, table(tmp_path / "r.csv", [("v1", "40")], ("visitor", "cart.total"))
    )
    assert ran.code == 0
    (line,) = lines
    assert (line["request"], line["placement"]) == ("1", "cart_banner")
    assert int(line["now_s"]) > NOW_S


def test_columns_that_the_policy_does_not_read_are_told(catalog: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "r.csv", [("v1", "40", "x")], ("visitor", "cart.total", "shoe.size"))
    ran, _ = batch(catalog, file)
    assert ran.code == 0
    assert ran.document["ignored"] == ["shoe.size"]
    assert "`shoe.size`" in ran.err


def test_a_refused_row_stands_in_the_output_with_its_reason(catalog: Path, tmp_path: Path) -> None:
    rows = [("v1", "n1", NOW_S, "40", ""), ("", "n2", NOW_S, "40", ""), ("v3", "n3", "x", "40", "")]
    ran, lines = batch(catalog, table(tmp_path / "requests.csv", rows))
    assert ran.code == 1 and ran.document["refused"] == 2
    assert [line["reason"] == "BAD_REQUEST" for line in lines] == [False, True, True]
    assert "visitor" in lines[1]["problem"] and "now_s" in lines[2]["problem"]
    assert "BAD_REQUEST" in ran.err and "help: " in ran.err


def test_gzip_and_parquet_hold_the_same_requests(catalog: Path, tmp_path: Path) -> None:
    rows = [(f"v{n}", f"n{n}", NOW_S, "64.90", "true") for n in range(20)]
    plain = table(tmp_path / "requests.csv", rows)
    packed = table(tmp_path / "requests.csv.gz", rows)
    columns = tmp_path / "requests.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f'COPY (SELECT * REPLACE ("cart.total"::DECIMAL(9, 2) AS "cart.total",'
            f" to_timestamp(now_s) AS now_s)"
            f" FROM read_csv('{plain}')) TO '{columns}' (FORMAT parquet)"
        )
    (_, expected), (_, gzipped), (_, parquet) = (
        batch(catalog, file) for file in (plain, packed, columns)
    )
    assert expected == gzipped == parquet and len(expected) == 20


def test_decisions_are_written_as_parquet_with_types(catalog: Path, tmp_path: Path) -> None:
    rows = [(f"v{n}", f"n{n}", NOW_S, "64.90", "true") for n in range(20)]
    target = tmp_path / "it's.parquet"
    ran, lines = batch(catalog, table(tmp_path / "requests.csv", rows), "--parquet", target)
    assert ran.code == 0
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(target)])
        types = {column[0]: str(column[1]) for column in found.description or ()}
        values = found.fetchall()
    assert list(types) == list(COLUMNS)
    assert types["tickets"] == "INTEGER" and types["time"] == "TIMESTAMP"
    assert types["propensity"] == "DOUBLE" and types["incentive"].startswith("DECIMAL")
    place = COLUMNS.index("tickets")
    assert [str(v[place] or "") for v in values] == [line["tickets"] for line in lines]


def test_the_records_of_a_batch_replay(catalog: Path, tmp_path: Path) -> None:
    rows = [("v1", f"n{n}", NOW_S + n, "64.90", "true") for n in range(12)]
    records = tmp_path / "all.records"
    batch(catalog, table(tmp_path / "requests.csv", rows), "--record", records)
    ran = proffer("replay", records, "--policy", catalog, "--json")
    assert ran.code == 0 and ran.document["same"] == 12


def test_a_batch_tells_how_fast_it_was(catalog: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "requests.csv", [("v1", "n1", NOW_S, "64.90", "true")])
    out = tmp_path / "decisions.csv"
    ran = proffer("decide", catalog, "--batch", "--requests", file, "--out", out)
    assert "requests per second" in ran.out and f"Wrote {out}" in ran.out


# --- what cannot be read ------------------------------------------------------

UNREADABLE = [
    ("empty", b"", "is empty"),
    ("not text", b"visitor\n\xff\xfe\n", "UTF-8"),
    ("a short line", b"visitor,nonce\nv1\n", ":2: 1 values under 2 columns"),
    ("a column twice", b"visitor,visitor\nv1,v2\n", "there twice"),
    ("an open quote", b'visitor\n"v1\n', "unexpected end"),
]


@pytest.mark.parametrize(("name", "data", "word"), UNREADABLE, ids=[u[0] for u in UNREADABLE])
def test_a_table_that_cannot_be_read_writes_nothing(
    catalog: Path, tmp_path: Path, name: str, data: bytes, word: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "requests.csv").write_bytes(data)
    (folder / "decisions.csv").write_text("as it was")
    before = tree(folder)
    ran, _ = batch(catalog, folder / "requests.csv", "--parquet", folder / "d.parquet")
    assert ran.code == 1
    assert word in ran.err and "requests.csv" in ran.err and "Traceback" not in ran.err
    assert tree(folder) == before


def test_truncated_gzip_and_no_parquet_are_told(catalog: Path, tmp_path: Path) -> None:
    packed = table(tmp_path / "r.csv.gz", [("v1", "n1", NOW_S, "1", "")])
    packed.write_bytes(packed.read_bytes()[:-9])
    ran, _ = batch(catalog, packed)
    assert ran.code == 1 and "r.csv.gz" in ran.err
    (tmp_path / "r.parquet").write_bytes(b"PAR?")
    ran, _ = batch(catalog, tmp_path / "r.parquet")
    assert ran.code == 1 and "r.parquet" in ran.err and "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--requests", "a.csv", "--data", "b"), 2),
        (("--requests", "no-such.csv"), 1),
        (("--data", "no-such-folder"), 3),
        (("--adapter", "no-such.py"), 3),
    ],
)
def test_options_that_do_not_work_are_told(
    catalog: Path, tmp_path: Path, options: tuple[str, ...], code: int
) -> None:
    out = tmp_path / "decisions.csv"
    ran = proffer("decide", "--batch", "--catalog", catalog, "--out", out, *options)
    assert ran.code == code
    assert "error: " in ran.err and "Traceback" not in ran.err
    assert not out.exists()


def test_an_adapter_that_is_none_is_refused(catalog: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text("answer = 42\n")
    ran = proffer(
        "decide", "--batch", "--catalog", catalog, "--adapter", adapter, "--out", tmp_path / "d.csv"
    )
    assert ran.code == 1 and "read_feed" in ran.err


def test_without_duckdb_parquet_is_refused_before_any_work(catalog: Path, tmp_path: Path) -> None:
    """A folder that hides the package stands first on the path."""
    (tmp_path / "hide" / "duckdb").mkdir(parents=True)
    (tmp_path / "hide" / "duckdb" / "__init__.py").write_text("raise ImportError('hidden')\n")
    file = table(tmp_path / "requests.csv", [("v1", "n1", NOW_S, "64.90", "true")])
    done = subprocess.run(
        [*PROFFER, "decide", "--batch", "--catalog", catalog, "--requests", file,
         "--out", tmp_path / "d.csv", "--parquet", tmp_path / "d.parquet"],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'hide'}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "pip install 'proffer[batch]'" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "d.csv").exists() and sys.executable in str(PROFFER)
