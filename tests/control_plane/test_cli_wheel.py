"""What a user has who installed a wheel: commands work far from any checkout.

The libraries are those of this environment; the parts of Proffer are the wheel's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.parts import ROOT

OWN = ("control_plane", "policy_compiler", "edge")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    quietly("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("proffer-*.whl")
    home = folder / "env"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    quietly("-m", "pip", "--python", str(home), "install", "--quiet", "--no-deps", str(wheel))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def quietly(*arguments: str) -> None:
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run(installed: Path, where: Path, *arguments: str) -> str:
    """What the installed `proffer` prints."""
    command = [str(installed / "proffer"), *arguments]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_is_the_wheel_s_own(installed: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(OWN)}; print(*({', '.join(f'{name}.__file__' for name in OWN)},))"
    python = [str(installed / "python"), "-c", code]
    told = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert all(Path(file).is_relative_to(installed.parent) for file in told.split())


def test_a_first_catalog_needs_no_checkout(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "--version").startswith("proffer ")
    run(installed, tmp_path, "init", "shop")
    run(installed, tmp_path, "lint", "shop", "--strict")
    run(installed, tmp_path, "compile", "shop")
    assert "welcome" in run(installed, tmp_path, "explain", "policy.bundle")
    assert "cart_banner" in run(installed, tmp_path, "decide", "shop", "shop/request.json")
    schema = run(installed, tmp_path, "schema")
    assert schema == (ROOT / "schema" / "catalog.schema.json").read_text()
    assert schema == (tmp_path / "shop" / "catalog.schema.json").read_text()


def test_the_examples_come_with_the_wheel(installed: Path, tmp_path: Path) -> None:
    assert "1,500 requests" in run(installed, tmp_path, "decide", "--batch", "--out", "out.csv")
    ports = [word for name in ("", "console-", "origin-") for word in (f"--{name}port", "0")]
    told = run(installed, tmp_path, "demo", "--seconds", "1", "--rate", "0", *ports)
    assert "Running" in told and (tmp_path / "var" / "keys").is_dir()
