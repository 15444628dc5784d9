"""`make pyodide-wheel`: what a page's Pyodide installs, and the lock that says so."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support import parts, pyodide
from tests.support.parts import ROOT

TOOL = ROOT / "scripts" / "pyodide_wheel.py"
INSTALL = """
const [pyodide, folder, stdlib, asked] = process.argv.slice(1);
const { loadPyodide } = await import(pyodide + "/pyodide.mjs");
try {
  const py = await loadPyodide({
    indexURL: pyodide + "/", stdLibURL: stdlib, stdin: () => null,
    lockFileURL: folder + "/pyodide-lock.json", packageBaseUrl: folder + "/",
  });
  const loaded = await py.loadPackage(["proffer-edge"], { messageCallback: () => {} });
  const names = loaded.map((one) => one.name).sort();
  console.log(JSON.stringify([names, py.runPython(asked)]));
  process.exit(0);
} catch (error) {
  console.error(String(error?.message ?? error).slice(-2000)); // its stack holds a megabyte
  process.exit(1);
}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheels") / "pyodide"
    done = subprocess.run([sys.executable, TOOL, target], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return target


def test_the_wheel_is_pure_and_has_what_a_page_needs_and_no_home_of_others(made: Path) -> None:
    (wheel,) = made.glob("proffer_edge-*-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    core = {f"edge/decision/{path.name}" for path in (ROOT / "edge/decision").glob("*.py")}
    assert core | {"edge/app.py", "edge/static/page.js"} <= names
    assert not {n for n in names if n.startswith(("edge/local", "edge/worker", "edge/isolate"))}
    assert not {n for n in names if n.endswith((".so", ".wasm", ".c"))}


def test_the_lock_names_both_wheels_by_their_digests(made: Path) -> None:
    lock = json.loads((made / "pyodide-lock.json").read_bytes())
    npms = json.loads((parts.npm_package("pyodide") / "pyodide-lock.json").read_bytes())
    assert lock["info"] == npms["info"]
    assert set(lock["packages"]) == {"proffer-edge", "msgspec"}
    for package in lock["packages"].values():
        assert sha256((made / package["file_name"]).read_bytes()).hexdigest() == package["sha256"]


def test_equal_sources_make_an_equal_wheel(made: Path, tmp_path: Path) -> None:
    again = subprocess.run(
        [sys.executable, "-c", "import sys; from scripts.pyodide_wheel import *;"
         "from pathlib import Path; edge_wheel(Path(sys.argv[1]))", tmp_path],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr[-3000:]
    (one,), (other,) = (folder.glob("proffer_edge-*.whl") for folder in (made, tmp_path))
    assert one.read_bytes() == other.read_bytes()


def test_pyodide_installs_both_by_the_lock_and_nothing_else(made: Path) -> None:
    asked = "import edge.app, edge.decision.decide, msgspec; msgspec.__version__"
    command = [parts.node(), "--input-type=module", "-e", INSTALL]
    done = subprocess.run(
        [*command, parts.npm_package("pyodide"), made, pyodide.stdlib_zip(), asked],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [["msgspec", "proffer-edge"], "0.22.0"]
