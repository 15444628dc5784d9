"""What a visitor sees, frame by frame, while a page loads in a throttled Chromium.

Two witnesses: the page itself is asked in every animation frame what is rendered in its slot, and
the browser's own screencast is looked at afterwards, by colour: defaults are red, offers green
(`paint_pages.STYLE`).  `Seen.story` is both in short: "default", "offer" or "" per frame, repeats
left out.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

VIEWPORT = {"width": 800, "height": 600}
SETTLED_MS = 300
"""How long a page is watched after it has shown what it will show."""

WITNESS = """
  window.story = [];
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) window.shifts += value;
  }).observe({ type: "layout-shift", buffered: true });
  const drawn = (node) => node && node.getClientRects().length > 0;
  (function look() {
    const slot = document.querySelector("proffer-slot");
    const now = drawn(slot?.querySelector(".proffer-offer")) ? "offer"
      : drawn(slot?.querySelector(".default")) ? "default" : "";
    if (window.story.at(-1)?.[0] !== now) window.story.push([now, performance.now()]);
    requestAnimationFrame(look);
  })();
"""
READ = """async (pictures) => {
  const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d", { willReadFrequently: true });
  const found = [];
  for (const picture of pictures) {
    const bytes = Uint8Array.from(atob(picture), (char) => char.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    [canvas.width, canvas.height] = [image.width, image.height];
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let red = 0, green = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i] > 200 && data[i + 1] < 60 && data[i + 2] < 60) red++;
      if (data[i] < 60 && data[i + 1] > 200 && data[i + 2] < 60) green++;
    }
    found.push(red > 500 && green > 500 ? "both" : green > 500 ? "offer" : red > 500 ? "default" : "");
  }
  return found;
}"""  # noqa: E501
PAINTS = """() => ({
  fcp_ms: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
  story: window.story, shift: window.shifts,
})"""


class Throttle(Struct, frozen=True):
    """`cpu`: how many times slower; `latency_ms` and `bytes_per_s` of the network."""

    cpu: float = 4
    latency_ms: float = 40
    bytes_per_s: float = 1_250_000


NONE = Throttle(cpu=1, latency_ms=0, bytes_per_s=-1)


class Seen(Struct, frozen=True):
    """`shown_ms`: when the last state of the story was first rendered; `frames`: the
    screencast's, "both" if default and offer were seen in one; `cpu_ms`: what the page's main
    thread has computed until the end."""

    fcp_ms: float
    shown_ms: float
    story: tuple[str, ...]
    frames: tuple[str, ...]
    shift: float
    cpu_ms: float

    @property
    def flickers(self) -> bool:
        return "both" in self.frames or any(
            {"default", "offer"} <= set(told) for told in (self.story, self.frames)
        )


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport=VIEWPORT)  # type: ignore[arg-type]
    context.add_init_script(WITNESS)
    return context


def throttle(session: CDPSession, how: Throttle) -> None:
    session.send("Emulation.setCPUThrottlingRate", {"rate": how.cpu})
    session.send("Network.enable")
    conditions: dict[str, Any] = {"offline": False, "latency": how.latency_ms}
    speed = {"downloadThroughput": how.bytes_per_s, "uploadThroughput": how.bytes_per_s}
    session.send("Network.emulateNetworkConditions", conditions | speed)


def watch(
    context: BrowserContext, url: str, how: Throttle = NONE, *, film: bool = True
) -> tuple[Page, Seen]:
    """Load the page and see what it shows; the page stays open."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    throttle(session, how)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    pictures: list[str] = []

    def keep(event: dict[str, Any]) -> None:
        pictures.append(event["data"])
        session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    if film:
        session.on("Page.screencastFrame", keep)
        session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
    page.goto(url, wait_until="commit")
    while page.evaluate(PAINTS)["fcp_ms"] is None:
        page.wait_for_timeout(20)
    page.wait_for_load_state("domcontentloaded")
    page.wait_for_timeout(SETTLED_MS)
    told = page.evaluate(PAINTS)
    metrics = session.send("Performance.getMetrics")["metrics"]
    if film:
        session.send("Page.stopScreencast")
    story = [state for state, _ in told["story"] if state]
    shown_ms = told["story"][-1][1] if story else told["fcp_ms"]
    frames = read(context, pictures) if film else []
    return page, Seen(
        fcp_ms=told["fcp_ms"],
        shown_ms=max(shown_ms, told["fcp_ms"]),
        story=tuple(story),
        frames=tuple(_distinct(frames)),
        shift=told["shift"],
        cpu_ms=1000 * next(each["value"] for each in metrics if each["name"] == "TaskDuration"),
    )


def read(context: BrowserContext, pictures: list[str]) -> list[str]:
    """What each picture shows; the browser decodes them itself."""
    reader = context.new_page()
    found = reader.evaluate(READ, pictures)
    reader.close()
    return found


def _distinct(frames: list[str]) -> list[str]:
    told = [frame for frame in frames if frame]
    return [frame for i, frame in enumerate(told) if i == 0 or told[i - 1] != frame]
