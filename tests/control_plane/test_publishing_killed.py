"""kill -9 at any step of a publish leaves the old policy or the new one, never a mix."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.parts import ROOT
from tests.support.s3 import Bucket


def steps_survived(environ: dict[str, str]) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.control_plane.dying"],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout)


def test_on_one_machine(tmp_path: Path):
    assert steps_survived({"PROFFER_DATA": str(tmp_path)}) > 20


def test_on_postgresql_and_a_bucket(tmp_path: Path, postgres_url: str, bucket: Bucket):
    environ = {
        "PROFFER_DATA": str(tmp_path),
        "DATABASE_URL": postgres_url,
        "PROFFER_OBJECT_STORE": bucket.url,
    }
    assert steps_survived(bucket.server.environ | environ) > 10
