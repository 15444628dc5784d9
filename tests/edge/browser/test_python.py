"""Python in a web worker: the same decisions as the kernel's, and never before the first paint."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Page

from edge.browser.python_home import Home
from edge.decision.errors import CoreError
from tests.edge.browser.site import (
    NONCE,
    TYPES,
    Answer,
    Site,
    kernel_page,
    pocket_for_browsers,
    settings_for,
    slot,
)
from tests.edge.browser.test_first_view import OFFER, visit
from tests.support import parts
from tests.support.parts import ROOT
from tests.support.pyodide import msgspec_wheel, stdlib_zip

POLICY = (
    f"default-src 'none'; script-src 'self' 'nonce-{NONCE}' 'wasm-unsafe-eval'; "
    "connect-src 'self'; img-src 'self'; worker-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types proffer-python"
)
START_MS = 120_000


@cache
def edge_archive() -> bytes:
    """The checkout's own files, as `make pyodide-wheel` packs them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((ROOT / "edge").rglob("*.py")):
            archive.write(path, path.relative_to(ROOT).as_posix())
    return packed.getvalue()


def install(s: Site) -> None:
    package = parts.npm_package("pyodide")
    kept = {"Cache-Control": "public, max-age=3600"}
    for path in package.iterdir():
        if path.suffix in (".mjs", ".wasm", ".json"):
            kind = TYPES.get(path.suffix[1:], "application/json")
            s.answers[f"/py/{path.name}"] = Answer(path.read_bytes(), kind, kept)
    octets = "application/octet-stream"
    s.answers["/py/stdlib.zip"] = Answer(stdlib_zip().read_bytes(), octets, kept)
    s.answers["/py/msgspec.whl"] = Answer(msgspec_wheel().read_bytes(), octets, kept)
    s.answers["/py/edge.zip"] = Answer(edge_archive(), octets, kept)


BOTH = """async () => {
  const load = (name) => import(`/edge/browser/lib/${name}.js`);
  const { startPython } = await load("startPython"), { requestFor } = await load("requestFor");
  const page = document[Symbol.for("proffer.page")], { bundle, manifest } = page.settings;
  window.python = await startPython({
    worker: "/edge/browser/pythonWorker.js", pyodide: "/py/", stdlib: "/py/stdlib.zip",
    archives: ["/py/msgspec.whl", "/py/edge.zip"], bundle, manifest,
  });
  const asked = ["hero", "side", "pair", "held", "nowhere"], found = [];
  for (const placement of asked) {
    const request = requestFor(page, placement);
    found.push([page.decide(placement, request), await python.decide(request)]);
  }
  const begun = performance.getEntriesByName("proffer-python", "mark")[0].startTime;
  const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
  const refused = await python.decide({ placements: 3 }).catch((error) => error.message);
  return { found, started: python.started, begun, paint, refused,
    measured: performance.getEntriesByName("proffer-python", "measure")[0].duration };
}"""
LATER = """async () => {
  const { askPython } = await import("/edge/browser/lib/askPython.js");
  const page = document[Symbol.for("proffer.page")];
  page.settings.wait_ms = 20000;
  page.decide = askPython(page, python);
  history.pushState(null, "", "/later");
  const slot = document.createElement("proffer-slot");
  slot.setAttribute("placement", "hero");
  document.body.append(slot);
  const before = slot.innerText;
  await new Promise((done) => slot.addEventListener("proffer-show", done));
  return [before, slot.innerText.split("\\n")[0], slot.dataset.reason];
}"""


def test_python_in_a_worker_decides_as_the_kernel_does(page: Page, s: Site) -> None:
    install(s)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(START_MS)
    assert visit(page, s, kernel_page(slot("hero"), exposure_ms=600_000), POLICY) == [OFFER]
    told: dict[str, Any] = page.evaluate(BOTH)
    assert len(told["found"]) == 5
    for kernel, python in told["found"]:
        assert python == kernel
    assert [len(kernel) for kernel, _ in told["found"]] == [1, 1, 2, 1, 0]
    assert told["begun"] > told["paint"]
    assert told["measured"] > 0
    assert set(told["started"]) == {"runtime_ms", "files_ms", "policy_ms"}
    assert "RequestError" in told["refused"]
    before, after, reason = page.evaluate(LATER)
    assert (before, after) == ("", OFFER[1])
    assert reason in ("BEST", "KEPT")
    assert errors == []


def test_a_python_that_cannot_start_says_so(page: Page, s: Site) -> None:
    visit(page, s, kernel_page(slot("hero")), POLICY)
    said = page.evaluate("""async () => {
      const { startPython } = await import("/edge/browser/lib/startPython.js");
      const worker = "/edge/browser/pythonWorker.js", pyodide = "/nowhere/";
      return startPython({ worker, pyodide, archives: [] }).catch((error) => error.message);
    }""")
    assert "/nowhere/pyodide.mjs" in said


# --- its home, here ---------------------------------------------------------------


def test_the_home_refuses_what_is_no_bundle_no_manifest_and_no_request() -> None:
    settings = settings_for(pocket_for_browsers())
    with pytest.raises(CoreError):
        Home(b"PRFR", settings.manifest)
    with pytest.raises(CoreError):
        Home(settings.bundle, b"PRMB")
    with pytest.raises(CoreError):
        Home(settings.bundle, settings.manifest).answer("{}")
