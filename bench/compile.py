"""How long a compile takes, stage by stage, with and without what an earlier one found out.

    python -m bench.compile           10,000 offers
    python -m bench.compile 1000      any numbers

Four compiles, each in a process of its own:

    cold      the cache is empty; it is written
    warm      the same catalog again
    edited    the same, after a rule of one offer was changed
    no cache  the edited catalog with --no-cache

Seconds of processor time, so that what else runs on the machine counts less; `wall` is
the time that passed, `peak` the memory of the process.  Bundles must be the same to the
byte: warm as cold, edited as without the cache.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct, field

from bench.synthetic import catalog_files, weights
from policy_compiler.cache import Cache
from policy_compiler.compiling import compile_catalog

MIB_KIB = 1024


class Times(Struct):
    """What one compile took."""

    stages: dict[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    peak_mib: float = 0.0
    digest: str = ""


class Watch:
    """Processor time by stage."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self.name = ""
        self.began = time.process_time()

    def stage(self, name: str, steps: int = 0) -> None:
        now = time.process_time()
        if self.name:
            self.times[self.name] = self.times.get(self.name, 0.0) + now - self.began
        self.name, self.began = name, now

    def advance(self) -> None: ...


def measured(folder: Path, cache_folder: Path | None, offers: int) -> Times:
    learned = weights(offers)
    watch = Watch()
    began = time.perf_counter()
    watch.stage("open cache")
    cache = Cache(cache_folder, folder) if cache_folder else None
    compiled = compile_catalog(folder, weights=learned, cache=cache, progress=watch)
    watch.stage("end")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB_KIB
    return Times(watch.times, time.perf_counter() - began, peak, compiled.digest)


def in_a_process(folder: Path, cache_folder: Path | None, offers: int) -> Times:
    command = [sys.executable, "-m", "bench.compile", "--one", str(offers), str(folder)]
    command += [str(cache_folder)] if cache_folder else []
    done = subprocess.run(command, capture_output=True, check=True)
    return msgspec.json.decode(done.stdout, type=Times)


def runs(offers: int) -> dict[str, Times]:
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "catalog"), Path(name, "cache")
        folder.mkdir()
        for file, text in catalog_files(offers).items():
            (folder / file).write_text(text)
        cold = in_a_process(folder, cache, offers)
        warm = in_a_process(folder, cache, offers)
        _edit(folder / "offers-00000.yaml")
        edited = in_a_process(folder, cache, offers)
        plain = in_a_process(folder, None, offers)
    for name, cached, other in (("warm", warm, cold), ("edited", edited, plain)):
        if cached.digest != other.digest:
            raise AssertionError(f"{name}: the bundle is {cached.digest}, not {other.digest}")
    return {"cold": cold, "warm": warm, "edited": edited, "no cache": plain}


def _edit(file: Path) -> None:
    """Widens the rule of the fifth offer."""
    parts = file.read_text().split("    eligible: '")
    parts[5] = "true || " + parts[5]
    file.write_text("    eligible: '".join(parts))


def main(counts: list[int]) -> None:
    for count in counts:
        found = runs(count)
        names = list(dict.fromkeys(name for each in found.values() for name in each.stages))
        print(f"{count:,} offers")
        print(f"  {'CPU seconds':<12}" + "".join(f"{name:>9}" for name in found))
        for name in names:
            row = "".join(f"{each.stages.get(name, 0.0):>9.2f}" for each in found.values())
            print(f"  {name:<12}{row}")
        totals = {name: sum(each.stages.values()) for name, each in found.items()}
        print(f"  {'all':<12}" + "".join(f"{each:>9.2f}" for each in totals.values()))
        ratios = (f"{each / totals['cold']:.2f}" for each in totals.values())
        print(f"  {'to cold':<12}" + "".join(f"{each:>9}" for each in ratios))
        print(f"  {'wall':<12}" + "".join(f"{each.wall_s:>9.1f}" for each in found.values()))
        print(f"  {'peak, MiB':<12}" + "".join(f"{each.peak_mib:>9.0f}" for each in found.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one, *rest = sys.argv[2:]
        folder, *cache = map(Path, rest)
        found = measured(folder, cache[0] if cache else None, int(one))
        sys.stdout.buffer.write(msgspec.json.encode(found))
    else:
        main([int(each) for each in sys.argv[1:]] or [10_000])
