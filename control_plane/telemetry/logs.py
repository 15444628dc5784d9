"""Logs for programs, where PROFFER_LOG=json: one JSON object per line, on stderr.

    {"time": "2026-11-22T12:00:00.123Z", "level": "INFO", "logger": "control_plane.access",
     "message": "answered", "request_id": "4bf92f3577b34da6", "operation": "list_audit",
     "method": "GET", "status": 200, "duration_ms": 3.1}

Every request is a line; what is logged meanwhile bears its `request_id`, and `trace_id`
where traces are sent.  A line never holds a path, a query, a header, a cookie, a body, or
what an exception says, all of which may hold what a visitor or a shop sent: of an exception
its type and where it was raised are told.
"""

from __future__ import annotations

import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from msgspec import Struct

access = logging.getLogger("control_plane.access")

UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
FRAMES = 20
"""Of an exception's trace, the innermost ones."""
HOUSE = Path(__file__).parents[2]


class Request(Struct, frozen=True):
    """The request that is being answered."""

    request_id: str
    trace_id: str = ""


CURRENT: ContextVar[Request | None] = ContextVar("request", default=None)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = CURRENT.get()
        if request is not None:
            line["request_id"] = request.request_id
            if request.trace_id:
                line["trace_id"] = request.trace_id
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= _told(record.exc_info[1], record.exc_info[2])
        return msgspec.json.encode(line).decode()


def _told(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    """Type and places: never the message, and no line of source."""
    frames = traceback.extract_tb(trace)[-FRAMES:]
    places = [f"{_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "at": places}


def _place(name: str) -> str:
    """Without the machine's folders."""
    path = Path(name)
    if path.is_relative_to(HOUSE):
        return str(path.relative_to(HOUSE))
    return "/".join(path.parts[-2:])


def log_json() -> None:
    """All loggers of this process, uvicorn's too, write JSON lines.  May be called again."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stderr))
        root.setLevel(logging.INFO)
    for handler in root.handlers:
        handler.setFormatter(JsonFormatter())
    for name in UVICORN:
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = name != "uvicorn.access"  # its lines hold paths; `access` has ours
    logging.getLogger("httpx").setLevel(logging.WARNING)
