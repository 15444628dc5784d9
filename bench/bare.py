"""The least that a server can do for a beacon: read it, answer 204.  `uvicorn bench.bare:app`."""

from __future__ import annotations

from typing import Any

NO_CONTENT = {"type": "http.response.start", "status": 204, "headers": []}
NOTHING = {"type": "http.response.body", "body": b""}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(NO_CONTENT)
    await send(NOTHING)
