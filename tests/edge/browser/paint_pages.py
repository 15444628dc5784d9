"""One shop page in every way that Proffer knows, and in those in which it fails.

Each way is the same HTML with the same style sheet: a heading, a slot with its box, and so much
text that the page is painted before it is complete.  Defaults are red, offers green.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct, structs

from edge.browser.embedding import PageSettings, head_html, inline_html, snippet_hash
from tests.edge.browser.site import (
    BUNDLE,
    FIRST,
    NONCE,
    TYPES,
    Answer,
    Site,
    a_page,
    pocket_for_browsers,
    settings_for,
)

STYLE = b"""
  body { margin: 0; font: 16px sans-serif }
  proffer-slot, .slot { display: block; height: 240px; overflow: hidden }
  .default { margin: 0; height: 240px; background: rgb(255, 0, 0) }
  .proffer-offer { height: 240px; background: rgb(0, 255, 0) }
  .proffer-offer img { display: block; width: 64px; height: 64px }
"""
SHEET = '<link rel="stylesheet" href="/s/shop.css">'
PRELOAD = '<link rel="preload" as="style" href="/s/shop.css">'
SLOT = '<proffer-slot placement="hero"><p class="default">the default</p></proffer-slot>'
BARE = '<div class="slot"><p class="default">the default</p></div>'
TEXT = "".join(f"<p>Line {n}: {'lorem ipsum dolor sit amet ' * 8}</p>" for n in range(100))
BUTTON = '<button id="own" type="button">The shop\'s own</button>'
OWN = "/s/own.js"
OWN_SCRIPT = b"""
  document.getElementById("own").addEventListener("click", () => { document.title = "usable"; });
"""
HYDRATE = "/s/hydrate.js"
HYDRATE_SCRIPT = b"""
  // As a framework does: the same markup once more, without what the edge wrote into it.
  const old = document.querySelector("proffer-slot"), fresh = old.cloneNode(false);
  for (const name of Object.keys(fresh.dataset)) delete fresh.dataset[name];
  const text = document.createElement("p");
  text.className = "default";
  text.textContent = "the default";
  fresh.append(text);
  old.replaceWith(fresh);
"""
ONLY_OWN = f"default-src 'none'; style-src 'self'; script-src {snippet_hash()} SITE{OWN}"
"""A policy under which neither the kernel script nor the page script may run."""


def page_of(head: str, after: str = "", slot: str = SLOT) -> str:
    """Ours stands before the style sheet: what we do is done while that is on its way."""
    own = f'<script src="{OWN}" defer></script>'
    return a_page(head + SHEET + own, slot, BUTTON, TEXT, after)


def install(site: Site, wait_ms: int = 150) -> None:
    """The page without Proffer at /bare, for an edge at /plain, and in every other way."""
    inline = settings_for(pocket_for_browsers(), wait_ms=wait_ms)
    digest = sha256(pocket_for_browsers()).hexdigest()
    stored = structs.replace(inline, bundle=b"", sha256=digest, url=BUNDLE)
    broken = structs.replace(inline, bundle=pocket_for_browsers()[:-40] + bytes(40))
    site.answers["/s/shop.css"] = Answer(STYLE, TYPES["css"])
    site.answers[OWN] = Answer(OWN_SCRIPT, TYPES["js"])
    site.answers[HYDRATE] = Answer(HYDRATE_SCRIPT, TYPES["js"])
    site.put("/bare", page_of("", slot=BARE))
    site.put("/plain", page_of(""))
    site.put("/inline", page_of(PRELOAD + inline_html(inline, nonce=NONCE)))
    site.put("/script", page_of(_head(inline)))
    site.put("/stored", page_of(_head(stored)))
    site.put("/tampered", page_of(_head(broken)))
    site.put("/blocked", page_of(head_html(inline, FIRST)), ONLY_OWN.replace("SITE", site.url))
    site.put("/missing", page_of(_head(inline, "/s/missing.js")))
    site.put("/hung", page_of(_head(inline, "/s/hung.js")))
    site.answers["/s/hung.js"] = site.answers[FIRST]
    site.put("/hydrated", page_of("", f'<script type="module" src="{HYDRATE}"></script>'))


def _head(settings: PageSettings, script: str = FIRST) -> str:
    return head_html(settings, script, nonce=NONCE)


class Way(Struct, frozen=True):
    """How a page comes: its path, by the edge or not, after `before`, which prepares the site."""

    name: str
    path: str
    by_edge: bool = False
    warm: bool = False
    shows: str = "offer"
    before: Callable[[Site], None] | None = None


def hang_script(site: Site) -> None:
    site.slow_s["/s/hung.js"] = 4.0


def hang_bundle(site: Site) -> None:
    site.slow_s[BUNDLE] = 4.0


WAYS = (
    Way("filled at the edge, cold", "/plain", by_edge=True),
    Way("filled at the edge, warm", "/plain", by_edge=True, warm=True),
    Way("kernel inline, cold", "/inline"),
    Way("kernel inline, warm", "/inline", warm=True),
    Way("kernel script, cold", "/script"),
    Way("kernel script, warm", "/script", warm=True),
    Way("stored bundle, warm", "/stored", warm=True),
    Way("filled and hydrated, cold", "/hydrated", by_edge=True),
    Way("filled and hydrated, warm", "/hydrated", by_edge=True, warm=True),
)
FAILURES = (
    Way("script blocked by the page's policy", "/blocked", shows="default"),
    Way("script missing", "/missing", shows="default"),
    Way("script hangs", "/hung", shows="default", before=hang_script),
    Way("bundle hangs", "/stored", shows="default", before=hang_bundle),
    Way("bundle tampered with", "/tampered", shows="default"),
)
"""And the control plane that is down, for which the edge itself is another one."""
