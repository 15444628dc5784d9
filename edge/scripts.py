"""The scripts that an edge serves to pages.

    page.js                  the page script; its address stays, so it is asked for again every hour
    first.<hash>.js          the kernel script, which decides before the first paint
    first-plain.<hash>.js    the same for pages whose security policy forbids wasm

The last two are named by what is in them, so caches keep them for ever; pages name them with
their hash (`edge.browser.embedding`), and a page that knows those of another version of Proffer
gets a 404 and shows its defaults.
"""

from __future__ import annotations

import gzip
from functools import cache
from hashlib import sha256
from importlib.resources import files

from msgspec import Struct

from edge.asgi import Answer, Headers, Request

PREFIX = "/_proffer/"
PAGE_SCRIPT = "page.js"
PAGE_SCRIPT_LIFE_S, FOR_EVER_S = 3600, 31_536_000
SOURCES = {
    PAGE_SCRIPT: "static/page.js",
    "first": "browser/first.min.js",
    "first-plain": "browser/first-plain.min.js",
}
NAME_DIGITS = 16


class Script(Struct, frozen=True):
    """A script as it is served, `name` below `/_proffer/`."""

    name: str
    body: bytes
    cache_control: str
    etag: str

    def answer(self, request: Request) -> Answer:
        """The script, or that the client has it already."""
        # A platform that takes streams (`can_pipe`) packs what it sends by itself.
        packs = not request.can_pipe and "gzip" in request.header("accept-encoding")
        etag = f'"{self.etag}{"-gz" if packs else ""}"'
        headers: Headers = [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"cache-control", self.cache_control.encode()),
            (b"etag", etag.encode()),
            (b"vary", b"accept-encoding"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if etag in request.header("if-none-match"):  # in a list, or made weak by a proxy
            return Answer(304, headers)
        if packs:
            return Answer(200, [*headers, (b"content-encoding", b"gzip")], packed(self.body))
        return Answer(200, headers, self.body)


@cache
def packed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


@cache
def read_script(source: str) -> Script:
    """One of `SOURCES`."""
    body = files("edge").joinpath(SOURCES[source]).read_bytes()
    digest = sha256(body).hexdigest()
    stays = source == PAGE_SCRIPT
    life = f"{PAGE_SCRIPT_LIFE_S}" if stays else f"{FOR_EVER_S}, immutable"
    return Script(
        name=source if stays else f"{source}.{digest[:NAME_DIGITS]}.js",
        body=body,
        cache_control=f"public, max-age={life}",
        etag=digest[:32],
    )


def all_scripts() -> dict[str, Script]:
    """What is served below `/_proffer/`, by name."""
    scripts = [read_script(source) for source in SOURCES]
    return {script.name: script for script in scripts}


def kernel_script_address(plain: bool = False) -> str:
    """Where this version of the edge serves its kernel script."""
    return PREFIX + read_script("first-plain" if plain else "first").name
