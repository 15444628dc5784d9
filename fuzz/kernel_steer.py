"""The kernel's C under libFuzzer: `python -m fuzz.kernel_steer [CPU MINUTES] [SEED]`.

Debian's clang builds `kernel_fuzz.c` with ASan and UBSan, once per state of the source.
Inputs to begin with are whole ones, made here from policies of the conformance suite and
from made-up ones, and what earlier runs found (`corpus/kernel/`, `.cache/fuzz/kernel/`).

    python -m fuzz.kernel_steer distil      keeps the few inputs that reach all that all reach
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from random import Random
from struct import pack
from typing import Any

from edge.decision.bundle import open_bundle, write_bundle
from edge.decision.errors import CoreError
from edge.kernel.native import sources
from fuzz.oracle_pairs import seed_of_today
from tests.conformance.cases import POLICIES
from tests.edge.kernel.made_up_requests import Maker
from tests.edge.kernel.made_up_tables import made_up_tables
from tests.support.parts import CACHE, ROOT, clang

HARNESS = Path(__file__).with_name("kernel_fuzz.c")
CORPUS = Path(__file__).with_name("corpus") / "kernel"
GROWN = CACHE / "fuzz" / "kernel"
FOUND = CACHE / "fuzz" / "found"
FLAGS = (
    *("-std=c11", "-g", "-O1", "-fno-omit-frame-pointer"),
    *("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"),
)
SIZE_MAX_BYTES = 16_384
SLOW_S = 10
MADE_UP = 60
KEPT_BYTES = 60_000


def built() -> Path:
    """The harness as a program.  Raises `MissingPart` without clang."""
    texts = [path.read_bytes() for path in (*sources(), HARNESS)]
    digest = sha256(b"".join([*texts, " ".join(FLAGS).encode()])).hexdigest()
    target = CACHE / "kernel" / f"fuzz-{digest[:16]}"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.with_suffix(f".{os.getpid()}")
        subprocess.run([clang(), *FLAGS, "-o", made, HARNESS], cwd=ROOT, check=True)
        made.replace(target)
    return target


# --- inputs -----------------------------------------------------------------------


def packed(bundle: bytes, block: bytes, request: bytes) -> bytes:
    """An input, as kernel_fuzz.c draws it."""
    return pack("<II", len(bundle), len(block)) + bundle + block + request


def whole_inputs() -> list[bytes]:
    """Bundles that open, with blocks and requests for them; without what the kernel skips."""
    bundles = [path.read_bytes() for path in sorted(POLICIES.glob("*.bundle"))]
    bundles += [write_bundle(made_up_tables(Random(seed))) for seed in range(MADE_UP)]
    return [each for seed, data in enumerate(bundles) for each in _inputs(data, seed)]


def _inputs(data: bytes, seed: int) -> list[bytes]:
    try:
        bundle = open_bundle(data)
    except CoreError:
        return []
    bundle.tables.notes = b""
    bare = write_bundle(bundle.tables)
    maker = Maker(bundle, Random(seed))
    return [packed(bare, maker.manifest(), maker.request()) for _ in range(2)]


def seed_corpus(folder: Path) -> None:
    """Puts there what runs begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [path.read_bytes() for path in sorted(CORPUS.glob("*"))]
    for data in [*kept, *whole_inputs()]:
        if len(data) <= SIZE_MAX_BYTES:
            (folder / sha256(data).hexdigest()[:12]).write_bytes(data)


# --- runs -------------------------------------------------------------------------


def steer(cpu_s: float, seed: int, corpus: Path = GROWN) -> dict[str, Any]:
    """Runs for that much processor time; what it did, as kernel_fuzz.c tells it.

    Raises `subprocess.CalledProcessError` when an input breaks the invariant: its
    `stderr` says how, and the input is in FOUND.
    """
    FOUND.mkdir(parents=True, exist_ok=True)
    seed_corpus(corpus)
    options = [
        f"-seed={seed % (1 << 31)}",
        f"-max_len={SIZE_MAX_BYTES}",
        f"-timeout={SLOW_S}",
        f"-artifact_prefix={FOUND}/kernel-",
        "-verbosity=0",
    ]
    done = subprocess.run(
        [built(), *options, corpus],
        env={**os.environ, "KERNEL_FUZZ_CPU_S": str(cpu_s)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def replay(files: list[Path]) -> None:
    """Each of these inputs once.  Raises `subprocess.CalledProcessError` as `steer` does."""
    subprocess.run([built(), "-verbosity=0", *files], capture_output=True, text=True, check=True)


def distil() -> None:
    """libFuzzer's own merge, smallest first, cut off at what is kept at most."""
    with tempfile.TemporaryDirectory() as folder:
        merge = [built(), "-merge=1", f"-max_len={SIZE_MAX_BYTES}", folder, GROWN]
        subprocess.run(merge, capture_output=True, check=True)
        files = sorted(Path(folder).iterdir(), key=lambda file: file.stat().st_size)
        shutil.rmtree(CORPUS, ignore_errors=True)
        CORPUS.mkdir(parents=True)
        spent = 0
        for file in files:
            spent += file.stat().st_size
            if spent <= KEPT_BYTES:
                shutil.copy(file, CORPUS / file.name[:12])


def report(minutes: float, seed: int) -> bool:
    """Runs and prints what it did; True if nothing broke."""
    try:
        told = steer(minutes * 60, seed)
    except subprocess.CalledProcessError as error:
        print(f"{error.stdout[-2000:]}\n{error.stderr[-6000:]}")
        print(f"kernel: exit status {error.returncode}; the input is in {FOUND}")
        return False
    inputs, opened = sum(told["opened"].values()), told["opened"].get("0", 0)
    decided = told["decided"].get("0", 0)
    print(
        f"kernel under libFuzzer: {inputs:,} inputs in {told['cpu_s']} CPU s, {opened:,} opened,"
        f" {decided:,} decided with {told['rows']:,} rows; by code {told['opened']}",
        flush=True,
    )
    return True


def main() -> int:
    if sys.argv[1:] == ["distil"]:
        distil()
        return 0
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else seed_of_today()
    return 0 if report(minutes, seed) else 1


if __name__ == "__main__":
    sys.exit(main())
