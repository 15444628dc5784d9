"""What `bench.kernel` measured, and how it is shown.

Times are microseconds; a cell is p50 / p99.  Targets are those of the kernel's issue.
"""

from __future__ import annotations

import re

from msgspec import Struct, field
from rich.console import Console
from rich.table import Table

from bench.kernel_batch import BatchTimes
from bench.report import number
from bench.workload import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
MARKED = re.compile(r"(?<=<!-- kernel -->\n).*(?=<!-- /kernel -->)", re.DOTALL)
COLUMNS = ("eligible", "decide", "full", "new", "first")
GENERATED = "json-logic-engine, compiled"
"""Generated code, which is forbidden at edges: reported, and apart from the others."""
RATES = ("core_python", "core_kernel", "batch_python", "batch_kernel", "reading")
RIVALS = ("Eppo", "GrowthBook", "flagd")


class SizeTimes(Struct, kw_only=True):
    """One policy: samples by engine and column, and what engines hold of it."""

    name: str
    offers: int
    requests: int
    bundle_bytes: int
    bundle_gzip_bytes: int
    policy_gzip_bytes: int
    times_us: dict[str, dict[str, list[float]]]
    memory_bytes: dict[str, int] = field(default_factory=dict)

    def quantile_us(self, engine: str, column: str, share: float = 0.5) -> float | None:
        values = sorted(self.times_us.get(engine, {}).get(column, []))
        return values[min(len(values) - 1, int(share * len(values)))] if values else None

    def ratio(self, engine: str, column: str, other: str, other_column: str) -> float:
        """How many times as long as another's column, by p50."""
        above, below = self.quantile_us(engine, column), self.quantile_us(other, other_column)
        return (above or 0.0) / (below or 1.0)


class KernelReport(Struct, kw_only=True):
    machine: dict[str, str]
    code_bytes: dict[str, int]
    sizes: list[SizeTimes] = field(default_factory=list)
    bridge_us: dict[str, dict[str, float]] = field(default_factory=dict)
    """Median of a decision in Pyodide, by policy: `python`, and `kernel` through the bridge."""
    batch: list[BatchTimes] = field(default_factory=list)


def pair(size: SizeTimes, engine: str, column: str) -> str:
    middle, high = size.quantile_us(engine, column), size.quantile_us(engine, column, 0.99)
    if middle is None or high is None:
        return "-"
    return f"{_number(middle)} / {_number(high)}"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else number(value)


# --- targets ----------------------------------------------------------------------


def targets(report: KernelReport) -> list[list[str]]:
    """What was aimed at, what came out, and whether it was reached."""
    return [row for size in report.sizes for row in _targets_of(size)]


def _targets_of(size: SizeTimes) -> list[list[str]]:
    if "thresholds" in size.name:
        return []
    rows = []
    if size.offers >= 1000:
        rows.append(_at_most(size, "eligibility alone, against the bare loop's", "eligible", 2))
    if size.offers == 100:
        rows.append(_at_most(size, "all, against the bare loop's decision", "full", 25))
    if size.offers == 10_000:
        rows.append(_at_most(size, "all, against the bare loop's decision", "full", 4))
    for rival in RIVALS:
        rows.append(_faster(size, rival, 50))
    rows.append(_faster(size, GENERATED, 1))
    return rows


def _at_most(size: SizeTimes, what: str, column: str, limit: int) -> list[str]:
    other = "decide" if column == "full" else column
    ratio = size.ratio("kernel", column, "bare loop", other)
    return [size.name, what, f"at most {limit} times", f"{ratio:.1f} times", _word(ratio <= limit)]


def _faster(size: SizeTimes, rival: str, limit: int) -> list[str]:
    ratio = size.ratio(rival, "decide", "kernel", "decide")
    wanted = f"{limit} times as fast" if limit > 1 else "faster"
    what = f"a decision, against {rival}'s"
    return [size.name, what, wanted, f"{ratio:.1f} times as fast", _word(ratio >= limit)]


def _word(met: bool) -> str:
    return "met" if met else "**missed**"


# --- shown ------------------------------------------------------------------------


def show(report: KernelReport) -> None:
    console = Console(width=170)
    console.print(", ".join(f"{key} {value}" for key, value in report.machine.items()))
    for size in report.sizes:
        table = Table(title=f"{size.name}: microseconds, p50 / p99", title_justify="left")
        for name in ("engine", *COLUMNS, "load ms", "memory MiB"):
            table.add_column(name, justify="left" if name == "engine" else "right")
        for row in _rows(size):
            table.add_row(*row)
        console.print(table)
    for row in targets(report):
        console.print("  ".join(row).replace("**", ""))


def _rows(size: SizeTimes) -> list[list[str]]:
    return [
        [
            engine,
            *(pair(size, engine, column) for column in COLUMNS),
            _load(size, engine),
            _memory(size, engine),
        ]
        for engine in size.times_us
    ]


def _load(size: SizeTimes, engine: str) -> str:
    middle = size.quantile_us(engine, "load")
    return "-" if middle is None else f"{middle / 1000:.1f}"


def _memory(size: SizeTimes, engine: str) -> str:
    known = size.memory_bytes.get(engine)
    return "-" if known is None else f"{known / 2**20:.1f}"


def tables(report: KernelReport) -> str:
    """As Markdown."""
    told = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    head = ["policy", "what", "target", "measured", ""]
    code = report.code_bytes
    parts = [f"{told}.", _markdown(head, targets(report))]
    parts.append(f"Kernel and loader: {code['raw']:,} bytes, {code['gzip']:,} under gzip.")
    for size in report.sizes:
        parts += [f"#### {size.name}", _caption(size)]
        columns = ["engine", *COLUMNS, "load, ms", "memory, MiB"]
        parts.append(_markdown(columns, _rows(size)))
    parts += ["#### In Pyodide, and in batches", *_pythons(report)]
    return "\n" + "\n\n".join(parts) + "\n\n"


def _pythons(report: KernelReport) -> list[str]:
    bridged = [
        [name, _number(us["python"]), _number(us["kernel"])]
        for name, us in report.bridge_us.items()
    ]
    batches = [
        [f"{one.offers:,} offers", *(f"{getattr(one, rate):,.0f}" for rate in RATES)]
        for one in report.batch
    ]
    heads = ["policy", "core, Python", "core, kernel", "batch, Python", "batch, kernel", "csv only"]
    return [
        _markdown(["policy", "Pyodide, us", "through the bridge, us"], bridged),
        "Rows per second; *core*: `decide` alone, *batch*: all of `proffer decide --batch` on CSV:",
        _markdown(heads, batches),
    ]


def _caption(size: SizeTimes) -> str:
    return (
        f"{size.requests} requests again and again; the bundle is {size.bundle_bytes:,} bytes"
        f" ({size.bundle_gzip_bytes:,} under gzip), the same policy as JSON"
        f" {size.policy_gzip_bytes:,} under gzip; microseconds, p50 / p99"
    )


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(report: KernelReport) -> None:
    page = PAGE.read_text()
    if len(MARKED.findall(page)) != 1:
        raise SystemExit(f"{PAGE} has no place for the tables: `<!-- kernel -->`.")
    PAGE.write_text(MARKED.sub(lambda _: tables(report), page))
