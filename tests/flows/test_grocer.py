"""The grocer's year: tables in, a decision for every basket out.

The stand-in that ships with the repository always runs; the real year runs, too, where
its folder lies beside the checkout.
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from edge.decision.hashing import T
from examples.grocer.adapter import Table, read_baskets
from examples.grocer.make_catalog import KINDS, read_campaigns, write_catalog
from examples.grocer.make_data import make_tables
from policy_compiler.catalog import Catalog
from policy_compiler.source import read_catalog
from tests.support.cli import Ran, proffer, tree
from tests.support.parts import ROOT

GROCER = ROOT / "examples" / "grocer"
STAND_IN = GROCER / "data"
REAL = ROOT.parent / "shared" / "data" / "complete_journey"
YEARS = [STAND_IN, *([REAL] if REAL.is_dir() else [])]
NAMES = ["stand-in", "real"][: len(YEARS)]
STORES = ZoneInfo("America/New_York")
WEEK_S = 604_800
ROWS_PER_SECOND_LEAST = 100
Lines = list[dict[str, str]]


@dataclass
class Decided:
    """A year that was decided through the command line."""

    tables: Path
    ran: Ran
    csv: Path
    parquet: Path

    def lines(self) -> Lines:
        with self.csv.open(newline="") as text:
            return list(csv.DictReader(text))

    def rows(self, name: str, *columns: str) -> Iterator[tuple[str, ...]]:
        for _, values in Table(self.tables, name).rows(*columns):
            yield tuple(values)


@pytest.fixture(scope="module", params=YEARS, ids=NAMES)
def decided(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Decided:
    folder = tmp_path_factory.mktemp("decided")
    out, parquet = folder / "decisions.csv", folder / "decisions.parquet"
    ran = proffer(
        "decide", "--batch", "--data", request.param, "--catalog", GROCER / "catalog",
        "--out", out, "--parquet", parquet, "--json",
    )  # fmt: skip
    return Decided(request.param, ran, out, parquet)


@pytest.fixture(scope="module")
def lines(decided: Decided) -> Lines:
    return decided.lines()


@pytest.fixture(scope="module")
def offered(lines: Lines) -> Lines:
    return [line for line in lines if line["offer"]]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    source = read_catalog(GROCER / "catalog")
    assert source.catalog is not None and not source.diagnostics
    return source.catalog


# --- the decisions ------------------------------------------------------------


def test_every_basket_is_decided_in_the_order_of_time(decided: Decided, lines: Lines) -> None:
    assert decided.ran.code == 0, decided.ran.err
    baskets = read_baskets(decided.tables)
    told = decided.ran.document
    assert told["requests"] == len(baskets) and told["refused"] == 0
    assert [line["request"] for line in lines[::2]] == [basket.id for basket in baskets]
    assert len(lines) == 2 * len(baskets), "two slots at the foot of each receipt"
    assert told["requests_per_second"] > ROWS_PER_SECOND_LEAST
    assert told["invalid"] == {}


def test_csv_and_parquet_hold_the_same_decisions(decided: Decided, lines: Lines) -> None:
    query = "SELECT decision, coalesce(offer, ''), tickets, incentive FROM read_parquet(?)"
    with duckdb.connect() as connection:
        found = connection.execute(query, [str(decided.parquet)]).fetchall()
    expected = [
        (
            line["decision"],
            line["offer"],
            int(line["tickets"]) if line["tickets"] else None,
            Decimal(line["incentive"]) if line["incentive"] else None,
        )
        for line in lines
    ]
    assert found == expected


def test_no_offer_outside_its_window_or_to_a_household_that_was_not_mailed(
    decided: Decided, offered: Lines
) -> None:
    columns = ("campaign_id", "start_date", "end_date")
    windows = {id: days for id, *days in decided.rows("campaign_descriptions", *columns)}
    mailed = set(decided.rows("campaigns", "campaign_id", "household_id"))
    assert offered
    for line in offered:
        campaign = line["offer"].removeprefix("c")
        day = datetime.fromtimestamp(int(line["now_s"]), UTC).astimezone(STORES).date()
        start, end = map(date.fromisoformat, windows[campaign])
        assert start <= day <= end, line
        assert (campaign, line["visitor"]) in mailed, line


def test_almost_every_campaign_is_shown_and_the_four_circulars_most(offered: Lines) -> None:
    """One began three days before the year's end."""
    shown = Counter(line["offer"] for line in offered)
    assert {f"c{id}" for id in range(1, 28)} - set(shown) <= {"c23"}
    circulars = sum(shown[offer] for offer in ("c8", "c13", "c18", "c27"))
    assert circulars > 0.3 * len(offered)


def test_guardrails_hold_for_every_receipt(
    decided: Decided, catalog: Catalog, offered: Lines
) -> None:
    """Recomputed from the lines of the till: ceilings, and the margin that is left."""
    totals = {b.id: sum((v for _, v in b.lines), Decimal(0)) for b in read_baskets(decided.tables)}
    offers = {offer.id: offer for offer in catalog.offers}
    given = defaultdict[str, Decimal](Decimal)
    for line in offered:
        total, cost = totals[line["request"]], Decimal(line["incentive"])
        guards = offers[line["offer"]].guardrails
        given[line["request"]] += cost
        left = (total * Decimal("0.30")).quantize(Decimal("0.01"), "ROUND_DOWN")
        left -= given[line["request"]]
        assert cost <= (guards.ceiling or cost)
        assert cost <= total * (guards.ceiling_percent or 100) / 100
        assert guards.margin_floor_percent is not None
        assert left >= total * guards.margin_floor_percent / 100 - Decimal("0.01")


def test_caps_hold_and_kept_choices_are_those_drawn(lines: Lines) -> None:
    seen = Counter(
        (x["visitor"], x["offer"], int(x["now_s"]) // WEEK_S) for x in lines if x["offer"]
    )
    assert max(seen.values()) <= 3
    drawn = {line["decision"]: line for line in lines if line["draw"] == "fresh"}
    kept = [line for line in lines if line["draw"] == "kept"]
    assert kept
    for line in kept:
        first = drawn[line["drawn_by"]]
        assert (line["visitor"], line["offer"], line["rung"]) == (
            first["visitor"], first["offer"], first["rung"],
        )  # fmt: skip
        assert 0 <= int(line["now_s"]) - int(first["now_s"]) < WEEK_S


def test_a_tenth_of_the_households_is_held_out_always(lines: Lines) -> None:
    by_household = defaultdict[str, set[str]](set)
    for line in lines:
        by_household[line["visitor"]].add(line["held_out"])
    assert all(len(said) == 1 for said in by_household.values())
    held = sum(said == {"placement"} for said in by_household.values())
    share, error = held / len(by_household), (0.09 / len(by_household)) ** 0.5
    assert abs(share - 0.10) < 4 * error


def test_what_was_drawn_agrees_with_its_propensities(lines: Lines) -> None:
    """One receipt in eight explores: the best arm is drawn as often as its tickets say."""
    fresh = [line for line in lines if line["draw"] == "fresh"]
    shares = [int(line["tickets"]) / T for line in fresh]
    assert all(abs(float(x["propensity"]) - s) < 1e-6 for x, s in zip(fresh, shares, strict=True))
    best = [share for share in shares if share > 0.5]
    expected = 1 - 0.125 * 2 / 3  # with three arms, a bit less with two, more with many
    rate, error = len(best) / len(fresh), (0.1 / len(fresh)) ** 0.5
    assert abs(rate - expected) < 0.02 + 4 * error


# --- catalog and stand-in -----------------------------------------------------


def test_the_stand_in_is_what_its_script_makes() -> None:
    made = make_tables()
    kept = {file.name.removesuffix(".csv.gz"): file for file in STAND_IN.iterdir()}
    assert set(kept) == set(made)
    for name, text in made.items():
        assert gzip.decompress(kept[name].read_bytes()) == text.encode(), name
    assert sum(file.stat().st_size for file in kept.values()) < 64_000


@pytest.mark.parametrize("tables", YEARS, ids=NAMES)
def test_the_campaigns_are_what_the_year_s_tables_say(tables: Path, tmp_path: Path) -> None:
    write_catalog(tables, tmp_path)
    written = tree(tmp_path)
    assert len(written) == 4
    kept = {name: (GROCER / "catalog" / name).read_bytes() for name in written}
    if tables == STAND_IN:  # the same campaigns of the same days, on a few made-up products
        written, kept = windows_in(written), windows_in(kept)
    assert written == kept


def windows_in(files: dict[str, bytes]) -> set[str]:
    """The lines that name offers and their days."""
    lines = b"\n".join(files.values()).decode().splitlines()
    found = {line.strip() for line in lines if re.match(r"\s*(- id:|start:|until:|window:)", line)}
    assert len(found) > 27
    return found


def test_the_catalog_holds_every_campaign_with_its_dates(catalog: Catalog) -> None:
    offers = {offer.id: offer for offer in catalog.offers}
    campaigns = read_campaigns(STAND_IN)  # types and dates are the real ones
    assert set(offers) == {campaign.offer for campaign in campaigns} and len(offers) == 27
    for campaign in campaigns:
        window = offers[campaign.offer].window
        assert window.start == f"{campaign.start}T00:00"
        assert window.until is not None
        until = datetime.fromisoformat(window.until)
        assert (until.date() - campaign.end).days == 1
        assert offers[campaign.offer].group == KINDS[campaign.type].group


def test_no_rule_reads_what_is_protected(catalog: Catalog) -> None:
    rules = [*catalog.rules.values()]
    rules += [r for o in catalog.offers for r in (o.eligible, o.applicable, o.suitable) if r]
    protected = [name for name, a in catalog.attributes.items() if "protected" in a.labels]
    assert protected == ["household.age_band"]
    assert not [rule for rule in rules if "age_band" in rule]


# --- tables that are broken ---------------------------------------------------


def unpacked(folder: Path) -> Path:
    """The stand-in as plain CSV files, which are read as well."""
    folder.mkdir()
    for file in STAND_IN.iterdir():
        (folder / file.name.removesuffix(".gz")).write_bytes(gzip.decompress(file.read_bytes()))
    return folder


def test_plain_csv_files_give_the_same_decisions(tmp_path: Path) -> None:
    tables, outs = unpacked(tmp_path / "plain"), (tmp_path / "a.csv", tmp_path / "b.csv")
    for source, out in zip((tables, STAND_IN), outs, strict=True):
        ran = proffer("decide", "--batch", "--data", source, "--out", out)
        assert ran.code == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


BROKEN = [
    ("products.csv", None, None, "neither products.csv nor products.csv.gz"),
    ("products.csv", "department", "departement", "products.csv:1: the column 'department'"),
    ("transactions_sample.csv", "-01 ", "-41 ", "is no sale"),
    ("demographics.csv", ",1 Adult", ",one,1 Adult", "demographics.csv:"),
]


@pytest.mark.parametrize(("name", "old", "new", "word"), BROKEN)
def test_a_broken_table_is_told_with_file_and_line_and_writes_nothing(
    tmp_path: Path, name: str, old: str | None, new: str | None, word: str
) -> None:
    tables, out = unpacked(tmp_path / "plain"), tmp_path / "decisions.csv"
    if old is None or new is None:
        (tables / name).unlink()
    else:
        text = (tables / name).read_text()
        assert old in text
        (tables / name).write_text(text.replace(old, new))
    ran = proffer("decide", "--batch", "--data", tables, "--out", out)
    assert ran.code == 1
    assert word in ran.err and "help: " in ran.err and "Traceback" not in ran.err
    assert not out.exists()


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    tables = Path(shutil.copytree(STAND_IN, tmp_path / "cut"))
    file = tables / "coupons.csv.gz"
    file.write_bytes(file.read_bytes()[:-20])
    ran = proffer("decide", "--batch", "--data", tables, "--out", tmp_path / "d.csv")
    assert ran.code == 1 and "coupons.csv.gz cannot be read" in ran.err


def test_without_any_folder_the_stand_in_runs(tmp_path: Path) -> None:
    ran = proffer("decide", "--batch", "--out", tmp_path / "decisions.csv", "--json")
    assert ran.code == 0 and ran.document["requests"] == 1500
