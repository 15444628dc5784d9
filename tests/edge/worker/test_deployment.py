"""The deployment folder: nothing in it but what the worker runs, and wrangler takes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.worker_folder import STATIC, modules_of
from tests.support.parts import ROOT, npm_package
from tests.support.workers import node_22, worker_folder

GZIP_LIMIT_KB = 400
"""The platform's own limit is 3,000 kB on its free plan."""
NOT_THERE = ("edge/local", "edge/kernel", "edge/browser", "edge/javascript")
ROW = re.compile(r"│ (\S+) +│ (python|buffer|esm) +│")
TOTAL = re.compile(r"Total Upload: ([\d.]+) KiB / gzip: ([\d.]+) KiB")


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `wrangler deploy --dry-run` says."""
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [node_22(), npm_package("wrangler") / "bin" / "wrangler.js", "deploy", "--dry-run"]
        + ["--outdir", str(home / "out")],
        cwd=worker_folder(),
        env={**os.environ, "HOME": str(home), "WRANGLER_SEND_METRICS": "false", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def test_wrangler_uploads_the_worker_and_the_core_and_nothing_else(dry_run: str) -> None:
    uploaded = {name for name, _ in ROW.findall(dry_run)}
    run = set(modules_of(ROOT, "edge/worker.py"))
    assert {f"edge/{name}" for name in uploaded} == (run | set(STATIC)) - {"edge/worker.py"}
    assert not any(name.startswith(NOT_THERE) for name in run)


def test_what_is_vendored_is_msgspec_and_the_sdk(dry_run: str) -> None:
    vendored = {
        path.name.partition("-")[0] for path in (worker_folder() / "python_modules").iterdir()
    }
    assert vendored == {
        "msgspec", "workers", "workers_runtime_sdk", "asgi.py", "_workers_sdk_patch_loader.pth",
        "_workers_sdk_patch_loader.py", "_workers_sdk_package_patches.py",
        "_workers_sdk_entropy_import_context.py",
    }  # fmt: skip


def test_the_upload_is_small(dry_run: str) -> None:
    (sizes,) = TOTAL.findall(dry_run)
    assert float(sizes[1]) < GZIP_LIMIT_KB


def test_the_bindings_of_wrangler_toml_are_those_that_the_worker_knows(dry_run: str) -> None:
    told = set(re.findall(r"env\.(\w+)", dry_run))
    known = set(
        re.findall(r"[A-Z]+_[A-Z_]+|BEACONS", (ROOT / "edge/isolate/settings.py").read_text())
    )
    assert {"POLICY_BUCKET", "EDGE_KV", "BEACONS", "PROFFER_TENANT"} <= told <= known


def test_no_module_hides_one_of_the_standard_library() -> None:
    """Files beside `main` are importable by their bare names, before the standard library."""
    top = {path.stem for path in (worker_folder() / "edge").iterdir()} - {"__init__"}
    assert not top & set(sys.stdlib_module_names)


def test_every_module_that_is_reached_is_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "edge" / "deep").mkdir(parents=True)
    for name, text in {
        "edge/__init__.py": "",
        "edge/worker.py": "import js\nfrom edge.app import serve\nimport edge.deep.down",
        "edge/app.py": "from . import home\nfrom .deep import up as other\nimport json",
        "edge/home.py": "def f():\n    from edge import late",
        "edge/late.py": "",
        "edge/local.py": "import httpx",
        "edge/deep/__init__.py": "",
        "edge/deep/up.py": "from ..home import f",
        "edge/deep/down.py": "",
    }.items():
        (tmp_path / name).write_text(text)
    found = modules_of(tmp_path, "edge/worker.py")
    assert found == sorted(
        f"edge/{name}.py"
        for name in ["__init__", "app", "deep/__init__", "deep/down", "deep/up", "home"]
        + ["late", "worker"]
    )  # fmt: skip
