"""The commands for authors: schema, lint, fmt, diff, and the listing of explain."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec import structs

from edge.decision.bundle import open_bundle, write_bundle
from policy_compiler.schema import export
from tests.support.cli import assert_clear, proffer, tree
from tests.support.parts import ROOT

COMMANDS = ("lint", "fmt", "diff", "schema")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    assert proffer("init", folder).code == 0
    return folder


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


# --- help and reference -------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_reference_name_the_same_options(command: str) -> None:
    ran = proffer(command, "--help")
    assert ran.code == 0 and f"Usage: proffer {command}" in ran.out and "Exit codes: 0" in ran.out
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    (section,) = re.findall(rf"^## `proffer {command}\b.*?(?=^## )", page, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| .*?\|", section, flags=re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(--[a-z-]+)`", row)}
    there = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", ran.out, flags=re.MULTILINE))
    assert documented == there - {"--json", "--plain", "--help"}


# --- schema -------------------------------------------------------------------


def test_schema_goes_to_stdout_or_into_a_file(tmp_path: Path) -> None:
    assert proffer("schema").out.encode() == export()
    ran = proffer("schema", "-o", tmp_path / "deep" / "s.json", "--json")
    assert ran.code == 0 and ran.document["size_bytes"] == len(export())
    assert (tmp_path / "deep" / "s.json").read_bytes() == export()


# --- lint ---------------------------------------------------------------------


def test_lint_says_everything_and_ends_with_1_on_errors_only(catalog: Path) -> None:
    clean = proffer("lint", catalog, "--json")
    assert clean.code == 0 and clean.document["ok"] and clean.document["errors"] == 0
    change(catalog / "offers.yaml", "customer.is_new", "customer.is_now")
    change(catalog / "offers.yaml", "percent: 10,", "percent: -10,")
    ran = proffer("lint", catalog)
    assert ran.code == 1 and "error[P202]" in ran.out and "error[P305]" in ran.out
    assert "cause:" in ran.out and "help:" in ran.out and "offers.yaml:10:15" in ran.out
    document = proffer("lint", catalog, "--json").document
    assert not document["ok"] and document["errors"] == 2
    assert {"P202", "P305"} <= {found["code"] for found in document["diagnostics"]}


def test_lint_is_strict_about_warnings_if_asked(catalog: Path) -> None:
    change(
        catalog / "offers.yaml", "eligible: cart.total >= 30.00",
        "eligible: cart.total >= 30.00 && cart.total < 20.00",
    )  # fmt: skip
    found = proffer("lint", catalog, "--json")
    warned = found.document["warnings"] > 0 and found.document["errors"] == 0
    assert found.code == (0 if warned else 1)
    assert proffer("lint", catalog, "--strict").code == 1


def test_lint_tells_what_browsers_cannot_be_given(catalog: Path) -> None:
    codes = [
        {
            found["code"]
            for found in proffer("lint", catalog, "--json", *more).document["diagnostics"]
        }
        for more in ((), ("--browser",))
    ]
    assert "P501" not in codes[0] and "P501" in codes[1]


def test_lint_of_nothing_is_an_error(tmp_path: Path) -> None:
    assert proffer("lint", tmp_path).code == 1


# --- fmt ----------------------------------------------------------------------


def test_fmt_checks_then_writes_then_has_nothing_to_do(catalog: Path, tmp_path: Path) -> None:
    assert proffer("fmt", catalog, "--check").code == 0
    assert proffer("compile", catalog, "-o", tmp_path / "before").code == 0
    change(
        catalog / "offers.yaml", "    title: Welcome discount", "    title:    Welcome discount  "
    )
    untidy = tree(catalog)
    ran = proffer("fmt", catalog, "--check", "--json")
    assert ran.code == 1 and [Path(f).name for f in ran.document["changed"]] == ["offers.yaml"]
    assert tree(catalog) == untidy
    assert proffer("fmt", catalog).code == 0
    assert "    title: Welcome discount\n" in (catalog / "offers.yaml").read_text()
    assert proffer("fmt", catalog, "--check").code == 0
    assert proffer("compile", catalog, "-o", tmp_path / "after").code == 0
    assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()


def test_fmt_leaves_a_broken_file_alone_and_names_it(catalog: Path) -> None:
    change(catalog / "shop.yaml", "[en]", "[en")
    before = tree(catalog)
    ran = proffer("fmt", catalog)
    assert_clear(ran, 1, "1 of 2 files")
    assert "shop.yaml" in ran.out and tree(catalog) == before


def test_fmt_of_a_folder_without_catalog_ends_with_3(tmp_path: Path) -> None:
    assert_clear(proffer("fmt", tmp_path), 3, "no .yaml file")


# --- diff ---------------------------------------------------------------------


def test_diff_ends_with_0_for_the_same_and_1_for_another(catalog: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "old.bundle"
    assert proffer("compile", catalog, "-o", bundle).code == 0
    same = proffer("diff", bundle, catalog)
    assert same.code == 0 and "The same" in same.out
    change(catalog / "offers.yaml", "cart.total >= 30.00", "cart.total >= 25.00")
    change(catalog / "shop.yaml", "share: 0.10", "share: 0.20")
    ran = proffer("diff", bundle, catalog)
    assert ran.code == 1
    assert "offer free-delivery" in ran.out and "widened: more may get it" in ran.out
    assert "holdout: 10 % of visitors -> 20 % of visitors" in ran.out
    document = proffer("diff", bundle, catalog, "--json").document
    assert {each["subject"] for each in document["changes"]} == {
        "placement cart_banner", "offer free-delivery",
    }  # fmt: skip
    back = proffer("diff", catalog, bundle)
    assert back.code == 1 and "narrowed" in back.out


def test_diff_of_what_is_not_there_ends_with_3(catalog: Path, tmp_path: Path) -> None:
    assert_clear(proffer("diff", catalog, tmp_path / "gone"), 3, "does not exist")


# --- explain ------------------------------------------------------------------


def test_explain_lists_costs_limits_texts_and_bytes(catalog: Path) -> None:
    out = proffer("explain", catalog).out
    for words in (
        "p10 costs 10 % of cart.total", "never costs more than 15.00", "standard costs 3.90",
        "eligible: cart.total >= 30.00", "at most 1 per customer", "cart_banner/en: Welcome",
        "sees the default, to measure against: 10 % of visitors", "Bytes by what they hold",
    ):  # fmt: skip
        assert words in out
    only = proffer("explain", catalog, "--offer", "welcome", "--json")
    assert [offer["id"] for offer in only.document["offers"]] == ["welcome"]
    assert json.loads(only.out)["placements"][0]["policy"].startswith("the best, but 10 %")


def test_repeated_warnings_are_counted_for_people_and_told_to_programs(catalog: Path) -> None:
    row = (
        "  - {{id: x{}, title: T, kind: fixed, placements: [cart_banner],"
        " rungs: [{{id: a, amount: 1}}]}}"
    )
    rows = "\n".join(row.format(number) for number in range(25))
    (catalog / "more.yaml").write_text(f"offers:\n{rows}\n")
    said = proffer("lint", str(catalog))
    assert said.out.count("warning[P306]") == 21
    assert "warning[P306]: No creative: 5 more like these (--json tells all)" in said.out
    counted = proffer("lint", catalog, "--json").document["diagnostics"]
    assert sum(each["code"] == "P306" for each in counted) == 25


def test_compile_makes_no_folders(catalog: Path, tmp_path: Path) -> None:
    target = tmp_path / "not" / "there" / "policy.bundle"
    said = proffer("compile", str(catalog), "-o", str(target))
    assert said.code == 3 and "there is no folder" in said.err
    assert not target.parent.parent.exists()


def test_a_damaged_bundle_is_refused_by_explain_and_diff_and_no_traceback(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "policy.bundle"
    assert proffer("compile", str(catalog), "-o", str(target)).code == 0
    before = open_bundle(target.read_bytes())
    notes = bytes(before.tables.notes).replace(b"customer.is_new", b"customer.is_mew")
    target.write_bytes(write_bundle(structs.replace(before.tables, notes=notes)))
    request = catalog / "request.json"
    for command in (("explain", str(target), str(request)), ("diff", str(catalog), str(target))):
        said = proffer(*command)
        assert said.code == 1 and "customer.is_mew" in said.err
        assert "Traceback" not in said.err
