"""Charts as geometry: templates turn these into SVG, so they need no script.

Coordinates are in the units of a chart's own view box, rounded to tenths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from control_plane.measurement.profit import Incremental

COLOURS = 8
"""Arms with a colour of their own; the others share the last one."""
NONE_COLOUR = 0


class Block(Struct, frozen=True):
    """A rectangle; `colour` is the number of a CSS class, `title` its tooltip."""

    x: float
    y: float
    width: float
    height: float
    colour: int = 0
    title: str = ""


class Stack(Struct, frozen=True, kw_only=True):
    width: int
    height: int
    blocks: list[Block]


class Line(Struct, frozen=True, kw_only=True):
    """A sparkline: `points` and, closed along the bottom, `area`, as SVG point lists."""

    width: int
    height: int
    points: str
    area: str


class Whisker(Struct, frozen=True, kw_only=True):
    """An interval on an axis with a zero line; `verdict` is gain, loss or unclear."""

    width: int
    height: int
    zero: float
    low: float
    high: float
    point: float
    verdict: str


def colours_of(arms: Sequence[str]) -> dict[str, int]:
    """A colour per arm: "none" the first, then in the given order, the rest the last."""
    others = [arm for arm in arms if arm != "none"]
    colours = {arm: min(number, COLOURS - 1) for number, arm in enumerate(others, 1)}
    return {"none": NONE_COLOUR, **colours}


def stack(
    series: Mapping[str, Sequence[int]],
    colours: Mapping[str, int],
    labels: Mapping[str, str],
    *,
    width: int = 600,
    height: int = 120,
) -> Stack:
    """Each bar shows the shares of the arms in its stretch of time; empty ones stay empty."""
    ordered = sorted(series, key=lambda arm: (colours.get(arm, COLOURS - 1), arm))
    bars = max((len(values) for values in series.values()), default=0)
    blocks: list[Block] = []
    for bar in range(bars):
        total = sum(series[arm][bar] for arm in ordered)
        top = float(height)
        for arm in ordered:
            if count := series[arm][bar]:
                tall = height * count / total
                top -= tall
                title = f"{labels.get(arm, arm)}: {count} of {total} ({count / total:.0%})"
                blocks.append(
                    Block(
                        round(bar * width / bars, 1),
                        round(top, 1),
                        round(width / bars - 1, 1),
                        round(tall, 1),
                        colours.get(arm, COLOURS - 1),
                        title,
                    )
                )
    return Stack(width=width, height=height, blocks=blocks)


def line(values: Sequence[int], *, width: int = 160, height: int = 36) -> Line:
    most = max(values, default=0) or 1
    step = width / max(1, len(values) - 1)
    spots = [
        (round(i * step, 1), round(height - 1 - (height - 2) * value / most, 1))
        for i, value in enumerate(values)
    ]
    points = " ".join(f"{x},{y}" for x, y in spots)
    return Line(
        width=width, height=height, points=points, area=f"0,{height} {points} {width},{height}"
    )


def verdict_of(found: Incremental) -> str:
    if found.low is None or found.high is None:
        return "unclear"
    return "gain" if found.low > 0 else "loss" if found.high < 0 else "unclear"


def whisker(
    found: Incremental, reach: float, *, width: int = 320, height: int = 28
) -> Whisker | None:
    """The interval per unit on an axis from -reach to reach; None while there is none."""
    if found.low is None or found.high is None:
        return None

    def place(value: float) -> float:
        inside = max(-reach, min(reach, value))
        return round(width / 2 + inside / reach * (width / 2 - 4), 1)

    return Whisker(
        width=width,
        height=height,
        zero=place(0),
        low=place(found.low),
        high=place(found.high),
        point=place(found.per_unit),
        verdict=verdict_of(found),
    )


def reach_of(all_found: Sequence[Incremental]) -> float:
    """A round number that all intervals fit within, for one axis for all of them."""
    ends = [end for found in all_found for end in (found.low, found.high) if end is not None]
    most = max(map(abs, ends), default=1.0)
    scale = 0.01
    while True:
        for step in (1, 2, 5):
            if step * scale >= most:
                return step * scale
        scale *= 10
