"""The table of codes, its documentation, and how findings are shown."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import (
    CODES,
    CatalogRefused,
    Diagnostic,
    Place,
    as_json,
    did_you_mean,
    in_order,
    make,
    render,
    render_all,
)
from tests.policy_compiler.samples import OFFER, codes, diagnose, offer_with, with_example
from tests.support.parts import ROOT

DOCUMENT = (ROOT / "docs" / "reference" / "diagnostics.md").read_text(encoding="utf-8")
SECTIONS = {
    match[1]: match[0]
    for match in re.finditer(r"^### (P\d+):.*?(?=^### |^## |\Z)", DOCUMENT, re.M | re.S)
}
EXAMPLES = {
    code: found[1]
    for code, section in SECTIONS.items()
    if (found := re.search(r"```yaml\n(.*?)```", section, re.S))
}


def huge_file(folder: Path) -> None:
    (folder / "huge.yaml").write_text("# " + "x" * (8 * 1024 * 1024))


def deep_file(folder: Path) -> None:
    (folder / "deep.yaml").write_text("rules: " + "[" * 61)


def dangling_link(folder: Path) -> None:
    (folder / "gone.yaml").symlink_to(folder / "nowhere")


def empty_folder(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def long_rule(folder: Path) -> None:
    rule = " || ".join(["customer.is_new"] * 800)
    (folder / "offers.yaml").write_text(offer_with(f"eligible: {rule}"))


def large_creatives(folder: Path, size_bytes: int) -> None:
    """Texts that do not compress below that size."""
    digits = "".join(hashlib.sha256(b"%d" % i).hexdigest() for i in range(size_bytes // 30))
    offer = OFFER.replace("headline: Welcome", f"headline: Welcome, body: {digits}")
    (folder / "offers.yaml").write_text(offer)


UNWRITTEN: dict[str, Callable[[Path], None]] = {
    "P101": empty_folder,
    "P102": huge_file,
    "P106": deep_file,
    "P114": dangling_link,
    "P209": long_rule,
    "P412": lambda folder: large_creatives(folder, 20_000),
    "P413": lambda folder: large_creatives(folder, 70_000),
}
"""Codes whose example is too large, or no file at all."""


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_document_and_the_table_have_the_same_codes_in_the_same_order() -> None:
    assert list(SECTIONS) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_document_tells_title_cause_and_help_of(code: str) -> None:
    section = words(SECTIONS[code])
    about = CODES[code]
    assert section.startswith(f"### {code}: {about.title} ")
    assert words(about.cause) in section
    assert f"Help: {words(about.help)}" in section
    assert ("A warning. " in section) == (about.severity == "warning")
    assert ("A note. " in section) == (about.severity == "note")


def compiled(folder: Path, projection: str) -> list[Diagnostic]:
    try:
        return list(compile_catalog(folder, projection=projection).diagnostics)
    except CatalogRefused as refusal:
        return refusal.diagnostics


@pytest.mark.parametrize("code", CODES)
def test_an_input_brings_about(code: str, tmp_path: Path) -> None:
    folder = with_example(tmp_path / "catalog", EXAMPLES.get(code, ""))
    if code in UNWRITTEN:
        UNWRITTEN[code](folder)
    projection = "browser" if code in ("P412", "P413", "P501") else "edge"
    found = compiled(folder, projection) if code > "P4" else diagnose(folder)
    if CODES[code].severity != "note":
        found = [each for each in found if each.severity != "note"]
    assert codes(found) == [code]
    assert all(each.severity == CODES[code].severity for each in found)


@pytest.mark.parametrize("code", [code for code in EXAMPLES if code < "P4"])
def test_every_finding_has_a_place_inside_the_example_of(code: str, tmp_path: Path) -> None:
    folder = with_example(tmp_path / "catalog", EXAMPLES[code])
    lines = EXAMPLES[code].split("\n")
    for found in diagnose(folder):
        assert found.file == "example.yaml"
        assert 1 <= found.line <= len(lines)
        assert 1 <= found.column <= len(lines[found.line - 1]) + 1
        assert found.message and found.cause and found.help


def test_rendering_shows_the_line_with_a_caret_under_the_place() -> None:
    found = make("P202", Place("a.yaml", 2, 7), "rules.x", "`y` is not an attribute.")
    assert render(found, "rules:\n  x: y.z\n").split("\n") == [
        "error[P202]: `y` is not an attribute.",
        "  --> a.yaml:2:7 (rules.x)",
        "  |",
        "2 |   x: y.z",
        "  |       ^",
        f"  cause: {CODES['P202'].cause}",
        f"  help: {CODES['P202'].help}",
    ]


def test_the_example_at_the_head_of_the_document_is_what_rendering_gives(tmp_path: Path) -> None:
    folder = with_example(tmp_path / "catalog", "")
    offer = OFFER.replace("customer.is_new && cart.total >= 50.00", "cart.total >= 50")
    (folder / "offers.yaml").write_text(offer)
    (found,) = diagnose(folder)
    shown = render(found, offer)
    assert "\n".join(f"    {line}" for line in shown.split("\n")) in DOCUMENT


def test_an_excerpt_of_a_long_line_keeps_the_caret_in_sight() -> None:
    line = "x" * 500 + "!" + "x" * 500
    shown = render(make("P201", Place("a.yaml", 1, 501), "", "m"), line).split("\n")
    assert shown[4].index("^") == shown[3].index("!")
    assert len(shown[3]) < 120


@pytest.mark.parametrize(("line", "text"), [(0, "a"), (2, "a"), (1, "   "), (1, None)])
def test_without_a_line_to_show_there_is_no_excerpt(line: int, text: str | None) -> None:
    shown = render(make("P201", Place("a.yaml", line, 1), "", "m"), text)
    assert "^" not in shown and len(shown.split("\n")) == 4


def test_control_characters_never_reach_the_terminal() -> None:
    found = make("P201", Place("a.yaml", 1, 1), "", "bad \x1b[31m\nred")
    assert "\x1b" not in render(found, "\x1b[31m red")


def test_json_has_every_field_and_is_in_order() -> None:
    late = make("P201", Place("b.yaml", 1, 1), "p", "m")
    early = make("P202", Place("a.yaml", 9, 1), "p", "m", help="h", cause="c")
    shown = json.loads(as_json([late, early]))
    assert [each["file"] for each in shown] == ["a.yaml", "b.yaml"]
    assert shown[0] == {
        "code": "P202",
        "severity": "error",
        "file": "a.yaml",
        "line": 9,
        "column": 1,
        "path": "p",
        "message": "m",
        "cause": "c",
        "help": "h",
    }


def test_the_same_finding_is_told_once() -> None:
    found = make("P201", Place("a.yaml", 1, 1), "", "m")
    assert in_order([found, found]) == [found]


def test_a_refusal_counts_and_names_the_first_error() -> None:
    warning = make("P306", Place("a.yaml", 1, 1), "", "no creative")
    errors = [make("P201", Place("b.yaml", line, 2), "", f"m{line}") for line in (7, 3)]
    refusal = CatalogRefused([warning, *errors])
    assert str(refusal) == "2 errors, 1 warning; first: b.yaml:3:2: m3"
    assert refusal.diagnostics == [warning, errors[1], errors[0]]


def test_rendering_all_ends_with_the_counts() -> None:
    assert render_all([], {}) == "nothing found"
    found = make("P306", Place("a.yaml", 1, 1), "", "no creative")
    assert render_all([found], {"a.yaml": "offers: []"}).endswith("\n\n1 warning")


def test_suggestions_name_the_closest_word_or_the_few_there_are() -> None:
    assert did_you_mean("cart.totl", ["cart.total", "geo.country"]) == "Did you mean `cart.total`?"
    assert did_you_mean("x", ["gold", "silver"]) == "There is: `gold`, `silver`."
    assert did_you_mean("x", [f"value{i}" for i in range(20)]) == ""
