"""Stands for `worker.py` in a copy of the deployment folder: tells the stories it is sent."""

from __future__ import annotations

from typing import Any

import js  # pyright: ignore[reportMissingImports]
import real_worker  # noqa: F401  # pyright: ignore[reportMissingImports]  (it names the package)
from edge.in_python import tell_all  # pyright: ignore[reportMissingImports]
from pyodide.ffi import JsException, jsnull  # pyright: ignore[reportMissingImports]
from workers import WorkerEntrypoint  # pyright: ignore[reportMissingImports]


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        told = await tell_all(await request.bytes(), js, JsException, jsnull)
        return js.Response.new(told.decode())
