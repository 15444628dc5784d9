"""kernel.js in a real Chromium: the whole conformance suite, byte for byte, under a policy
that allows wasm and under one that forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

from tests.support.parts import ROOT

from .suite import (
    check_2000_made_up_requests,
    check_10000_generated_cases,
    check_every_case,
    check_every_text,
)

OPEN = ("edge/browser/", "edge/kernel/", "tests/edge/kernel/")
"""Folders whose files the server gives out."""
TYPES = {"js": "text/javascript", "mjs": "text/javascript", "wasm": "application/wasm"}
PAGE = b'<!doctype html><script type="module" src="/tests/edge/kernel/page.mjs"></script>'
WITH_WASM = "default-src 'none'; connect-src 'self'; script-src 'self' 'wasm-unsafe-eval'"
WITHOUT = "default-src 'none'; connect-src 'self'; script-src 'self'"
PATIENCE_MS = 120_000


class Site(ThreadingHTTPServer):
    """The page at /, our files at their paths, and the questions at /questions."""

    def __init__(self, content_security_policy: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content_security_policy = content_security_policy
        self.questions = b""
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    @property
    def site(self) -> Site:
        assert isinstance(self.server, Site)
        return self.server

    def do_GET(self) -> None:
        self.site.fetched.append(self.path)
        path = self.path.removeprefix("/")
        if path == "questions":
            return self._answer("application/json", self.site.questions)
        if path.startswith(OPEN):
            kind = TYPES[path.rpartition(".")[2]]
            return self._answer(kind, (ROOT / path).read_bytes())
        return self._answer("text/html", PAGE)

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", self.site.content_security_policy)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class InChromium:
    """A `Home`."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page, self.site = page, site

    def answers(self, questions: bytes) -> bytes:
        self.site.questions = questions
        return self.page.evaluate("answerAll()").encode()


@contextmanager
def opened(browser: Browser, content_security_policy: str) -> Iterator[InChromium]:
    with Site(content_security_policy) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(site.url)
        page.wait_for_function("window.isPlain")
        yield InChromium(page, site)
        page.close()
        site.shutdown()


@pytest.fixture(params=[WITH_WASM, WITHOUT], ids=["wasm", "wasm forbidden"])
def home(browser: Browser, request: pytest.FixtureRequest) -> Iterator[InChromium]:
    with opened(browser, request.param) as made:
        assert made.page.evaluate("isPlain()") == (request.param == WITHOUT)
        yield made


def test_the_whole_suite_gives_the_same_bytes_in_chromium(home: InChromium) -> None:
    check_every_case(home)
    check_every_text(home)


def test_10000_generated_cases_give_the_same_verdicts_in_chromium(home: InChromium) -> None:
    check_10000_generated_cases(home)


def test_2000_made_up_requests_are_encoded_and_decided_alike_in_chromium(
    home: InChromium,
) -> None:
    check_2000_made_up_requests(home)


def test_the_plain_module_is_fetched_only_where_wasm_is_forbidden(browser: Browser) -> None:
    for content_security_policy in (WITH_WASM, WITHOUT):
        with opened(browser, content_security_policy) as home:
            home.page.evaluate("isPlain()")
            plain = [path for path in home.site.fetched if path.endswith("kernel-plain.min.js")]
            assert len(plain) == (content_security_policy == WITHOUT)


def test_what_is_no_module_is_refused_also_where_wasm_is_forbidden(browser: Browser) -> None:
    script = """async () => {
      const { loadKernel } = await import("/edge/browser/kernel.js");
      try { await loadKernel(new TextEncoder().encode("<!doctype html>")); return ""; }
      catch (error) { return error.name; }
    }"""
    for content_security_policy in (WITH_WASM, WITHOUT):
        with opened(browser, content_security_policy) as home:
            assert home.page.evaluate(script) == "CompileError"
