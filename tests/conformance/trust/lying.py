"""The store that every vector's edge asks, over real HTTP: it lies, drips, hangs, never ends.

/<vector>/<step>/v1/<path>    what the vector serves there
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.conformance.trust.stories import Vectors
from tests.support.edges import running

ENDLESS_CHUNK = 4096
AT_ONCE = 6
"""Stories told at the same time: most of what they do is to wait."""
PATIENCE_S = 2.0
"""What the vectors' edges have for a file; dripping takes much longer."""


class Hanging(Response):
    """Says nothing until the client goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def store(vectors: Vectors, folder: Path | None = None) -> Starlette:
    """`folder`: files for everybody, below /files/."""
    by_id = {vector.id: vector for vector in vectors.vectors}

    async def answer(request: Request) -> Response:
        vector, index, path = (request.path_params[key] for key in ("vector", "index", "path"))
        served = by_id[vector].steps[index].serve.get(path)
        if served is None:
            return Response(status_code=404)
        if served.hang:
            return Hanging()
        if served.endless:
            return StreamingResponse(forever(served.endless.encode()))
        data = vectors.files[served.file].data
        if served.drip_ms:
            return StreamingResponse(dripping(data, served.drip_ms / 1000))
        return Response(data, media_type="application/octet-stream")

    async def file(request: Request) -> Response:
        return FileResponse((folder or Path()) / request.path_params["path"])

    return Starlette(
        routes=[
            Route("/files/{path:path}", file),
            Route("/{vector}/{index:int}/v1/{path:path}", answer),
        ]
    )


async def forever(text: bytes) -> AsyncIterator[bytes]:
    while True:
        yield text * ENDLESS_CHUNK
        await asyncio.sleep(0)


async def dripping(data: bytes, pause_s: float) -> AsyncIterator[bytes]:
    for byte in data:
        yield bytes([byte])
        await asyncio.sleep(pause_s)


@contextmanager
def lying(vectors: Vectors, folder: Path | None = None) -> Iterator[str]:
    with running(store(vectors, folder), timeout_graceful_shutdown=1) as url:
        yield url
