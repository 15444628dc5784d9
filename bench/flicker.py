"""What a visitor waits for Proffer, and whether anything flickers, in a real Chromium.

python -m bench.flicker [--rounds N] [--film N] [--cpu N] [--ways PART] [--phone TIER]
                        [--write FILE]

Every way in which a page gets its offer is loaded in turn with the same page without Proffer, from
the same server (for a page that an edge fills: through that edge, which finds no slot in it), with
a processor slowed to a phone's (`phone.py`) and a network of 10 Mbit/s and 40 ms; a *cold* visitor
has an empty cache, a *warm* one was here before.  One round loads both, once in each order, since
the second load of a pair finds a browser that the first has warmed; its difference is the mean of
the two.
Told are medians over the rounds, of first contentful paint and of the difference, with the 95 %
interval that 4,000 bootstrap samples of the rounds give for its median: `added` is proved to be
within 20 ms where the whole interval is.  `least` is the difference between the fastest load with
and the fastest without, since whatever else the machine does only adds.  `cpu` is the median of
what the page's main thread computes in addition, before and after the paint, without throttling.
Some loads are filmed, apart from those that are timed: a screencast costs time.

Ways that fail (a blocked, missing or hung script, a hung or broken bundle, no control plane) are
measured by when the default was seen.

Needs what `make test` needs.  The pages and the witness are those of tests/edge/browser.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median

from msgspec import Struct, to_builtins
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from bench.phone import INDEX, slowdown
from tests.edge.browser import paint_pages
from tests.edge.browser.frames import NONE, Seen, Throttle, new_context, watch
from tests.edge.browser.paint_pages import FAILURES, WAYS, Way
from tests.edge.browser.site import Site, serving
from tests.support import parts
from tests.support.chromium import arguments
from tests.support.edges import World, world

DOWN = Way("control plane down (edge)", "/plain", by_edge=True, shows="default")
ALLOWED_MS = 20
FAILED_MS = 150
SAMPLES = 4000


class Line(Struct):
    """`ours_ms`, `plain_ms`: medians of first contentful paint (of failures: of the default's
    first frame); `added_ms`: median of the rounds' differences, and its interval."""

    way: str
    rounds: int
    plain_ms: float
    ours_ms: float
    added_ms: float
    added_low_ms: float
    added_high_ms: float
    added_least_ms: float
    added_cpu_ms: float
    allowed_ms: float
    flickers: int
    loads: int
    shift: float


class Shop:
    """The pages, the edge before them, and one whose control plane is away."""

    def __init__(self, site: Site, edge: World, lonely: World) -> None:
        self.site, self.edge, self.lonely = site, edge, lonely

    def url(self, way: Way) -> str:
        if way is DOWN:
            return self.lonely.url + way.path
        return (self.edge.url if way.by_edge else self.site.url) + way.path

    def bare(self, way: Way) -> str:
        """The same page without Proffer, from the same server."""
        return self.url(way).removesuffix(way.path) + "/bare"


@contextmanager
def shop() -> Iterator[Shop]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        site = stack.enter_context(serving(None))
        edge = stack.enter_context(world(folder / "edge", origin_url=site.url))
        lonely = stack.enter_context(
            world(folder / "lonely", published=False, origin_url=site.url,
                  control_url="http://127.0.0.1:9")
        )  # fmt: skip
        site.edge = edge
        paint_pages.install(site)
        yield Shop(site, edge, lonely)


@contextmanager
def visitor(browser: Browser, urls: list[str], warm: bool) -> Iterator[BrowserContext]:
    """One who was at these pages before, if `warm`."""
    context = new_context(browser)
    for url in urls if warm else []:
        page, _ = watch(context, url, film=False)
        if url.endswith("/stored"):
            while page.evaluate("!localStorage['proffer.bundle']"):
                page.wait_for_timeout(50)
        page.close()
    yield context
    context.close()


def load(context: BrowserContext, url: str, how: Throttle, *, film: bool = False) -> Seen:
    page, seen = watch(context, url, how, film=film)
    page.close()
    return seen


Pairs = list[tuple[Seen, Seen]]


def measure(
    browser: Browser, shop: Shop, way: Way, phone: Throttle, counts: argparse.Namespace
) -> Line:
    slow = pairs(browser, shop, way, 2 * counts.rounds, phone)
    unhindered = pairs(browser, shop, way, counts.cpu, NONE)
    filmed = []
    for _ in range(counts.film):
        with visitor(browser, [shop.url(way)], way.warm) as context:
            filmed.append(load(context, shop.url(way), phone, film=True))
    return line_of(way, slow, unhindered, filmed)


def pairs(browser: Browser, shop: Shop, way: Way, count: int, how: Throttle) -> Pairs:
    """Without Proffer and with it, each pair by a visitor of its own, in alternating order."""
    urls, found = [shop.bare(way), shop.url(way)], []
    for turn in range(count):
        shop.site.slow_s.clear()
        if way.before:
            way.before(shop.site)
        with visitor(browser, urls, way.warm) as context:
            order = urls if turn % 2 else urls[::-1]
            seen = {url: load(context, url, how) for url in order}
        found.append((seen[urls[0]], seen[urls[1]]))
    return found


def interval(differences: list[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of their median."""
    chance = random.Random(20261122)
    medians = sorted(
        median(chance.choices(differences, k=len(differences))) for _ in range(SAMPLES)
    )
    return medians[SAMPLES // 40], medians[-SAMPLES // 40]


def line_of(way: Way, pairs: Pairs, unhindered: Pairs, filmed: list[Seen]) -> Line:
    failed = way.shows == "default"
    time_of = (lambda seen: seen.shown_ms) if failed else (lambda seen: seen.fcp_ms)
    ours = [seen for _, seen in (*pairs, *unhindered)] + filmed
    for seen in ours:
        if seen.story != (way.shows,):
            print(f"  {way.name}: showed {seen.story} instead of {way.shows}", file=sys.stderr)
    each = [time_of(seen) - time_of(plain) for plain, seen in pairs]
    differences = [mean(both) for both in zip(each[::2], each[1::2], strict=True)]
    low_ms, high_ms = interval(differences)
    return Line(
        way=way.name,
        rounds=len(differences),
        plain_ms=median(time_of(plain) for plain, _ in pairs),
        ours_ms=median(time_of(seen) for _, seen in pairs),
        added_ms=median(differences),
        added_low_ms=low_ms,
        added_high_ms=high_ms,
        added_least_ms=(
            min(time_of(seen) for _, seen in pairs) - min(time_of(plain) for plain, _ in pairs)
        ),
        added_cpu_ms=median(seen.cpu_ms - plain.cpu_ms for plain, seen in unhindered),
        allowed_ms=FAILED_MS if failed else ALLOWED_MS,
        flickers=sum(seen.flickers for seen in ours),
        loads=len(ours),
        shift=max(seen.shift for seen in ours),
    )


def told(line: Line) -> str:
    span = f"{line.added_low_ms:+.0f} to {line.added_high_ms:+.0f}"
    return (
        f"{line.way:<38} {line.plain_ms:7.0f} {line.ours_ms:7.0f} {line.added_ms:+7.0f}"
        f" {span:>14} {line.added_least_ms:+6.0f} {line.added_cpu_ms:+6.1f}"
        f"  {line.flickers:3d} of {line.loads:<3d} {line.shift:7.4f}{verdict(line)}"
    )


def verdict(line: Line) -> str:
    limit = f"{line.allowed_ms:.0f} ms"
    if line.added_high_ms <= line.allowed_ms:
        return f"  within {limit}"
    return f"  over {limit}" if line.added_low_ms > line.allowed_ms else "  not resolved"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.flicker", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="of two pairs each")
    parser.add_argument("--film", type=int, default=3)
    parser.add_argument("--cpu", type=int, default=5, help="loads without throttling")
    parser.add_argument("--ways", default="", help="only ways whose name holds this")
    parser.add_argument("--phone", choices=sorted(INDEX), default="mid")
    parser.add_argument("--write", type=Path, help="also as JSON, to this file")
    chosen = parser.parse_args(argv)
    heads = f"{'plain':>7} {'ours':>7} {'added':>7} {'95 %':>14} {'least':>6} {'cpu':>6}"
    print(f"{'way':<38} {heads}  flickered    shift")
    lines: list[Line] = []
    with sync_playwright() as playwright, shop() as made:
        browser = playwright.chromium.launch(executable_path=parts.chromium(), args=arguments())
        phone = replace(Throttle(), cpu=slowdown(browser, chosen.phone))
        print(f"a {chosen.phone}-tier phone: the processor {phone.cpu} times slower")
        for way in (*WAYS, *FAILURES, DOWN):
            if chosen.ways in way.name:
                lines.append(measure(browser, made, way, phone, chosen))
                print(told(lines[-1]), flush=True)
        browser.close()
    if chosen.write:
        chosen.write.write_text(json.dumps(to_builtins(lines), indent=1) + "\n")
    return int(any(line.flickers or line.shift for line in lines))


if __name__ == "__main__":
    sys.exit(main())
