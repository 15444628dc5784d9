"""`make fuzz`: pairs against the oracle, of decisions and of the kernel, the API against its
document, beacons and their tokens, then each target under atheris and the kernel under libFuzzer.

    FUZZ_MINUTES         CPU minutes for all targets together (20)
    FUZZ_PAIRS           pairs against the oracle (200,000)
    FUZZ_DECISIONS       decisions of which quick way and definition are compared (1,000,000)
    FUZZ_KERNEL_PAIRS    decisions by the kernel that are compared with Python's (5,000,000)
    FUZZ_API_CASES       requests to the control plane's API, by schemathesis (50,000)
    FUZZ_TOKENS          decision records with MACs, good and forged (100,000)
    FUZZ_BODIES          mutated bodies of beacons (10,000)
    FUZZ_KERNEL_MINUTES  CPU minutes for the kernel's C under libFuzzer, ASan and UBSan (30)
    FUZZ_SEED            of all; today's date if it is not given

0 leaves a part out.

New inputs go to .cache/fuzz/<target>/, where the next run begins; an input that breaks
an invariant goes to .cache/fuzz/found/ and makes the exit status 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from fuzz import (
    api_cases,
    beacon_bodies,
    beacon_tokens,
    kernel_pairs,
    kernel_steer,
    oracle_pairs,
    quick_pairs,
)
from fuzz.seeds import seeds
from fuzz.targets import ROOT, TARGETS

CACHE = ROOT / ".cache" / "fuzz"
FOUND = CACHE / "found"
SHARES = {"bundle": 0.3, "catalog": 0.5, "request": 0.1, "record": 0.1}
"""Of the CPU minutes: a catalog takes milliseconds, a record microseconds."""


def grown(target: str) -> Path:
    """The corpus that runs add to, with all that there is to begin with."""
    folder = CACHE / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(target).items():
        (folder / name).write_bytes(data)
    return folder


def steer(target: str, minutes: float, seed: int) -> bool:
    """True if the target kept its invariant for that long."""
    FOUND.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "fuzz.steer", target, str(minutes), grown(target), FOUND]
    done = subprocess.run(
        [*map(str, command), str(seed % (1 << 31))], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == 0:
        print(done.stdout.strip(), flush=True)
        return True
    print(done.stdout[-2000:], done.stderr[-4000:])
    print(f"{target}: exit status {done.returncode}; the input is in {FOUND}", flush=True)
    return False


def main() -> int:
    seed = int(os.environ.get("FUZZ_SEED") or oracle_pairs.seed_of_today())
    pairs = int(os.environ.get("FUZZ_PAIRS") or 200_000)
    decisions = int(os.environ.get("FUZZ_DECISIONS") or 1_000_000)
    kernel = int(os.environ.get("FUZZ_KERNEL_PAIRS") or 5_000_000)
    cases = int(os.environ.get("FUZZ_API_CASES") or 50_000)
    tokens = int(os.environ.get("FUZZ_TOKENS") or 100_000)
    bodies = int(os.environ.get("FUZZ_BODIES") or 10_000)
    minutes = float(os.environ.get("FUZZ_MINUTES") or 20)
    kernel_minutes = float(os.environ.get("FUZZ_KERNEL_MINUTES") or 30)
    console = Console()
    console.print(f"seed {seed}: {pairs:,} pairs, {minutes:g} CPU minutes", highlight=False)
    whole = [not pairs or oracle_pairs.report(oracle_pairs.run(pairs, seed, console), console)]
    whole += [not decisions or quick_pairs.report(quick_pairs.compared(decisions, seed), console)]
    whole += [not kernel or kernel_pairs.report(kernel_pairs.run(kernel, seed))]
    whole += [not cases or api_cases.report(api_cases.checked(cases, seed), console)]
    whole += [not tokens or beacon_tokens.report(beacon_tokens.counted(tokens, seed), console)]
    whole += [not bodies or beacon_bodies.report(beacon_bodies.counted(bodies, seed), console)]
    whole += [not kernel_minutes or kernel_steer.report(kernel_minutes, seed)]
    whole += [steer(target, minutes * SHARES[target], seed) for target in TARGETS if minutes]
    return 0 if all(whole) else 1


if __name__ == "__main__":
    sys.exit(main())
