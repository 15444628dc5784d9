"""What was measured, and how it is shown."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field
from rich.console import Console
from rich.table import Table

EQUAL = ("eligible", "score", "choose")
"""What all engines do: its sum is the column `equal`."""
COLUMNS = (
    *("encode", "unpack", "eligible", "score", "hash", "choose", "equal"),
    *("decide", "record", "cold"),
)
OPENING = ("open bundle", "open dicts", "open structs")


class Cell(Struct, kw_only=True):
    """One engine in one runtime: nanoseconds by column."""

    runtime: str
    engine: str
    times_ns: dict[str, list[int]] = field(default_factory=dict)

    def add(self, column: str, values_ns: list[int]) -> None:
        self.times_ns.setdefault(column, []).extend(values_ns)

    def add_stages(self, requests: list[dict[str, int]]) -> None:
        for stages in requests:
            for column, value in stages.items():
                self.add(column, [value])
            self.add("equal", [sum(stages[column] for column in EQUAL)])

    def quantile_us(self, column: str, share: float) -> float | None:
        values = sorted(self.times_ns.get(column, []))
        return values[min(len(values) - 1, int(share * len(values)))] / 1000 if values else None


class SizeReport(Struct, kw_only=True):
    offers: int
    bundle_bytes: int
    requests: int
    eligible_share: float = 0.0
    cells: list[Cell] = field(default_factory=list)

    def cell(self, runtime: str, engine: str) -> Cell:
        for cell in self.cells:
            if (cell.runtime, cell.engine) == (runtime, engine):
                return cell
        self.cells.append(Cell(runtime=runtime, engine=engine))
        return self.cells[-1]

    def median_us(self, runtime: str, engine: str, column: str) -> float | None:
        """None if it was not measured."""
        for cell in self.cells:
            if (cell.runtime, cell.engine) == (runtime, engine):
                return cell.quantile_us(column, 0.5)
        return None


class Curve(Struct, kw_only=True):
    """How long a decision takes by something; points are (runtime, engine, x, microseconds)."""

    name: str
    points: list[tuple[str, str, float, float]] = field(default_factory=list)


class Report(Struct, kw_only=True):
    machine: dict[str, str]
    sizes: list[SizeReport] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    memory: dict[str, list[int]] = field(default_factory=dict)
    """Resident bytes after a tenth, a half and all decisions, by runtime."""


def machine() -> dict[str, str]:
    cpu = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu[0].split(":")[1].strip() if cpu else platform.processor(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "node": node,
    }


def show(report: Report) -> None:
    console = Console(width=190)
    console.print(", ".join(f"{key} {value}" for key, value in report.machine.items()))
    for size in report.sizes:
        console.print(_table(size))
    if any(size.cells[0].times_ns.get("open bundle") for size in report.sizes):
        console.print(_opening(report))
    for name, sizes in report.memory.items():
        told = ", ".join(f"{each / 2**20:.1f}" for each in sizes)
        console.print(f"memory, {name}: {told} MiB resident after a tenth, half and all decisions")


def _table(size: SizeReport) -> Table:
    reference = "Pyodide" if size.median_us("Pyodide", "ours", "decide") else "CPython"
    base = size.median_us(reference, "ours", "decide") or 1.0
    table = Table(
        title=f"{size.offers} offers, {size.eligible_share:.1%} eligible: microseconds, p50 / p99",
        title_justify="left",
    )
    for name in ("runtime", "engine", *COLUMNS, f"x ours in {reference}"):
        table.add_column(name, justify="left" if name in ("runtime", "engine") else "right")
    for cell in size.cells:
        ratio = (cell.quantile_us("decide", 0.5) or 0.0) / base
        cells = [pair(cell, column) for column in COLUMNS]
        table.add_row(cell.runtime, cell.engine, *cells, f"{ratio:.2f}")
    return table


def pair(cell: Cell, column: str) -> str:
    middle, high = cell.quantile_us(column, 0.5), cell.quantile_us(column, 0.99)
    return "-" if middle is None or high is None else f"{number(middle)} / {number(high)}"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _opening(report: Report) -> Table:
    table = Table(title="opening: milliseconds, p50 / p99", title_justify="left")
    for name in ("offers", "runtime", "bundle", "JSON to dicts", "JSON to Structs"):
        table.add_column(name, justify="right")
    for size in report.sizes:
        for cell in size.cells:
            if "open bundle" in cell.times_ns:
                columns = [_pair_ms(cell, column) for column in OPENING]
                table.add_row(str(size.offers), cell.runtime, *columns)
    return table


def _pair_ms(cell: Cell, column: str) -> str:
    middle, high = cell.quantile_us(column, 0.5), cell.quantile_us(column, 0.99)
    return f"{(middle or 0) / 1000:.2f} / {(high or 0) / 1000:.2f}"
