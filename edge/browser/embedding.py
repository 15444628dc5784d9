"""What a page says to the browser's scripts, as HTML for its head.

A shop's server (or its build, for pages that a cache keeps) verifies the browser's policy like any
edge, by `edge.decision.trust`, and writes with it

    <script type="application/json" id="proffer"> PageSettings </script>
    <script id="proffer-kernel" src="/_proffer/first.<hash>.js" integrity="..." async
      blocking="render" fetchpriority="high"></script>
    <script> the head snippet </script>
    <script src="/_proffer/page.js" defer></script>

The bundle in a page is as trusted as the page.  A page that only names it by its SHA-256 stays
small; the browser keeps the bundle then, with consent, and is held to that digest.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256, sha384
from html import escape
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.request_json import Json
from edge.decision.trust import Trusted
from edge.scripts import kernel_script_address

HERE = Path(__file__).parent


class PageSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """index.d.ts tells the same to authors of pages.

    `manifest`: the manifest block; without it the kernel decides nothing.  `bundle`: its bytes, or
    `sha256` (hexadecimal) and `url`: where it is.  `consent` "": whatever a consent tool says.
    `hosts`: other hosts that offers may link to.  `boxes`: placement -> height in CSS pixels.
    `records`: where decisions taken in the page are reported, "" for nowhere.
    """

    manifest: bytes = b""
    bundle: bytes = b""
    sha256: str = ""
    url: str = ""
    visitor: str = ""
    customer: str = ""
    session: str = ""
    consent: str = ""
    locale: str = ""
    attributes: Mapping[str, Json] = {}
    hosts: tuple[str, ...] = ()
    boxes: Mapping[str, int] = {}
    records: str = ""
    wait_ms: int = 150
    exposure_ms: int = 1000


def settings_of(policy: Trusted, data: bytes, url: str = "") -> PageSettings:
    """The policy's part of a page: a bundle of it, or with `url` only its name and address.

    Raises `ValueError` for bytes that are no bundle of this policy.
    """
    digest = sha256(data).hexdigest()
    bundle = policy.bundles.get(digest)
    if bundle is None:
        raise ValueError(f"bundle {digest} is not one that the policy names")
    boxes = boxes_of(bundle)
    if url:
        return PageSettings(manifest=policy.block, boxes=boxes, sha256=digest, url=url)
    return PageSettings(manifest=policy.block, boxes=boxes, bundle=data)


def boxes_of(bundle: Bundle) -> dict[str, int]:
    """The height that each placement reserves."""
    notes = bundle.notes.placements
    heights = {name: notes[row].height for name, row in bundle.placement_rows.items()}
    return {name: height for name, height in heights.items() if height}


def settings_html(settings: PageSettings) -> str:
    """A block of data: no security policy forbids it, and no text in it ends it."""
    text = msgspec.json.encode(settings).decode().replace("<", "\\u003c")
    return f'<script type="application/json" id="proffer">{text}</script>'


def head_html(
    settings: PageSettings,
    script: str = "",
    page_script: str = "/_proffer/page.js",
    nonce: str = "",
    plain: bool = False,
) -> str:
    """Everything that the page's head needs; `script`: where `first.min.js` is served, or
    with `plain` the one for pages whose security policy forbids wasm.  "" is the edge's own
    address for it, which names its content: an edge of this version has it.

    `nonce`: of the page's Content-Security-Policy, for the snippet; without one the policy
    names the snippet by its hash (`snippet_hash`).
    """
    own = f' nonce="{escape(nonce)}"' if nonce else ""
    address = script or kernel_script_address(plain)
    kernel = f'src="{escape(address)}" integrity="{integrity_of(first_script(plain))}"'
    return (
        f"{settings_html(settings)}\n"
        f'<script id="proffer-kernel" {kernel} async blocking="render"'
        f' fetchpriority="high"{own}></script>\n'
        f"<script{own}>{snippet()}</script>\n"
        f'<script src="{escape(page_script)}" defer{own}></script>'
    )


def inline_html(
    settings: PageSettings, page_script: str = "/_proffer/page.js", nonce: str = ""
) -> str:
    """The same for pages that hold the kernel too, and wait for nothing at all."""
    own = f' nonce="{escape(nonce)}"' if nonce else ""
    return (
        f"{settings_html(settings)}\n"
        f"<script{own}>{snippet()}{first_script().decode()}</script>\n"
        f'<script src="{escape(page_script)}" defer{own}></script>'
    )


def snippet() -> str:
    return (HERE / "head.min.js").read_text().strip()


def snippet_hash() -> str:
    """For a Content-Security-Policy without nonces: `script-src 'sha384-...'`."""
    return f"'{integrity_of(snippet().encode())}'"


def first_script(plain: bool = False) -> bytes:
    return (HERE / ("first-plain.min.js" if plain else "first.min.js")).read_bytes()


def integrity_of(script: bytes) -> str:
    return f"sha384-{b64encode(sha384(script).digest()).decode()}"
