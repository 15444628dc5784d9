"""Gets what `make test` needs beside Python packages: `python -m tests.support.prepare`.

Each step is quick when its part is there.  All missing parts are told at once,
and then the exit status is 1: tests do not start with half of their parts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from tests.support import parts, pyodide
from tests.support.parts import ROOT, MissingPart


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr + done.stdout)[-2000:]
        raise MissingPart(f"`{' '.join(command)}` failed ({done.returncode}):\n{said}")


def node_packages() -> None:
    """`npm ci`, unless node_modules was made from this very lock file."""
    parts.node()
    lock = (ROOT / "package-lock.json").read_bytes()
    stamp = ROOT / "node_modules" / ".proffer-lock"
    if not stamp.is_file() or stamp.read_bytes() != lock:
        _run(parts.npm(), "ci", "--no-audit", "--no-fund")
        stamp.write_bytes(lock)


def pyodide_files() -> None:
    """msgspec's wheel for Pyodide, and the compiled standard library."""
    pyodide.msgspec_wheel()
    pyodide.stdlib_zip()


def browser() -> None:
    """Chromium; root on a Debian-like machine gets it installed."""
    try:
        parts.chromium()
    except MissingPart:
        apt_get = shutil.which("apt-get")
        if apt_get is None or os.geteuid() != 0 or "CHROMIUM" in os.environ:
            raise
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        _run(apt_get, "update")
        # with a font: text without one has no size, and so counts as invisible
        _run(apt_get, "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation")
        parts.chromium()


STEPS: dict[str, Callable[[], None]] = {
    "Node packages": node_packages,
    "Pyodide": pyodide_files,
    "Chromium": browser,
}


def main() -> int:
    missing: list[str] = []
    for name, step in STEPS.items():
        start_s = time.monotonic()
        try:
            step()
            said = "ready"
        except MissingPart as problem:
            missing.append(str(problem))
            said = "MISSING"
        print(f"{name:<14} {said:<8} {time.monotonic() - start_s:6.1f} s", flush=True)
    for problem in missing:
        print(f"\n{problem}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
