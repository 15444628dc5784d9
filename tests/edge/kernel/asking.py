"""Questions to the kernel's loader, a batch at a time, in each of its homes.

    InNode()                  Node, with the loader as written or as pages load it
    InNode(plain=True)        Node where wasm is refused: the module as plain JavaScript
    InWorkerd(server)         a module worker in real workerd       (fixture `workerd`)
    InChromium(page, server)  a page in a real Chromium             (test_in_chromium.py)

`answering.mjs` is the other end, the same in all of them.
"""

from __future__ import annotations

import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
import msgspec
from msgspec import Struct

from edge.kernel.build import LOADER, WASM
from tests.support.parts import node
from tests.support.processes import Server

RUNNER = Path(__file__).with_name("runner.mjs")
PATIENCE_S = 120
Kind = Literal["text", "object", "encoded", "address", "notice"]


class Question(Struct, frozen=True):
    """Row of the bundle, manifest block, and a request of this kind."""

    bundle: int
    manifest: bytes
    kind: Kind
    content: bytes


class Answer(Struct, frozen=True):
    """`error` is kind and code, or else there are an encoded request and a verdict, and
    what a page shows for its rows."""

    error: str = ""
    data: bytes = b""
    verdict: bytes = b""
    rows: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    unknown_placements: tuple[str, ...] = ()
    unknown_attributes: tuple[str, ...] = ()


class Home(Protocol):
    def answers(self, questions: bytes) -> bytes:
        """Both as answering.mjs has them."""
        ...


class InNode(Struct, frozen=True):
    loader: Path = LOADER
    plain: bool = False

    def answers(self, questions: bytes) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "questions.json"
            file.write_bytes(questions)
            command = [node(), RUNNER, self.loader.parent, self.loader.name, WASM, file]
            plain = ["plain"] * self.plain
            done = subprocess.run([*command, *plain], capture_output=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


class InWorkerd(Struct, frozen=True):
    server: Server

    def answers(self, questions: bytes) -> bytes:
        answer = httpx.post(self.server.url, content=questions, timeout=PATIENCE_S)
        assert answer.status_code == 200, f"{answer.text}\n{self.server.output()}"
        return answer.content


def ask(
    bundles: Sequence[bytes], questions: Sequence[Question], home: Home | None = None
) -> list[Answer]:
    asked = [[q.bundle, q.manifest, q.kind, q.content] for q in questions]
    text = msgspec.json.encode({"bundles": [*map(_text, bundles)], "questions": asked})
    return msgspec.json.decode((home or InNode()).answers(text), type=list[Answer])


def _text(data: bytes) -> str:
    return b64encode(data).decode()
