"""Questions to Pyodide under Node, decided there by Python and by the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.support.parts import ROOT, node, npm_package
from tests.support.pyodide import msgspec_wheel, stdlib_zip

RUNNER = Path(__file__).with_name("pyodide_bridge.mjs")
PATIENCE_S = 120


class Bridged(Struct):
    """Verdicts in base64 or codes, and the median of a decision in microseconds."""

    python: list[str]
    kernel: list[str]
    us: dict[str, float]


def ask_bridge(
    bundles: Sequence[bytes], questions: Sequence[tuple[int, bytes, bytes]], folder: Path
) -> Bridged:
    file = folder / "questions.json"
    file.write_bytes(msgspec.json.encode({"bundles": bundles, "questions": questions}))
    parts = [npm_package("pyodide"), stdlib_zip(), msgspec_wheel(), ROOT]
    command = [node(), RUNNER, *parts, file]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return msgspec.json.decode(done.stdout, type=Bridged)
