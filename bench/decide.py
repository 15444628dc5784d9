"""How long a decision takes, and against whom.

    python -m bench.decide                 everything, about ten minutes
    python -m bench.decide --ours          our side and the naive baseline, no curves
    python -m bench.decide --quick         10 and 100 offers in CPython: a smoke
    options: --offers 100,1000  --runtimes cpython,pyodide,node  --timed N  --json FILE

For every size: the policy and its requests are made (`workload.py`); all engines decide
every request and must agree on the eligible offers, the arm and every ticket; what was
remembered is forgotten; then they are timed in turns, a few requests each, so that what
else the machine does hits all of them alike.

"Decision" is finding all eligible offers, scoring them and choosing.  For ours that is
the public function `decide`, bytes in and verdict bytes out, measured as a whole on
requests it has not seen since; the stages are measured on other requests.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

import msgspec

from bench.curve import curves
from bench.report import Report, SizeReport, machine, show
from bench.runtimes import Runtime, started
from bench.workload import CACHE, Workload, workload
from tests.support.parts import MissingPart

SIZES = (10, 100, 1000, 10_000)
WARM = 40
TIMED = {10: 600, 100: 400, 1000: 200, 10_000: 60}
CHUNK = 20
COLD = {10: 40, 100: 40, 1000: 20, 10_000: 8}
MANY = 50_000
MEMORY_OFFERS = 100


class Disagreement(Exception):
    """Two engines decided a request differently; nothing was timed."""


def run(
    sizes: list[int],
    runtimes: list[str],
    *,
    memory: int = MANY,
    timed: int = 0,
    curve: bool = False,
) -> Report:
    report = Report(machine=machine())
    with started(runtimes) as places:
        for offers in sizes:
            print(f"{offers:,} offers ...", file=sys.stderr)
            report.sizes.append(_size(places, offers, timed or TIMED.get(offers, 100)))
        own = [place for place in places if "ours" in place.engines]
        if curve:
            print("curves ...", file=sys.stderr)
            report.curves = curves(own)
        if memory:
            print(f"{memory:,} decisions ...", file=sys.stderr)
            report.memory = _memory(own, memory)
    return report


def _size(places: list[Runtime], offers: int, timed: int) -> SizeReport:
    warm = min(WARM, timed)
    load = workload(offers, requests=warm + 2 * timed)
    for place in places:
        place.open(load)
    found = SizeReport(offers=offers, bundle_bytes=len(load.bundle), requests=timed)
    rows = list(range(len(load.requests)))
    found.eligible_share = agreed(places, rows[: warm + timed]) / (warm + timed) / offers
    _warm_up(places, rows[:warm])
    _time(places, found, rows[warm:])
    for place in places:
        _first_times(place, found, COLD.get(offers, 10))
    return found


def agreed(places: list[Runtime], rows: list[int]) -> int:
    """How many offers were eligible in all these requests.

    Raises `Disagreement` unless all engines decide each of them alike.
    """
    engines = [(place, engine) for place in places for engine in place.engines]
    first, by = engines[0][0].ask("outcomes", engines[0][1], rows), engines[0][1]
    for place, engine in engines[1:]:
        outcomes = place.ask("outcomes", engine, rows)
        for row, one, other in zip(rows, first, outcomes, strict=True):
            if one != other:
                raise Disagreement(
                    f"request {row}: {by} says {one},\n{engine} in {place.name} says {other}"
                )
    return sum(len(outcome[0]) for outcome in first)


def _warm_up(places: list[Runtime], rows: list[int]) -> None:
    for place in places:
        place.ask("forget")
        for engine in place.engines:
            place.ask("stages", engine, rows)
            place.ask("decides", engine, rows)
    gc.collect()


def _time(places: list[Runtime], found: SizeReport, rows: list[int]) -> None:
    """In turns: a few requests in every engine, then the next few.

    The first half of the requests is decided as a whole, the second half in stages.
    """
    half = len(rows) // 2
    for start in range(0, half, CHUNK):
        few, others = rows[start : min(start + CHUNK, half)], rows[half:][start : start + CHUNK]
        for place in places:
            for engine in place.engines:
                cell = found.cell(place.name, engine)
                cell.add("decide", place.ask("decides", engine, few))
                cell.add_stages(place.ask("stages", engine, others))


def _first_times(place: Runtime, found: SizeReport, times: int) -> None:
    if "ours" not in place.engines:
        for engine in place.engines:
            found.cell(place.name, engine).add("cold", place.ask("cold", engine, times))
        return
    found.cell(place.name, "ours").add("cold", place.ask("cold", times))
    for name, values in place.ask("opening", times).items():
        found.cell(place.name, "ours").add(f"open {name}", values)


def _memory(places: list[Runtime], count: int) -> dict[str, list[int]]:
    """Resident bytes of the process after a tenth, a half and all of so many decisions."""
    load: Workload = workload(MEMORY_OFFERS, requests=1000)
    found: dict[str, list[int]] = {}
    for place in places:
        place.open(load)
        sizes = []
        for share in (count // 10, count // 2 - count // 10, count - count // 2):
            place.ask("many", share)
            sizes.append(resident_bytes(place.pid))
        found[place.name] = sizes
    return found


def resident_bytes(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.decide", description=__doc__)
    parser.add_argument("--ours", action="store_true", help="without the engines from npm")
    parser.add_argument("--quick", action="store_true", help="10 and 100 offers in CPython")
    parser.add_argument("--offers", default="")
    parser.add_argument("--runtimes", default="")
    parser.add_argument("--timed", type=int, default=0, help="requests per engine and size")
    parser.add_argument("--json", type=Path, default=CACHE / "decide.json")
    given = parser.parse_args()
    sizes = [int(each) for each in given.offers.split(",") if each]
    runtimes = [each for each in given.runtimes.split(",") if each]
    if given.quick:
        report = run(sizes or [10, 100], runtimes or ["cpython"], memory=2000, timed=40)
    else:
        places = ["cpython", "pyodide"] + ["node"] * (not given.ours)
        report = run(
            sizes or list(SIZES), runtimes or places, timed=given.timed, curve=not given.ours
        )
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    show(report)
    print(f"written: {given.json}")


if __name__ == "__main__":
    try:
        main()
    except MissingPart as problem:
        sys.exit(str(problem))
