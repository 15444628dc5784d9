"""A shop whose pages decide in the browser, in front of a running edge.

    with site(tmp_path) as s:
        s.put("/", s.page(slot("hero")))
        page.goto(s.url)

The edge answers below /_proffer/; it does not fill these pages, as if a cache kept them.  The
site can be slow, broken or gone in parts: `s.slow_s[path]`, `s.status[path]`.
"""

from __future__ import annotations

import gzip
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
from playwright.sync_api import Page

from edge.browser.embedding import PageSettings, boxes_of, head_html, inline_html
from edge.decision.bundle import open_bundle
from edge.decision.claims import Manifest, Release
from edge.decision.manifest import pack_manifest
from edge.decision.trust import manifest_block
from policy_compiler.compiling import compile_catalog
from policy_compiler.sign import sign_manifest
from tests.support.edges import PATIENCE_S, World, a_manifest, keys, world
from tests.support.parts import ROOT

POCKET = ROOT / "tests" / "support" / "pocket.yaml"
BROWSER = ROOT / "edge" / "browser"
TYPES = {"js": "text/javascript", "mjs": "text/javascript", "wasm": "application/wasm",
         "svg": "image/svg+xml", "html": "text/html; charset=utf-8", "css": "text/css"}  # fmt: skip
FIRST, BUNDLE = "/s/first.min.js", "/s/bundle"
STRICT = (
    "default-src 'none'; script-src 'self' 'nonce-n1' 'wasm-unsafe-eval'; connect-src 'self'; "
    "img-src 'self'; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Of every page, unless a test says otherwise."""
NONCE = "n1"
LEAVE = frozenset({"connection", "content-length", "transfer-encoding", "date", "server",
                   "content-encoding"})  # fmt: skip
IMAGE = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>'


@cache
def pocket_for_browsers() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shop.yaml").write_text(POCKET.read_text())
        return compile_catalog(Path(folder), projection="browser").data


def settings_for(bundle: bytes, now_s: int | None = None, **changes: Any) -> PageSettings:
    """What a page of this policy says; the manifest is really signed, as all its numbers are."""
    now_s = int(time.time()) if now_s is None else now_s
    release = Release(bundle=sha256(bundle).hexdigest(), size_bytes=len(bundle), share=1 << 20)
    payload = a_manifest(
        1, (bundle,), projection="browser", releases=(release,), issued_s=now_s - 10,
        expires_s=now_s + 3000,
    )  # fmt: skip
    raw = sign_manifest(keys(), payload)
    manifest = Manifest(**msgspec.structs.asdict(payload), digest=sha256(raw).digest())
    made = PageSettings(
        manifest=pack_manifest(manifest_block(manifest)),
        bundle=bundle,
        boxes=boxes_of(open_bundle(bundle)),
        consent="full",
        locale="en",
    )
    return msgspec.structs.replace(made, **changes)


@lru_cache(64)
def packed(body: bytes) -> bytes:
    return gzip.compress(body, 6)


class Answer(msgspec.Struct):
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = {}


class Site:
    def __init__(self, edge: World | None) -> None:
        self.edge = edge
        self.answers: dict[str, Answer] = {}
        self.slow_s: dict[str, float] = {}
        self.status: dict[str, int] = {}
        self.asked: list[str] = []
        self.bodies: list[tuple[str, bytes]] = []
        self.url = ""
        self.reset()

    def reset(self) -> None:
        """Back to how it began."""
        self.answers = {"/ten.svg": Answer(IMAGE, TYPES["svg"])}
        self.slow_s.clear()
        self.status.clear()
        self.asked.clear()
        self.bodies.clear()
        self.answers[BUNDLE] = Answer(pocket_for_browsers(), "application/octet-stream")
        for name in ("first.min.js", "first-plain.min.js"):
            body = (BROWSER / name).read_bytes()
            kept = {"Cache-Control": "public, max-age=3600"}
            self.answers[f"/s/{name}"] = Answer(body, TYPES["js"], kept)

    def put(self, path: str, html: str, policy: str = STRICT) -> None:
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        self.answers[path] = Answer(html.encode(), headers=headers)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Events of this kind that reached the control plane."""
        assert self.edge is not None
        return self.edge.control.events(kind)


def slot(name: str, more: str = "", inside: str = "<p>default</p>") -> str:
    return f'<proffer-slot placement="{name}" {more}>{inside}</proffer-slot>'


def a_page(head: str, *body: str, style: str = "") -> str:
    top = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pocket</title>'
    return f"{top}{style}{head}</head><body><h1>Pocket</h1>{''.join(body)}</body></html>"


def kernel_page(*body: str, inline: bool = False, script: str = FIRST, **changes: Any) -> str:
    patient = {"exposure_ms": 100, "wait_ms": 20_000}  # whatever else the machine is doing
    settings = settings_for(pocket_for_browsers(), **(patient | changes))
    if inline:
        return a_page(inline_html(settings, nonce=NONCE), *body)
    return a_page(head_html(settings, script, nonce=NONCE), *body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.site.asked.append(path)
        time.sleep(self.site.slow_s.get(path, 0.0))
        if path.startswith("/_proffer/"):
            return self.forward(b"")
        if path.startswith("/edge/browser/") and path.endswith(".js"):
            return self.send(200, (ROOT / path[1:]).read_bytes(), {"Content-Type": TYPES["js"]})
        answer = self.site.answers.get(path)
        if answer is None or path in self.site.status:
            return self.send(self.site.status.get(path, 404), b"", {"Content-Type": "text/plain"})
        headers = {"Content-Type": answer.content_type} | answer.headers
        body = answer.body
        if "gzip" in self.headers.get("Accept-Encoding", "") and "text/" in answer.content_type:
            headers |= {"Content-Encoding": "gzip"}
            body = packed(body)
        return self.send(200, body, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        path = self.path
        self.site.bodies.append((path, body))
        time.sleep(self.site.slow_s.get(path, 0.0))
        if path in self.site.status:
            return self.send(self.site.status[path], b"", {"Content-Type": "text/plain"})
        return self.forward(body)

    def forward(self, body: bytes) -> None:
        if self.site.edge is None:
            return self.send(503, b"", {"Content-Type": "text/plain"})
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", *LEAVE}}
        answer = httpx.request(
            self.command, self.site.edge.url + self.path, headers=headers, content=body
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name not in LEAVE:
                self.send_header(name, value)
        self.finish_with(answer.content)

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.finish_with(body)

    def finish_with(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""


@contextmanager
def serving(edge: World | None) -> Iterator[Site]:
    made = Site(edge)
    handler = type("SiteHandler", (Handler,), {"site": made})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield made
        server.shutdown()
        thread.join()


@contextmanager
def site(data: Path) -> Iterator[Site]:
    with world(data) as edge, serving(edge) as made:
        yield made


def wait_until(page: Page, expression: str) -> None:
    """Wait until it is true in the page, whose policy forbids Playwright's own way."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < deadline_s, f"it did not become true: {expression}"
        page.wait_for_timeout(30)
