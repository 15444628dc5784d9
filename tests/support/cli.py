"""Runs `proffer` commands: in this process where that is enough, else as a program."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_plane.cli import run
from tests.support.parts import ROOT

PROFFER = [sys.executable, "-m", "control_plane.cli"]


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What --json printed: exactly one document."""
        return json.loads(self.out)


def proffer(*arguments: str | Path) -> Ran:
    """One command, in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run([str(each) for each in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def program(*arguments: str | Path, stdin: bytes = b"") -> Ran:
    """The same as a program of its own."""
    command = [*PROFFER, *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, to tell whether anything changed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def request_of(catalog: Path, **changes: object) -> Path:
    """The starter's request, changed; None takes a field out."""
    file = catalog / "request.json"
    fields = {"now_s": 1_795_000_000, "nonce": "n1"} | json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    return file


def assert_clear(ran: Ran, code: int, *words: str) -> None:
    """An error that says what and what to do, without a traceback."""
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert "error: " in ran.err and "help: " in ran.err
    for word in words:
        assert word in ran.err, ran.err
