"""docs/guide/keys.md: every command in it runs, in its order, and does what the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from control_plane.cli.keys import keys_app
from control_plane.services import Services
from control_plane.settings import read_settings
from policy_compiler.key_files import read_private
from tests.support.bundles import tiny_bundle
from tests.support.cli import Ran, proffer
from tests.support.parts import ROOT

GUIDE = ROOT / "docs" / "guide" / "keys.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINES = "".join(BLOCK.findall(GUIDE.read_text())).splitlines()


def status() -> dict[str, object]:
    return proffer("keys", "status", "--json").document


def key_to_go(line: str) -> str:
    """What KEY stands for: the first root key, or the online key that signs nothing."""
    if "rotate-root" in line:
        return read_private(Path("ceremony/root-1.pem")).kid
    keys = json.loads(json.dumps(status()["keys"]))
    return next(key["kid"] for key in keys if key["role"] == "online" and not key["signs"])


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> Ran:
    command, _, comment = line.partition(" # ")
    words = shlex.split(command.replace("KEY", key_to_go(line)) if "KEY " in line else command)
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        monkeypatch.setenv(name, value)
        return Ran(0, "", "")
    if words[0] != "proffer":
        subprocess.run(words, check=True)
        return Ran(0, "", "")
    if words[2] == "publish-root":
        words += ["--settle", "0.1"]
    ran = proffer(*words[1:])
    assert ran.code == (1 if comment == "ends with 1" else 0), (line, ran.out, ran.err)
    return ran


def test_every_command_of_the_guide_runs_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROFFER_REQUIRE_APPROVAL", "false")
    roots = []
    for line in LINES:
        ran = run(line, monkeypatch)
        if "publish-root" in line:
            roots.append(ran.out.split(" ")[0].strip())
        if line.endswith("root.1.jws") and "publish-root" in line:
            _publish()
    assert roots == [f"keys/root.{number}.jws" for number in range(1, 7)]
    found = status()
    assert found["warnings"] == []
    assert found["root"]["epoch"] == 2  # type: ignore[index]
    assert found["manifests"][0]["epoch"] == 2  # type: ignore[index]
    assert not (tmp_path / "var" / "keys").exists()


def _publish() -> None:
    import os

    services = Services.open(read_settings(os.environ))
    services.publisher.publish(tiny_bundle("my-shop"), actor="test")
    services.close()


# --- the reference ------------------------------------------------------------

COMMANDS = sorted(get_command(keys_app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_what_a_command_does_and_how_it_ends(command: str):
    ran = proffer("keys", command, "--help")
    assert ran.code == 0
    assert f"Usage: proffer keys {command}" in ran.out
    assert "Exit codes: 0" in ran.out
    assert "--json" in ran.out and "--plain" in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_names_the_options_that_there_are(command: str):
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    section = page.split("\n## `proffer keys`")[1].split("\n## ")[0]
    (part,) = re.findall(rf"^\| `{command}`(.*)$", section, re.MULTILINE)
    usage = proffer("keys", command, "--help").out
    there = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", usage, re.MULTILINE))
    everywhere = {"--json", "--plain", "--help", "--data", "--tenant", "--settle"}
    told = set(re.findall(r"`(--[a-z-]+)`", part))
    assert told == there - everywhere or told == there - everywhere | {"--tenant"}
