"""The snapshot that the platform makes at upload: it can be made, and it decides."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from tests.support.processes import ServerFailed
from tests.support.workers import NOWHERE, variables, worker_folder
from tests.support.workers_snapshot import alone, snapshot

SAVE = ("--python-save-snapshot",)


def test_a_snapshot_can_be_made_and_a_new_isolate_begins_there(tmp_path: Path) -> None:
    made = snapshot()
    assert made.stat().st_size > 1_000_000
    shutil.copyfile(made, tmp_path / made.name)
    load = ("--python-load-snapshot", made.name)
    with alone(worker_folder(), tmp_path, variables(NOWHERE, NOWHERE), *load) as restored:
        answers = [
            httpx.post(f"{restored.url}/_proffer/decide", json={"placements": ["hero"]}, timeout=20)
            for _ in range(2)
        ]
    reasons = [answer.json()["decisions"][0]["reason"] for answer in answers]
    assert reasons == ["NO_POLICY", "NO_POLICY"]
    visitors = {answer.cookies["__Host-pv"] for answer in answers}
    assert len(visitors) == 2, "chance is drawn after the snapshot, not in it"


UNSAFE = {
    "an object of JavaScript": (
        "import js\nKEPT = js.URL.new('https://a.example')\n", SAVE,
        "Can't serialize top-level variable",
    ),
    "chance": ("import os\nKEPT = os.urandom(16)\n", (), "os.urandom"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "options", "said"), UNSAFE.values(), ids=UNSAFE.keys())
def test_what_may_not_be_in_a_snapshot_fails_here_and_not_at_the_upload(
    tmp_path: Path, line: str, options: tuple[str, ...], said: str
) -> None:
    folder = tmp_path / "worker"
    shutil.copytree(worker_folder(), folder)
    with (folder / "edge" / "worker.py").open("a") as file:
        file.write(line)
    settings = variables(NOWHERE, NOWHERE)
    with (
        pytest.raises(ServerFailed, match=said),
        alone(folder, tmp_path, settings, *options),
    ):
        pass
