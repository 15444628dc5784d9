"""The documentation is true: README's commands run, and every link leads somewhere.

Commands run as a reader's shell runs them: one after the other, in a checkout, with a PATH
on which `proffer` is only found once a page has said how.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.parts import ROOT
from tests.support.processes import free_port

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands_in(document: Path) -> list[str]:
    """The commands of a document's `sh` blocks, without their comments."""
    lines = "\n".join(BLOCK.findall(document.read_text())).splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip()]


def shortened(command: str, data: Path) -> str:
    """The same command, for as long as a test may take: a target with its own options."""
    ports = " ".join(
        f"{option} {free_port()}" for option in ("--port", "--console-port", "--origin-port")
    )
    return {
        "make demo": f'make demo ARGS="--seconds 5 --plain --data {data} {ports}"',
        "make test": 'make test ARGS="tests/test_architecture.py -q"',
    }.get(command, command)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader tries the commands: stands for the checkout, so that it stays clean."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def bare_path() -> str:
    """The PATH of a terminal that was just opened: no `proffer` on it."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in folders if not shutil.which("proffer", path=each))


def run(command: str, where: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """A command, in a shell that has run what came `before`."""
    hidden = {"PATH": bare_path(), "VIRTUAL_ENV": "", "PYTHONPATH": ""}
    return subprocess.run(
        f"{before}\n{command}" if before else command,
        shell=True,
        cwd=ROOT if command.startswith("make ") else where,
        env={**os.environ, **hidden},
        capture_output=True,
        text=True,
        timeout=240,
    )


def preparing(lines: list[str], until: str) -> str:
    """What the lines before this one changed in the shell itself: `. FILE`."""
    return "\n".join(line for line in lines[: lines.index(until)] if line.startswith(". "))


README_COMMANDS = commands_in(ROOT / "README.md")


@pytest.mark.parametrize("command", README_COMMANDS)
def test_every_command_of_the_readme_runs(command: str, workplace: Path) -> None:
    before = preparing(README_COMMANDS, command)
    done = run(shortened(command, workplace / "var"), workplace, before)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_a_terminal_that_was_just_opened_has_no_proffer(workplace: Path) -> None:
    assert run("proffer --version", workplace).returncode == 127
    assert run(".venv/bin/proffer --version", workplace).returncode == 0


FIRST_OFFER = ROOT / "docs" / "guide" / "first-offer.md"
STEP = re.compile(r"(?:^`(\S+\.yaml)`:\n\n)?^```(sh|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_first_offer_can_be_written_step_by_step(workplace: Path) -> None:
    steps = STEP.findall(FIRST_OFFER.read_text())
    assert {kind for _, kind, _ in steps} == {"sh", "yaml"}
    begin, *_ = commands_in(FIRST_OFFER)
    assert begin.startswith(". ")
    shutil.rmtree(workplace / "my-shop", ignore_errors=True)
    for file, kind, text in steps:
        if kind == "yaml":
            assert file, "a YAML block stands below the name of its file"
            (workplace / file).write_text(text)
            lines = ["proffer compile my-shop --check", "proffer fmt my-shop --check"]
        else:
            lines = text.splitlines()
        for line in lines:
            done = run(line, workplace, begin)
            wanted = 1 if line.endswith("ends with 1") else 0
            assert done.returncode == wanted, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_readme_has_the_commands_that_a_newcomer_needs() -> None:
    assert README_COMMANDS[:2] == ["make demo", "make test"]
    assert any(command.startswith("proffer compile") for command in README_COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = [t for t in LINK.findall(document.read_text()) if "://" not in t]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def test_every_document_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop().resolve()
        if document in seen or document.suffix != ".md":
            continue
        seen.add(document)
        waiting += [
            document.parent / target
            for target in LINK.findall(document.read_text())
            if "://" not in target
        ]
    decisions = ROOT / "docs" / "decisions"
    lost = [d for d in DOCUMENTS if d.resolve() not in seen and d.parent != decisions]
    assert not lost, "link them from README.md or docs/index.md"
