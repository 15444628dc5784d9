"""Line charts with logarithmic axes, as SVG text: a few lines instead of a library."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10

from msgspec import Struct

WIDTH, HEIGHT, GAP = 380, 300, 16
LEFT, TOP, BOTTOM = 56, 34, 44
LEGEND_PX = 20
COLORS = {
    "Proffer, Pyodide": "#c2410c",
    "Proffer, CPython": "#f59e0b",
    "naive, Pyodide": "#6b7280",
    "naive, CPython": "#9ca3af",
    "GrowthBook": "#2563eb",
    "Eppo": "#7c3aed",
    "json-logic-engine": "#0d9488",
    "json-logic-engine, compiled": "#65a30d",
}


class Line(Struct):
    name: str
    points: list[tuple[float, float]]


class Chart(Struct):
    """x as `axis` says, y in microseconds."""

    title: str
    axis: str
    lines: list[Line]


def page(charts: list[Chart]) -> str:
    """The charts side by side, under them one legend."""
    names = list(dict.fromkeys(line.name for chart in charts for line in chart.lines))
    names.sort(key=lambda name: list(COLORS).index(name) if name in COLORS else len(COLORS))
    width = len(charts) * (WIDTH + GAP)
    rows = ceil(len(names) / 4)
    height = HEIGHT + 12 + rows * LEGEND_PX
    body = [_chart(chart, index * (WIDTH + GAP)) for index, chart in enumerate(charts)]
    body += [_legend(name, index, width / 4) for index, name in enumerate(names)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _chart(chart: Chart, left: float) -> str:
    xs = [x for line in chart.lines for x, _ in line.points]
    ys = [y for line in chart.lines for _, y in line.points]
    low_x, high_x = log10(min(xs)), log10(max(xs))
    low_y, high_y = floor(log10(min(ys))), ceil(log10(max(ys)))
    inner_x, inner_y = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM

    def at_x(x: float) -> float:
        return left + LEFT + inner_x * (log10(x) - low_x) / (high_x - low_x or 1)

    def at_y(y: float) -> float:
        return TOP + inner_y * (high_y - log10(y)) / (high_y - low_y or 1)

    parts = [_text(left + LEFT, 20, f"Decision, p50, by {chart.title}", "start", bold=True)]
    for power in range(low_y, high_y + 1):
        y = at_y(10**power)
        parts.append(_rule(left + LEFT, y, left + WIDTH - 12, y))
        parts.append(_text(left + LEFT - 6, y + 4, _time(power), "end"))
    for x in sorted(set(xs)):
        parts.append(_text(at_x(x), HEIGHT - BOTTOM + 18, f"{x:,.3g}" if x < 1000 else f"{x:,.0f}"))
    parts.append(_text(left + LEFT + inner_x / 2, HEIGHT - 6, chart.axis))
    for line in chart.lines:
        points = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in sorted(line.points))
        color = COLORS.get(line.name, "black")
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
    return "\n".join(parts)


def _time(power: int) -> str:
    """10^power microseconds."""
    return f"{10**power:,} µs" if power < 3 else f"{10 ** (power - 3):,} ms"


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#e5e7eb"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _legend(name: str, index: int, width: float) -> str:
    x, y = 20 + index % 4 * width, HEIGHT + 16 + index // 4 * LEGEND_PX
    color = COLORS.get(name, "black")
    swatch = f'<line x1="{x}" y1="{y}" x2="{x + 20}" y2="{y}" stroke="{color}" stroke-width="3"/>'
    return swatch + _text(x + 26, y + 4, name, "start")
