"""Questions to the kernel's loader under Node, a batch at a time."""

from __future__ import annotations

import json
import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from edge.kernel.build import LOADER, WASM
from tests.support.parts import node

RUNNER = Path(__file__).with_name("runner.mjs")
Kind = Literal["text", "object", "encoded"]


class Question(Struct, frozen=True):
    """Row of the bundle, manifest block, and a request of this kind."""

    bundle: int
    manifest: bytes
    kind: Kind
    content: bytes


class Answer(Struct, frozen=True):
    """`error` is kind and code, or else there are an encoded request and a verdict."""

    error: str = ""
    data: bytes = b""
    verdict: bytes = b""
    rows: list[dict[str, Any]] = []
    unknown_placements: tuple[str, ...] = ()
    unknown_attributes: tuple[str, ...] = ()


def ask(
    bundles: Sequence[bytes], questions: Sequence[Question], loader: Path = LOADER
) -> list[Answer]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "questions.json"
        asked = [[q.bundle, _text(q.manifest), q.kind, _text(q.content)] for q in questions]
        file.write_text(json.dumps({"bundles": list(map(_text, bundles)), "questions": asked}))
        command = [node(), str(RUNNER), str(loader), str(WASM), str(file)]
        done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return [_answer(each) for each in json.loads(done.stdout)]


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _answer(fields: dict[str, Any]) -> Answer:
    if "error" in fields:
        return Answer(error=fields["error"])
    return Answer(
        data=b64decode(fields["data"]),
        verdict=b64decode(fields["verdict"]),
        rows=fields["rows"],
        unknown_placements=tuple(fields.get("unknown_placements", ())),
        unknown_attributes=tuple(fields.get("unknown_attributes", ())),
    )
