"""Makes what Pyodide installs: `python scripts/pyodide_wheel.py dist/pyodide`.

    proffer_edge-<version>-py3-none-any.whl   `edge` without what needs a server or a worker
    msgspec-<version>-cp314-...wasm32.whl     from PyPI, which has it
    pyodide-lock.json                         both, for `loadPyodide({lockFileURL})`

The lock is written by Pyodide's own tooling (`pyodide-lock`, which `pyodide lockfile
add-wheels` calls too) from the one in npm's `pyodide`, without that one's packages: they
lie on a server that the browser home never asks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from pyodide_lock import PyodideLockSpec
from pyodide_lock.spec import InfoSpec
from pyodide_lock.utils import add_wheels_to_spec

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.worker_folder import ERROR_CHARS, ROOT, STATIC, VENDORED, modules_of

ENTRIES = ("edge/app.py", "edge/kernel/bridge.py", "edge/browser/python_home.py")
"""What a home in a page imports; and all of the core."""
LOCK = ROOT / "node_modules" / "pyodide" / "pyodide-lock.json"
EPOCH_S = "315532800"
"""1980-01-01, the oldest time that a wheel can tell: equal content gives equal bytes."""
PROJECT = """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "proffer-edge"
version = "{version}"
description = "The edge of Proffer, for Pyodide: decides offers from one small signed file."
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = ">=3.11"
dependencies = ["msgspec>=0.20"]

[tool.hatch.build.targets.wheel]
packages = ["edge"]
"""


class WheelError(Exception):
    """It could not be made; the message says why."""


def make(target: Path) -> list[Path]:
    """The files that were made.  Raises `WheelError`."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    wheels = [edge_wheel(target), msgspec_wheel(target)]
    return [*wheels, lock(target, wheels)]


def edge_wheel(target: Path) -> Path:
    core = [path.relative_to(ROOT).as_posix() for path in (ROOT / "edge/decision").glob("*.py")]
    names = {name for entry in (*ENTRIES, *core) for name in modules_of(ROOT, entry)}
    with open(ROOT / "pyproject.toml", "rb") as file:  # noqa: PTH123
        version = tomllib.load(file)["project"]["version"]
    with tempfile.TemporaryDirectory() as folder:
        for name in (*sorted(names), *STATIC, "LICENSE"):
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, Path(folder) / name)
        (Path(folder) / "pyproject.toml").write_text(PROJECT.format(version=version))
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), folder)
    return only(target, "proffer_edge-*.whl")


def msgspec_wheel(target: Path) -> Path:
    pip(
        "download", "--no-deps", "--only-binary=:all:", "--dest", str(target),
        "--python-version", "3.14", "--implementation", "cp", "--abi", "cp314",
        "--platform", "pyemscripten_2026_0_wasm32", VENDORED[0],
    )  # fmt: skip
    return only(target, "msgspec-*.whl")


def lock(target: Path, wheels: list[Path]) -> Path:
    """Both wheels, for the Pyodide that npm has.

    The tool compares the tags of wheels with the platform's older name (`emscripten_5_0_3`),
    and so refuses what is built for the one of today (`pyemscripten_2026_0`): it is told
    the latter, and the lock tells the truth again.
    """
    try:
        info = json.loads(LOCK.read_bytes())["info"]
    except OSError as error:
        raise WheelError(f"{error}\nnpm's `pyodide` is missing: run `npm ci`.") from None
    told = info | {"platform": f"pyemscripten_{info['abi_version']}", "version": "0"}
    known = {name: told[name] for name in InfoSpec.model_fields if name in told}
    bare = PyodideLockSpec(info=InfoSpec(**known), packages={})
    path = target / "pyodide-lock.json"
    add_wheels_to_spec(bare, wheels, base_path=target).to_json(path)
    written = json.loads(path.read_bytes())
    path.write_text(json.dumps({"info": info, "packages": written["packages"]}, indent=1) + "\n")
    return path


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", arguments[0], "-qq", "--disable-pip-version-check"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH_S}
    done = subprocess.run(
        [*command, *arguments[1:]], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise WheelError(f"pip {arguments[0]} failed:\n{done.stderr[-ERROR_CHARS:]}")


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python scripts/pyodide_wheel.py FOLDER", file=sys.stderr)
        return 2
    try:
        made = make(Path(arguments[0]))
    except WheelError as error:
        print(error, file=sys.stderr)
        return 1
    for path in made:
        print(f"{path}  {path.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
