"""Puts what was measured into the documentation.

    python -m bench.decide && python -m bench.publish

reads .cache/bench/decide.json, draws docs/images/decide.svg, and writes the tables of
docs/benchmarks.md between its marks `<!-- decide -->` and `<!-- /decide -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from bench.curve import PICTURE, draw
from bench.report import COLUMNS, OPENING, Cell, Report, SizeReport, number
from bench.workload import CACHE, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
MARKED = re.compile(r"(?<=<!-- decide -->\n).*(?=<!-- /decide -->)", re.DOTALL)
RIVALS = ("GrowthBook", "Eppo", "json-logic-engine", "json-logic-engine, compiled")


def tables(report: Report) -> str:
    """All tables, as Markdown."""
    told = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    parts = [f"{told}.", _targets(report), _ratios(report)]
    parts += [_size(size) for size in report.sizes]
    parts += [_opening(report), _memory(report)]
    return "\n" + "\n\n".join(parts) + "\n\n"


def _targets(report: Report) -> str:
    """What was aimed at, and whether it was reached, all in Pyodide."""
    rows = [_speed_target(size) for size in report.sizes]
    rows += [_opening_target(size, column) for size in report.sizes[-1:] for column in OPENING[1:]]
    for name, sizes in report.memory.items():
        growth = (sizes[-1] - sizes[0]) / 2**20
        row = [f"memory after 50,000 decisions in {name}", "flat", f"{growth:+.1f} MiB"]
        rows.append([*row, _word(growth < 1)])
    return _table(["what", "target", "measured", ""], rows)


def _speed_target(size: SizeReport) -> list[str]:
    what = f"equal work, {size.offers:,} offers, against the faster of GrowthBook and Eppo"
    ours = size.median_us("Pyodide", "ours", "equal")
    best = min(size.median_us("Node", name, "equal") or 0.0 for name in RIVALS[:2])
    if not ours or not best:
        return [what, "", "not measured", ""]
    if size.offers < 100:
        met = ours <= 1.5 * best
        return [what, "at most 1.5 times its time", f"{ours / best:.1f} times", _word(met)]
    ratio = best / ours
    return [what, "10 times as fast; goal 30", f"{ratio:.1f} times as fast", _word(ratio >= 10)]


def _opening_target(size: SizeReport, column: str) -> list[str]:
    what = f"opening {size.offers:,} offers, against msgspec parsing JSON to {column.split()[1]}"
    bundle, text = (size.median_us("Pyodide", "ours", each) for each in (OPENING[0], column))
    if not bundle or not text:
        return [what, "", "not measured", ""]
    ratio = bundle / text
    return [what, "at most its time", f"{ratio:.2f} times", _word(ratio <= 1)]


def _word(met: bool) -> str:
    return "met" if met else "**missed**"


def _ratios(report: Report) -> str:
    """How many times as long as Proffer in Pyodide everyone takes, by p50."""
    told = {
        "equal": "Equal work (eligible, score, choose), p50",
        "decide": "Decision, p50, Proffer's with everything that `decide` does",
    }
    return "\n\n".join(
        f"{title}: how many times as long as Proffer in Pyodide\n\n{_ratio_table(report, column)}"
        for column, title in told.items()
    )


def _ratio_table(report: Report, column: str) -> str:
    rows = []
    for size in report.sizes:
        base = size.median_us("Pyodide", "ours", column) or 1.0
        others = [size.median_us("Node", name, column) for name in RIVALS]
        others.append(size.median_us("Pyodide", "naive", column))
        ratios = [f"{other / base:.2f}" if other else "-" for other in others]
        rows.append([f"{size.offers:,}", f"{number(base)} µs", *ratios])
    return _table(["offers", "Proffer in Pyodide", *RIVALS, "naive in Pyodide"], rows)


def _size(size: SizeReport) -> str:
    title = (
        f"### {size.offers:,} offers\n\n{size.eligible_share:.1%} eligible, {size.requests}"
        f" requests; microseconds, p50 / p99"
    )
    rows = [
        [cell.runtime, _name(cell.engine), *(_pair(cell, column) for column in COLUMNS)]
        for cell in size.cells
    ]
    return f"{title}\n\n{_table(['runtime', 'engine', *COLUMNS], rows)}"


def _opening(report: Report) -> str:
    head = ["offers", "runtime", "bundle", "JSON to dicts", "JSON to Structs"]
    rows = [
        [f"{size.offers:,}", cell.runtime, *(_pair(cell, column, 1000) for column in OPENING)]
        for size in report.sizes
        for cell in size.cells
        if "open bundle" in cell.times_ns
    ]
    return f"### Opening\n\nMilliseconds, p50 / p99\n\n{_table(head, rows)}"


def _memory(report: Report) -> str:
    head = ["runtime", "after 5,000 decisions", "after 25,000", "after 50,000"]
    rows = [
        [name, *(f"{each / 2**20:.1f} MiB" for each in sizes)]
        for name, sizes in report.memory.items()
    ]
    return f"### Memory\n\nResident memory of the process\n\n{_table(head, rows)}"


def _name(engine: str) -> str:
    return {"ours": "Proffer"}.get(engine, engine)


def _pair(cell: Cell, column: str, unit_us: float = 1) -> str:
    pair = [cell.quantile_us(column, share) for share in (0.5, 0.99)]
    return " / ".join(number(each / unit_us) for each in pair if each is not None) or "-"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(_lines(head, rows))


def _lines(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    report = msgspec.json.decode((CACHE / "decide.json").read_bytes(), type=Report)
    PICTURE.write_text(draw(report))
    PAGE.write_text(MARKED.sub(lambda _: tables(report), PAGE.read_text()))
    for path in (PICTURE, PAGE):
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
