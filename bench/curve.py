"""How the cost grows: with offers, with attributes, with the share of eligible offers.

python -m bench.curve          draws docs/images/decide.svg from .cache/bench/decide.json
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import Curve, Report
from bench.svg import Chart, Line, page
from bench.workload import ROOT, Shape, workload

if TYPE_CHECKING:
    from bench.runtimes import Runtime

OFFERS = 1000
EXTRA = (0, 12, 24, 36)
PREDICATES = (1, 2, 3, 4, 6)
REQUESTS, WARM = 80, 20
PICTURE = ROOT / "docs" / "images" / "decide.svg"


def curves(places: list[Runtime]) -> list[Curve]:
    """Our side and the naive baseline, at 1,000 offers."""
    by_attributes = Curve(name="attributes")
    for extra in EXTRA:
        _measure(places, by_attributes, Shape(OFFERS, extra=extra), 24.0 + extra)
    by_share = Curve(name="share")
    for count in PREDICATES:
        _measure(places, by_share, Shape(OFFERS, predicates=(count, count)), None)
    by_share.points.sort()
    return [by_attributes, by_share]


def _measure(places: list[Runtime], curve: Curve, shape: Shape, at: float | None) -> None:
    """`at`: where the point stands; without, at the mean eligible share in percent."""
    anyone = (0.0, 1.0) if at is None else None
    load = workload(shape, requests=REQUESTS + WARM, share=anyone)
    for place in places:
        place.open(load)
        place.ask("forget")
        for engine in place.engines:
            outcomes = place.ask("outcomes", engine, list(range(WARM)))
            if at is None:
                at = 100 * sum(len(o[0]) for o in outcomes) / WARM / shape.offers
            rows = list(range(WARM, WARM + REQUESTS))
            times = sorted(place.ask("decides", engine, rows))
            curve.points.append((place.name, engine, at, times[len(times) // 2] / 1000))


def draw(report: Report) -> str:
    """The three charts as one SVG."""
    charts = [_offers_chart(report)]
    titles = {
        "attributes": ("1,000 offers: attributes", "attributes"),
        "share": ("1,000 offers: eligible share", "% of offers eligible"),
    }
    for curve in report.curves:
        title, axis = titles[curve.name]
        names = sorted({(place, engine) for place, engine, _, _ in curve.points})
        lines = [
            Line(_label(*name), [(x, y) for p, e, x, y in curve.points if (p, e) == name])
            for name in names
        ]
        charts.append(Chart(title, axis, lines))
    return page(charts)


def _offers_chart(report: Report) -> Chart:
    lines: dict[str, list[tuple[float, float]]] = {}
    for size in report.sizes:
        for cell in size.cells:
            if (time := cell.quantile_us("decide", 0.5)) is not None:
                points = lines.setdefault(_label(cell.runtime, cell.engine), [])
                points.append((float(size.offers), time))
    return Chart("offers", "offers", [Line(name, points) for name, points in lines.items()])


def _label(runtime: str, engine: str) -> str:
    names = {"ours": "Proffer", "naive": "naive"}
    return f"{names[engine]}, {runtime}" if engine in names else engine
