"""What is built is what the sources say, small, and as strict as pages want it."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from edge.browser.build import FIRST, HEAD, HERE, MODULE, PAGE, PLAIN, SCRIPTS, built

LIMITS = {HEAD: 1536, FIRST: 27_000, PLAIN: 32_000, PAGE: 8_000, MODULE: 16_000}
"""Bytes: of the snippet as it stands in a page, of the others under gzip."""
SOURCES = [HERE / name for name in SCRIPTS] + sorted((HERE / "lib").glob("*.js"))
FORBIDDEN = re.compile(
    r"\beval\b|\bnew Function\b|\bFunction\(|innerHTML|outerHTML|insertAdjacentHTML"
    r"|document\.write|\.srcdoc|setTimeout\(\s*[\"'`]|\.setAttribute\(\s*[\"'`]on"
)


@pytest.mark.parametrize("source", SCRIPTS)
def test_each_committed_script_is_what_its_source_gives(source: str) -> None:
    assert built(source) == SCRIPTS[source].read_text(), "run `python -m edge.browser.build`"


@pytest.mark.parametrize("script", LIMITS, ids=lambda path: path.name)
def test_the_scripts_are_small(script: Path) -> None:
    data = script.read_bytes()
    size = len(data) if script == HEAD else len(gzip.compress(data, 9))
    assert size <= LIMITS[script], f"{script.name}: {size} bytes"


def test_no_source_holds_what_a_strict_policy_forbids() -> None:
    for path in [*SOURCES, HEAD, PAGE]:
        if path.name != "first.js":
            found = FORBIDDEN.search(path.read_text())
            assert found is None, f"{path.name}: {found and found[0]}"


def test_a_file_is_named_by_what_it_exports() -> None:
    for path in sorted((HERE / "lib").glob("*.js")):
        assert re.search(rf"^export const {path.stem}\b", path.read_text(), re.MULTILINE), path.name


def test_no_script_ends_itself_inside_a_page() -> None:
    for path in SCRIPTS.values():
        assert not re.search(r"</script|<!--", path.read_text(), re.IGNORECASE), path.name


def test_the_package_names_files_that_exist_and_depends_on_nothing() -> None:
    package = json.loads((HERE / "package.json").read_bytes())
    assert "dependencies" not in package
    named = [path for entry in package["exports"].values() for path in entry.values()]
    assert named
    for path in named:
        assert (HERE / path).is_file(), path


def test_every_export_has_a_type() -> None:
    for module in ("index", "python"):
        exports = re.findall(r"export \{([^}]*)\}", (HERE / f"{module}.js").read_text())
        names = {name.strip() for group in exports for name in group.split(",") if name.strip()}
        names |= set(re.findall(r"export const (\w+)", (HERE / f"{module}.js").read_text()))
        types = (HERE / f"{module}.d.ts").read_text()
        assert names
        for name in names:
            typed = rf"export (?:function|class|const) {name}\b|export \{{[^}}]*\b{name}\b"
            assert re.search(typed, types), name
