"""ruff and pyright, as tests: one summary tells everything.  `make check` runs them alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.parts import ROOT


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "--output-format=concise", "."], ["pyright"]],
    ids=["ruff", "pyright"],
)
def test_the_checker_finds_nothing(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stdout, done.stderr)
        pytest.fail(f"{command[0]} found something; its output is above", pytrace=False)
