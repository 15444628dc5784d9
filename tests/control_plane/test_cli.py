"""The command line: each command's help, results and exit codes, and clear errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from control_plane.cli.counting import counted
from edge.decision.bundle import open_bundle
from edge.decision.tables import BROWSER_PROJECTION, HEAD_PROJECTION
from tests.support.cli import assert_clear, proffer, program, request_of, tree
from tests.support.parts import ROOT

COMMANDS = (
    "init", "compile", "lint", "fmt", "diff", "schema", "openapi", "verify", "decide", "explain",
    "replay", "simulate", "report", "serve", "edge", "demo",
)  # fmt: skip
GROUPS = ("keys", "audit", "accounts", "catalog", "tables", "subject")
"""Commands of commands; each has its own tests."""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    assert proffer("init", folder).code == 0
    return folder


@pytest.fixture
def bundle(catalog: Path, tmp_path: Path) -> Path:
    file = tmp_path / "policy.bundle"
    assert proffer("compile", catalog, "-o", file).code == 0
    return file


# --- help and usage -----------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_what_a_command_does_and_how_it_ends(command: str) -> None:
    ran = proffer(command, "--help")
    assert ran.code == 0
    assert f"Usage: proffer {command}" in ran.out
    assert "Exit codes: 0" in ran.out
    assert "--json" in ran.out and "--plain" in ran.out


def test_help_names_every_command_and_cuts_nothing_off() -> None:
    ran = program("--help")
    assert ran.code == 0
    listed = re.findall(r"^  ([a-z]+)  ", ran.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == [*COMMANDS, *GROUPS]
    assert "..." not in ran.out.partition("Commands:")[2]
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_version_is_told() -> None:
    ran = program("--version")
    assert (ran.code, ran.out) == (0, f"proffer {version('proffer')}\n")


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 offers"), (1, "1 offer"), (1234, "1,234 offers")]
)
def test_nouns_agree_with_their_number(number: int, told: str) -> None:
    assert counted(number, "offer") == told


@pytest.mark.parametrize("arguments", [("nonsense",), ("compile",), ("compile", "a", "--nonsense")])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    ran = proffer(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err and ran.err


# --- init ---------------------------------------------------------------------


def test_there_is_nothing_to_say_against_the_starter(tmp_path: Path) -> None:
    made = proffer("init", tmp_path / "shop", "--json")
    assert made.document["files"] == [
        "shop.yaml", "offers.yaml", "request.json", "catalog.schema.json"
    ]  # fmt: skip
    compiled = proffer("compile", tmp_path / "shop", "--check", "--json")
    assert compiled.code == 0 and compiled.document["diagnostics"] == []
    assert compiled.document["file"] is None
    assert proffer("fmt", tmp_path / "shop", "--check").code == 0


def test_every_attribute_of_the_starter_is_used(catalog: Path, bundle: Path) -> None:
    declared = set(YAML(typ="safe").load(catalog / "shop.yaml")["attributes"])
    decided = proffer("decide", catalog, catalog / "request.json", "--json").document
    listed = proffer("explain", bundle, "--json").document["attributes"]
    assert declared == {each["name"] for each in listed}
    assert declared == set(json.loads((catalog / "request.json").read_text())["attributes"])
    assert decided["ignored"] == []


def test_the_starter_names_no_file_that_its_reader_lacks(catalog: Path) -> None:
    texts = " ".join(file.read_text() for file in catalog.glob("*.yaml"))
    named = set(re.findall(r"[\w./-]+\.(?:md|json|yaml)\b", texts))
    assert named and all((catalog / name).is_file() for name in named)


def test_init_never_overwrites(catalog: Path) -> None:
    before = tree(catalog)
    assert_clear(proffer("init", catalog), 1, "offers.yaml already")
    assert tree(catalog) == before


# --- compile ------------------------------------------------------------------


def test_compile_writes_the_bundle_that_it_names(catalog: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.bundle"
    ran = proffer("compile", catalog, "-o", file, "--json")
    assert ran.code == 0
    opened = open_bundle(file.read_bytes())
    assert ran.document["sha256"] == opened.digest.hex()
    assert ran.document["offers"] == 2 and ran.document["tenant"] == "my-shop"


def test_compile_makes_the_browser_s_projection(catalog: Path, tmp_path: Path) -> None:
    file = tmp_path / "browser.bundle"
    ran = proffer("compile", catalog, "-o", file, "--projection", "browser", "--json")
    assert ran.code == 0
    assert ran.document["projection"] == "browser"
    assert {found["code"] for found in ran.document["diagnostics"]} == {"P501"}


def test_compile_makes_one_slice_of_it(catalog: Path, tmp_path: Path) -> None:
    file = tmp_path / "site.bundle"
    browser = ("compile", catalog, "-o", file, "--projection", "browser", "--json")
    assert proffer(*browser, "--slice", "site").code == 0
    assert open_bundle(file.read_bytes()).head(HEAD_PROJECTION) == BROWSER_PROJECTION
    unknown = proffer(*browser, "--slice", "shelf")
    assert unknown.code == 3 and "there is no slice 'shelf'" in str(unknown.document)
    assert proffer("compile", catalog, "--check", "--slice", "site").code == 2


BROKEN = [
    # what is wrong; file, a piece of it, that piece wrong; code, line and column, a word told
    ("YAML", "shop.yaml", "[en]", "[en", "P104", "9:7", "expected"),
    ("attribute", "offers.yaml", "customer.is_new", "customer.is_now",
     "P202", "10:15", "customer.is_new"),
    ("type", "offers.yaml", "cart.total >= 30.00", "cart.total >= '30'",
     "P203", "26:26", "decimal"),
    ("key", "offers.yaml", "priority: 20", "prioritty: 20", "P110", "9:5", "priority"),
    ("value", "offers.yaml", "percent: 10,", "percent: ten,", "P112", "16:28", "number"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "piece", "wrong", "code", "place", "word"),
    [case[1:] for case in BROKEN],
    ids=[case[0] for case in BROKEN],
)
def test_a_broken_catalog_is_told_with_place_cause_and_help_and_writes_nothing(
    catalog: Path, tmp_path: Path, file: str, piece: str, wrong: str, code: str, place: str,
    word: str,
) -> None:  # fmt: skip
    out = tmp_path / "policy.bundle"
    out.write_bytes(b"as it was")
    text = (catalog / file).read_text()
    assert piece in text
    (catalog / file).write_text(text.replace(piece, wrong, 1))
    ran = proffer("compile", catalog, "-o", out)
    assert_clear(ran, 1, f"error[{code}]", f"--> {file}:{place}", "cause:", word, " | ")
    (first,) = proffer("compile", catalog, "--json").document["error"]["diagnostics"]
    assert (first["code"], first["file"]) == (code, file)
    assert f"{first['line']}:{first['column']}" == place and first["cause"] and first["help"]
    assert out.read_bytes() == b"as it was"


def test_all_errors_are_told_at_once(catalog: Path) -> None:
    text = (catalog / "offers.yaml").read_text()
    text = text.replace("customer.is_new", "customer.is_now").replace("percent: 10", "percent: -10")
    (catalog / "offers.yaml").write_text(text)
    ran = proffer("compile", catalog, "--check")
    assert "P202" in ran.err and "P305" in ran.err


def test_a_folder_without_catalog_is_told(tmp_path: Path) -> None:
    assert_clear(proffer("compile", tmp_path, "--check"), 1, "P101")


def test_an_output_that_cannot_be_written_ends_with_3(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    ran = proffer("compile", catalog, "-o", tmp_path / "taken" / "out.bundle")
    assert_clear(ran, 3, "cannot be written")
    assert (tmp_path / "taken").read_text() == "a file"


# --- verify a bundle ----------------------------------------------------------


def test_a_bundle_file_is_verified_check_by_check(bundle: Path) -> None:
    ran = proffer("verify", bundle, "--json")
    assert ran.code == 0 and ran.document["ok"]
    assert {check["outcome"] for check in ran.document["checks"]} == {"passed"}
    assert ran.document["bundles"] == [open_bundle(bundle.read_bytes()).digest.hex()]


@pytest.mark.parametrize("command", ["verify", "decide", "explain"])
def test_a_damaged_bundle_is_refused_by_name_of_the_check(
    catalog: Path, bundle: Path, command: str
) -> None:
    bundle.write_bytes(b"PRFX" + bundle.read_bytes()[4:])
    arguments = () if command == "verify" else (request_of(catalog),)
    assert_clear(proffer(command, bundle, *arguments), 1, "MAGIC")
    bundle.write_bytes(b"")
    assert_clear(proffer(command, bundle, *arguments), 1, "SIZE")


# --- the compiler alone -------------------------------------------------------


def test_the_compiler_alone_gives_the_same_bundle_without_the_control_plane(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "alone.bundle"
    code = (
        "import sys; from policy_compiler.__main__ import main;"
        f" code = main(['compile', {str(catalog)!r}, '-o', {str(out)!r}]);"
        " loaded = [m for m in sys.modules if m.startswith('control_plane')];"
        " sys.exit(code or len(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == bundle.read_bytes()


# --- the reference ------------------------------------------------------------

SHARED_OPTIONS = {"--json", "--plain", "--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_names_the_options_that_there_are(command: str) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    sections = re.split(r"^## `proffer ", page, flags=re.MULTILINE)
    (section,) = [each for each in sections if re.match(rf"{command}\b", each)]
    section = section.split("\n## ")[0]
    told = set(re.findall(r"^\| .*?\|", section, flags=re.MULTILINE))
    documented = {name for line in told for name in re.findall(r"`(--[a-z-]+)`", line)}
    usage = proffer(command, "--help").out
    there = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", usage, flags=re.MULTILINE))
    optional = {"--batch"} if command == "decide" else set()
    assert documented == there - SHARED_OPTIONS - optional
