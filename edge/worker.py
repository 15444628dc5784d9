"""The edge as a Cloudflare Python Worker: the same app, over bindings.

wrangler uploads what lies beside this file, and not the folder that it lies in.  So
first of all the folder gets back its name, `edge`; from then on everything imports as
in any home.

The platform runs a module's own level once, when the worker is uploaded, and restores a
snapshot of it later in every isolate.  There is no clock and no chance there, and no
JavaScript object may be kept: what needs them is made by the first request.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


def _name_the_package() -> None:
    if "edge" in sys.modules:
        return
    folder = Path(__file__).parent
    spec = spec_from_file_location(
        "edge", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no package in {folder}")
    sys.modules["edge"] = package = module_from_spec(spec)
    spec.loader.exec_module(package)


_name_the_package()

import logging  # noqa: E402

import js  # noqa: E402  # pyright: ignore[reportMissingImports]
from pyodide.ffi import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    JsException,
    jsnull,
)
from workers import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    WorkerEntrypoint,
    import_from_javascript,
)

from edge.app import PREFIX  # noqa: E402
from edge.isolate.home import IsolateHome  # noqa: E402
from edge.isolate.living import Isolate  # noqa: E402
from edge.isolate.platform import Platform  # noqa: E402
from edge.isolate.settings import (  # noqa: E402
    SettingsError,
    read_addresses,
    read_settings,
)

logger = logging.getLogger("edge.worker")
_kept: list[Isolate] = []
"""The one of this isolate, once a request has made it."""


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        """Whatever fails of ours, a page is still the shop's own."""
        native = request.js_object
        if not lookup("PROFFER_ORIGIN_URL"):
            self.ctx.passThroughOnException()  # also when the platform's limits end us
        try:
            return await this_isolate().fetch(native, self.ctx.waitUntil)
        except SettingsError as error:
            logger.critical("this worker cannot decide: %s", error)
        except Exception:
            logger.exception("a request failed")
        return await past_us(native)

    async def queue(self, batch: Any, env: Any = None, ctx: Any = None) -> None:
        await this_isolate().take_messages(batch)


def this_isolate() -> Isolate:
    """Raises `SettingsError`."""
    if not _kept:
        platform = Platform(js, JsException, jsnull)
        home = IsolateHome(platform, lookup, read_addresses(lookup))
        _kept.append(Isolate(platform, read_settings(lookup), home))
    return _kept[0]


def lookup(name: str) -> Any:
    """A variable or a binding, as JavaScript has it."""
    return getattr(import_from_javascript("cloudflare:workers").env, name, None)


async def past_us(request: Any) -> Any:
    """The origin's own answer, with nothing of ours in it."""
    url = js.URL.new(request.url)
    if url.pathname.startswith(PREFIX) or request.bodyUsed:
        return js.Response.new("This edge cannot answer; its log says why.", status=503)
    if origin := lookup("PROFFER_ORIGIN_URL"):
        address = f"{str(origin).rstrip('/')}{url.pathname}{url.search}"
        request = js.Request.new(address, request)
    return await js.fetch(request, redirect="manual")
