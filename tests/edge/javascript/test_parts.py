"""What the JavaScript edge says a second time is what Python says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge.decision.tables import COLUMNS
from edge.flags import REASONS
from edge.problems import PROBLEMS
from tests.support.javascript import ENTRY, FOLDER, NOT_IN_WORKERD, deno, modules
from tests.support.parts import ROOT


def said(expression: str, *names: str) -> Any:
    """The value of an expression over modules of the edge, as JSON."""
    imports = "".join(f'import * as {n} from "{(FOLDER / n).as_uri()}.js";\n' for n in names)
    script = f"{imports}console.log(JSON.stringify({expression}));"
    command = [deno(), "run", "--no-lock", "--ext=js", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_columns_are_numbered_as_in_python() -> None:
    numbers = {name.upper(): number for number, name in enumerate(COLUMNS, 1)}
    for name, number in said("columns", "columns").items():
        assert number == numbers[name], name


def test_problems_are_pythons() -> None:
    expected = {name: [kind.title, kind.status, kind.help] for name, kind in PROBLEMS.items()}
    assert said("problems.PROBLEMS", "problems") == expected


def test_reasons_of_flags_are_pythons() -> None:
    text = (FOLDER / "flags.js").read_text()
    table = re.search(r"const REASONS = \{(.*?)\};", text, re.DOTALL)
    assert table
    pairs = dict(re.findall(r'(\w+): "(\w+)"', table[1]))
    assert pairs == {reason.name: word for reason, word in REASONS.items()}


@pytest.mark.parametrize(
    "text", ["plain", "it's", "a \"b\" 'c'", "\u00fc\n\x7f\\", "\U0001f600", "\ud800"]
)
def test_texts_are_quoted_as_python_quotes_them(text: str) -> None:
    assert said(f"json.quoted({json.dumps(text)})", "json") == ascii(text)


def test_the_worker_imports_nothing_that_is_not_uploaded() -> None:
    """What `modules` lists is what workerd gets, in tests and in a deployment alike."""
    paths = {module["path"] for module in modules()}
    pattern = re.compile(r'(?:from|import) "(\.[^"]+)"')
    for path in paths:
        if path.startswith("edge/javascript/"):
            for name in pattern.findall((ROOT / path).read_text()):
                target = (ROOT / path).parent.joinpath(name).resolve().relative_to(ROOT)
                assert target.as_posix() in paths, (path, name)
    assert ENTRY in paths
    assert not {f"edge/javascript/{name}" for name in NOT_IN_WORKERD} & paths


def test_nothing_comes_from_npm() -> None:
    for file in FOLDER.glob("*.js"):
        named = re.findall(r'^import [^"]*"([^"]+)"', file.read_text(), re.MULTILINE)
        assert all(name.startswith((".", "node:")) for name in named), file
        if file.name != "deno.js":
            assert all(name.startswith(".") for name in named), file


def test_files_are_short() -> None:
    assert max(len(Path(f).read_text().splitlines()) for f in FOLDER.glob("*.js")) < 350
