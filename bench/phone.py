"""How much this machine's processor must be slowed to be a phone's.

A factor such as "four times slower" means another phone on every machine.  So the browser is
first measured as Lighthouse measures it (its BenchmarkIndex: strings of 10,000 characters built
per second, and arrays of 100,000 numbers copied per second, a tenth of each, averaged), and the
factor is what brings it to the index that Chromium's DevTools calls a mid-tier phone, 1,000, or a
low-tier one, 264 (`front_end/panels/mobile_throttling/CalibrationController.ts`).
"""

from __future__ import annotations

from statistics import median
from typing import Literal

from playwright.sync_api import Browser

Tier = Literal["mid", "low"]
INDEX: dict[Tier, float] = {"mid": 1000, "low": 264}
LOOKS = 5
LOOK = """() => {
  const rate = (work, most = 500) => {
    let done = 0, took;
    const began = Date.now();
    do for (let i = 0; i < 10; i++, done++) work(done); while ((took = Date.now() - began) < most);
    return done * 100 / took;
  };
  const grow = () => {
    let text = "";
    for (let i = 0; i < 10000; i++) text += "a";
    if (text.length === 1) throw new Error("so that the loop is not left out");
  };
  const [one, other] = [[], []];
  for (let i = 0; i < 100000; i++) one[i] = other[i] = i;
  const copy = (turn) => {
    const [from, to] = turn % 2 ? [other, one] : [one, other];
    for (let i = 0; i < from.length; i++) to[i] = from[i];
  };
  return (rate(grow) + rate(copy)) / 2;
}"""


def benchmark_index(browser: Browser) -> float:
    """Of the browser on this machine as it is now; other work makes it less."""
    page = browser.new_page()
    looks = [page.evaluate(LOOK) for _ in range(LOOKS)]
    page.close()
    return median(looks)


def slowdown(browser: Browser, tier: Tier) -> float:
    """How many times slower the processor must be; 1 where it is no faster anyway."""
    return max(1.0, round(benchmark_index(browser) / INDEX[tier], 1))
