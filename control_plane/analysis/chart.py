"""The report as a picture: one panel per measure, a line per offer version, a point per day.

SVG text, made here: no library and no script.  Points tell their numbers when a pointer
rests on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from html import escape

from msgspec import Struct

from control_plane.analysis.report import Day, Figures, Report, Total
from control_plane.money import decimal_text

WIDTH, PANEL_HEIGHT = 960, 190
LEFT, RIGHT, TOP, BOTTOM = 84, 16, 30, 28
LEGEND_PX, LEGEND_COLUMNS = 20, 2
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7b3294")
"""Apart for colour-blind eyes, too (after Okabe and Ito)."""
REST_COLOR = "#6b7280"
TICKS, DATES = 4, 8
MILLION = 1_000_000

Named = tuple[str, str, str]
"""Placement, offer, version."""


class Panel(Struct, frozen=True):
    """A measure: its title, how it is read off figures, and how a value is written."""

    title: str
    value: Callable[[Figures], int]
    write: Callable[[int], str]


class Line(Struct, frozen=True):
    name: str
    color: str
    days: list[Day]


def svg(report: Report) -> str:
    """The picture.  An empty report gives one that says so."""
    days = _span(report)
    if not days:
        return _document(60, [_text(WIDTH / 2, 34, "Nothing was shown in this time.")])
    lines = _lines(report)
    rows = -(-len(lines) // LEGEND_COLUMNS)
    head = rows * LEGEND_PX + 14
    body = [_legend(line, index) for index, line in enumerate(lines)]
    panels = _panels(report)
    for index, panel in enumerate(panels):
        body += _panel(panel, lines, days, head + index * PANEL_HEIGHT)
    return _document(head + len(panels) * PANEL_HEIGHT, body)


def _document(height: float, body: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
        f' width="{WIDTH}" height="{height:.0f}" role="img"'
        ' aria-label="Offer versions by day" font-family="system-ui, sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _panels(report: Report) -> list[Panel]:
    currency = ", ".join(report.currencies)
    unit = f" ({currency})" if currency else ""
    return [
        Panel("Exposures", lambda row: row.exposures, lambda value: f"{value:,}"),
        Panel("Redemptions", lambda row: row.redemptions, lambda value: f"{value:,}"),
        Panel(f"Profit of credited orders{unit}", lambda row: row.profit_micros, decimal_text),
    ]


def _span(report: Report) -> list[str]:
    """Every day from the first to the last."""
    told = sorted({row.day for row in report.days})
    if not told:
        return []
    first, last = date.fromisoformat(told[0]), date.fromisoformat(told[-1])
    return [(first + timedelta(days=at)).isoformat() for at in range((last - first).days + 1)]


def _lines(report: Report) -> list[Line]:
    """The versions that were seen most have lines of their own, the others share one."""
    most = sorted(report.versions, key=lambda t: (-t.exposures, -t.orders))[: len(COLORS)]
    chosen = [total for total in report.versions if total in most]
    lines = [
        Line(label(total), color, _of(report, {_named(total)}))
        for total, color in zip(chosen, COLORS, strict=False)
    ]
    rest = {_named(total) for total in report.versions} - {_named(total) for total in chosen}
    if rest:
        lines.append(Line(f"{len(rest)} others together", REST_COLOR, _of(report, rest)))
    return lines


def _of(report: Report, wanted: set[Named]) -> list[Day]:
    return [row for row in report.days if _named(row) in wanted]


def _named(row: Figures) -> Named:
    return row.placement, row.offer, row.version


def label(total: Total) -> str:
    return f"{total.offer} {total.version} in {total.placement}"


def _panel(panel: Panel, lines: Sequence[Line], days: list[str], top: float) -> list[str]:
    values = [[_on(panel, line, day) for day in days] for line in lines]
    scale = _Scale(min(0, *map(min, values)), max(1, *map(max, values)), top)
    parts = [_text(LEFT, top + 18, panel.title, "start", bold=True)]
    for tick in scale.ticks:
        y = scale.y(tick)
        color = "#9ca3af" if tick == 0 else "#e5e7eb"
        parts.append(_rule(LEFT, y, WIDTH - RIGHT, y, color))
        parts.append(_text(LEFT - 8, y + 4, panel.write(tick), "end"))
    step = -(-len(days) // DATES)
    for at in range(0, len(days), step):
        parts.append(_text(_x(at, days), top + PANEL_HEIGHT - 8, days[at]))
    for line, row in zip(lines, values, strict=True):
        parts += _drawn(panel, line, row, days, scale)
    return parts


def _on(panel: Panel, line: Line, day: str) -> int:
    return sum(panel.value(row) for row in line.days if row.day == day)


class _Scale:
    """From values to pixels, with round ticks around them."""

    def __init__(self, low: int, high: int, top: float) -> None:
        step = _round_step(high - low)
        self.low, self.high = low // step * step, -(-high // step) * step
        self.ticks = range(self.low, self.high + 1, step)
        self._top = top + TOP
        self._height = PANEL_HEIGHT - TOP - BOTTOM

    def y(self, value: int) -> float:
        return self._top + self._height * (self.high - value) / (self.high - self.low)


def _round_step(span: int) -> int:
    """1, 2 or 5 times a power of ten, for about `TICKS` steps."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if span <= factor * power * TICKS:
                return factor * power
        power *= 10


def _x(at: int, days: list[str]) -> float:
    inner = WIDTH - LEFT - RIGHT - 60
    return LEFT + 30 + (inner * at / (len(days) - 1) if len(days) > 1 else inner / 2)


def _drawn(
    panel: Panel, line: Line, values: list[int], days: list[str], scale: _Scale
) -> list[str]:
    """A line begins with its version: before, there was none to be seen."""
    began = days.index(min(row.day for row in line.days))
    days_left = days[began:]
    points = [
        (_x(at, days), scale.y(value)) for at, value in enumerate(values[began:], start=began)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{line.color}" stroke-width="2"/>']
    for (x, y), value, day in zip(points, values[began:], days_left, strict=True):
        told = escape(f"{day}: {panel.write(value)}, {line.name}")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.color}">'
            f"<title>{told}</title></circle>"
        )
    return parts


def _legend(line: Line, index: int) -> str:
    x = LEFT + index % LEGEND_COLUMNS * (WIDTH - LEFT) / LEGEND_COLUMNS
    y = 16 + index // LEGEND_COLUMNS * LEGEND_PX
    swatch = (
        f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="18" height="10" rx="2" fill="{line.color}"/>'
    )
    return swatch + _text(x + 24, y, line.name, "start")


def _rule(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight} fill="#111827">'
        f"{escape(text)}</text>"
    )
