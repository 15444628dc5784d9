"""The kernel's C under ASan and UBSan: what libFuzzer found worth keeping, and a short search.

`make fuzz` searches for half an hour.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fuzz import kernel_steer
from fuzz.kernel_steer import CORPUS, built, replay, steer, whole_inputs
from tests.support.parts import MissingPart

SMOKE_CPU_S = 4
SIZE_MAX_BYTES = 70_000


@pytest.fixture(scope="module", autouse=True)
def harness() -> None:
    """Fails with what to install where there is no clang."""
    try:
        built()
    except MissingPart as problem:
        pytest.fail(str(problem), pytrace=False)


def test_every_kept_input_gives_a_verdict_or_a_code() -> None:
    files = sorted(CORPUS.iterdir())
    assert len(files) > 20
    assert sum(file.stat().st_size for file in files) < SIZE_MAX_BYTES
    replay(files)


def test_a_short_search_breaks_nothing(tmp_path: Path) -> None:
    told = steer(SMOKE_CPU_S, 1, tmp_path / "corpus")
    assert sum(told["opened"].values()) > 1000
    assert told["opened"]["0"] > 100 and told["decided"]["0"] > 100 and told["rows"] > 1000
    assert {"-5", "-8"} <= told["opened"].keys()


def test_a_step_beyond_the_input_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harness without the slack behind the bundle reads beyond it: the sanitizer must tell."""
    careless = tmp_path / "careless.c"
    text = kernel_steer.HARNESS.read_text().replace("PROFFER_SLACK - 1)", "0)")
    kernel = (kernel_steer.HARNESS.parent / "../edge/kernel/kernel.c").resolve()
    careless.write_text(text.replace("../edge/kernel/kernel.c", str(kernel)))
    monkeypatch.setattr(kernel_steer, "HARNESS", careless)
    files = [tmp_path / str(number) for number in range(20)]
    for file, data in zip(files, whole_inputs(), strict=False):
        file.write_bytes(data)
    with pytest.raises(subprocess.CalledProcessError) as broken:
        replay(files)
    assert "heap-buffer-overflow" in broken.value.stderr
