"""`proffer compile` of a large catalog: bars on a terminal, a cache, and the same bytes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bench.synthetic import catalog_files
from policy_compiler.compiling import compile_catalog
from tests.support.parts import ROOT

OFFERS = 600


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    for name, text in catalog_files(OFFERS).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def command(catalog: Path, *options: str) -> list[str]:
    module = [sys.executable, "-m", "control_plane.cli", "compile", str(catalog), "--check"]
    return [*module, *options]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(home), "TERM": "xterm", "COLUMNS": "100"}


def on_a_terminal(words: list[str], env: dict[str, str]) -> str:
    """Everything that the command writes to the terminal that it believes to have."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def test_a_terminal_sees_bars_and_what_is_remembered_changes_no_byte(
    catalog: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path)
    shown = on_a_terminal(command(catalog), env)
    assert "reading" in shown
    assert f"/{OFFERS}" in shown
    assert len(list((tmp_path / "proffer").iterdir())) == 1
    again = subprocess.run(
        command(catalog, "--json"), cwd=ROOT, env=env, capture_output=True, check=True
    )
    assert json.loads(again.stdout)["sha256"] == compile_catalog(catalog).digest
    assert b"reading" not in again.stderr
    assert b"\x1b" not in again.stderr


def test_without_a_cache_nothing_is_left_and_without_a_terminal_nothing_is_drawn(
    catalog: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(catalog, "--no-cache"),
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        check=True,
    )
    assert list(tmp_path.iterdir()) == []
    assert b"\x1b" not in done.stderr


def test_every_stage_is_told_and_every_offer_counted(catalog: Path) -> None:
    told: list[tuple[str, int]] = []
    steps: dict[str, int] = {}

    class Watch:
        def stage(self, name: str, steps: int = 0) -> None:
            told.append((name, steps))

        def advance(self) -> None:
            name = told[-1][0]
            steps[name] = steps.get(name, 0) + 1

    compile_catalog(catalog, progress=Watch())
    assert told == [
        ("reading", OFFERS),
        ("rules", OFFERS),
        ("checking", 0),
        ("lowering", 0),
        ("proving", 0),
        ("emitting", 0),
    ]
    assert steps == {"reading": OFFERS, "rules": OFFERS}
