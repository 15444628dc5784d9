"""One target under atheris: `python -m fuzz.steer TARGET MINUTES CORPUS ARTIFACTS SEED`.

Ends after that many minutes of its own CPU time, and prints what it did as JSON.  An
input that breaks the target's invariant, or takes over `SLOW_S`, is kept in ARTIFACTS
and ends the run with another exit status than 0.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

atheris: Any = import_module("atheris")  # only the extra `fuzz` brings it

with atheris.instrument_imports(include=["edge", "policy_compiler", "ruamel"]):
    from fuzz.mutate import spoiled
    from fuzz.mutate_text import spoiled_text
    from fuzz.seeds import seeds
    from fuzz.targets import ACCEPTED, TARGETS

SLOW_S = 5.0
MEMORY_MB = 1536
SIZE_MAX_BYTES = 32_768


class Run:
    def __init__(self, name: str, minutes: float) -> None:
        self.name, self.target, self.budget_s = name, TARGETS[name], minutes * 60
        self.outcomes: dict[str, int] = {}
        self.slowest_s = 0.0
        self.target(b"")  # what is made once is not the first input's fault

    def one(self, data: bytes) -> None:
        start_s = process_time()
        outcome = self.target(data)
        end_s = process_time()
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.slowest_s = max(self.slowest_s, end_s - start_s)
        assert end_s - start_s < SLOW_S, f"{end_s - start_s:.1f} s for {len(data)} bytes"
        if end_s > self.budget_s:
            self.finish(end_s)

    def finish(self, spent_s: float) -> None:
        told = {
            "target": self.name,
            "inputs": sum(self.outcomes.values()),
            **self.outcomes,
            "cpu_s": round(spent_s),
            "slowest_s": round(self.slowest_s, 3),
        }
        print(json.dumps(told), flush=True)
        os._exit(0)  # libFuzzer has no end of its own; what it found is written already


Spoiler = Callable[[bytes, int], bytes | None]
SPOILERS: dict[str, Spoiler] = {"bundle": spoiled, "catalog": spoiled_text}


def mutator(name: str) -> Callable[[bytes, int, int], bytes]:
    """Half of the time a wrong part in something else whole, else libFuzzer's own change.

    What has grown by coverage is mostly broken, and stays so; so every fourth change
    begins with an input that is accepted.
    """
    spoil, target = SPOILERS[name], TARGETS[name]
    whole = [data for data in seeds(name).values() if target(data) == ACCEPTED]

    def mutate(data: bytes, size_max_bytes: int, seed: int) -> bytes:
        start = whole[seed // 4 % len(whole)] if seed % 4 == 3 else data
        changed = spoil(start, seed) if seed % 2 else None
        if changed is None or len(changed) > size_max_bytes:
            return atheris.Mutate(data, size_max_bytes)
        return changed

    return mutate


def main() -> None:
    name, minutes, corpus, artifacts, seed = sys.argv[1:]
    run = Run(name, float(minutes))
    options = [
        f"-seed={seed}",
        f"-max_len={SIZE_MAX_BYTES}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={round(SLOW_S * 6)}",
        f"-artifact_prefix={artifacts}/",
        "-print_final_stats=0",
        "-verbosity=0",
    ]
    more = {"custom_mutator": mutator(name)} if name in SPOILERS else {}
    if name == "catalog":
        options.append(f"-dict={Path(__file__).with_name('catalog.dict')}")
    atheris.Setup([sys.argv[0], *options, corpus], run.one, **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
