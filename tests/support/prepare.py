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

from tests.support import parts, pyodide, workers_bundle
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


def worker_runtime() -> None:
    """What workerd loads for Python Workers."""
    workers_bundle.bundle_folder()


def browser() -> None:
    """Chromium; root on a Debian-like machine gets it installed."""
    # with a font: text without one has no size, and so counts as invisible
    _found_or_installed(parts.chromium, "CHROMIUM", "chromium", "fonts-liberation")


def database() -> None:
    """PostgreSQL's programs; the same.  Tests make a cluster of their own."""
    _found_or_installed(parts.postgres, "POSTGRES_BIN", "postgresql")


def compiler() -> None:
    """clang, for the kernel's fuzzing; the same.  Its libFuzzer comes with compiler-rt."""
    _found_or_installed(parts.clang, "CLANG", "clang", "libclang-rt-dev")


def caches() -> None:
    """nginx and Varnish, which stand in front of an edge; the same."""
    _found_or_installed(lambda: (parts.nginx(), parts.varnishd()), "NGINX", "nginx", "varnish")


def _found_or_installed(part: Callable[[], object], override: str, *packages: str) -> None:
    try:
        part()
    except MissingPart:
        apt_get = shutil.which("apt-get")
        if apt_get is None or os.geteuid() != 0 or override in os.environ:
            raise
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        _run(apt_get, "update")
        _run(apt_get, "install", "-y", "--no-install-recommends", *packages)
        part()


STEPS: dict[str, Callable[[], None]] = {
    "Node packages": node_packages,
    "Pyodide": pyodide_files,
    "workerd": worker_runtime,
    "Chromium": browser,
    "PostgreSQL": database,
    "clang": compiler,
    "caches": caches,
}


def main(wanted: str = "") -> int:
    """Every step, or the one whose name begins so."""
    missing: list[str] = []
    for name, step in STEPS.items():
        if not name.lower().startswith(wanted.lower()):
            continue
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
    sys.exit(main(*sys.argv[1:]))
