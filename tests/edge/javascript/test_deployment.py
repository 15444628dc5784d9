"""What wrangler uploads of the JavaScript edge: nothing but it, small, and it runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.edges import ControlPlane, Shop, Visitor, running
from tests.support.javascript import SENT, modules, plain_worker, plain_workerd
from tests.support.parts import npm_package
from tests.support.workers import node_22, variables

GZIP_LIMIT_KB = 160
"""The platform's own limit is 3,000 kB on its free plan."""
TOTAL = re.compile(r"Total Upload: ([\d.]+) KiB / gzip: ([\d.]+) KiB")
KINDS = {".js": "ESModule", ".wasm": "CompiledWasm"}


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What `wrangler deploy --dry-run` says, and the folder that it would upload."""
    root = tmp_path_factory.mktemp("upload")
    for module in modules():
        (root / module["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module["file"], root / module["path"])
    source = Path(modules()[0]["file"])
    shutil.copy(source.with_name("wrangler.toml"), root / "edge" / "javascript")
    shutil.copy(source.parents[1] / "browser" / "kernel-plain.min.js", root / "edge" / "browser")
    command = [node_22(), npm_package("wrangler") / "bin" / "wrangler.js", "deploy", "--dry-run"]
    done = subprocess.run(
        [*command, "--config", root / "edge/javascript/wrangler.toml", "--outdir", root / "out"],
        cwd=root, capture_output=True, text=True, timeout=120,
        env={**os.environ, "HOME": str(root), "WRANGLER_SEND_METRICS": "false", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout, root / "out"


def test_the_upload_is_the_worker_the_kernel_and_pages_scripts(upload: tuple[str, Path]) -> None:
    said, out = upload
    names = {re.sub(r"^[0-9a-f]{40}-", "", f.name) for f in out.iterdir()}
    sent = {Path(name).name for name in SENT}
    assert names - {"README.md", "worker.js.map"} == {"worker.js", "kernel.wasm", *sent}
    (sizes,) = TOTAL.findall(said)
    assert float(sizes[1]) < GZIP_LIMIT_KB


def test_what_is_uploaded_decides(upload: tuple[str, Path], tmp_path: Path) -> None:
    sent = tuple(f"-{Path(name).name}" for name in SENT)
    files = [f for f in upload[1].iterdir() if f.suffix in KINDS]
    files.sort(key=lambda f: f.name != "worker.js")
    listed = [
        {
            "type": "Text" if f.name.endswith(sent) else KINDS[f.suffix],
            "path": f.name,
            "file": str(f),
        }
        for f in files
    ]
    control, shop = ControlPlane(), Shop()
    control.publish(1)
    with running(control.app()) as control_url, running(shop.app()) as origin_url:
        folder = plain_worker(tmp_path, listed, variables(control_url, origin_url))
        with plain_workerd(folder, "/_proffer/healthz") as server:
            visitor = Visitor(httpx.Client(base_url=server.url))
            with visitor.client:
                (decided,) = visitor.decide("hero")["decisions"]
                assert decided["offer"] == "ten"
                script = visitor.get("/_proffer/page.js")
                assert script.headers["content-type"] == "text/javascript; charset=utf-8"
                assert "proffer.page" in script.text
