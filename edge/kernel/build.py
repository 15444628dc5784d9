"""Compiles the kernel: `python -m edge.kernel.build` writes kernel.wasm and its SHA-256.

The compiler is clang as PyPI's `ziglang` brings it (extra `kernel`), in the one version
that `pyproject.toml` pins: the same source gives the same bytes on every machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from .columns import HEADER, header

HERE = Path(__file__).parent
SOURCE = HERE / "kernel.c"
WASM = HERE / "kernel.wasm"
DIGEST = HERE / "kernel.wasm.sha256"
EXPORTS = ("proffer_scratch_bytes", "proffer_open", "proffer_decide", "proffer_sha256")
STRICT = ("-std=c11", "-ffreestanding", "-fno-builtin", "-nostdlib")
WASM_FLAGS = (
    "--target=wasm32-freestanding",
    "-mcpu=mvp",  # what every browser and wasm2js read
    "-Os",
    *("-mllvm", "-disable-lsr"),  # induction variables cost more bytes than they save time
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,-z,stack-size=16384",
    *(f"-Wl,--export={name}" for name in (*EXPORTS, "__heap_base")),
)
NATIVE_FLAGS = ("-O2", "-shared", "-fPIC")


class BuildFailed(RuntimeError):
    """The compiler is missing, or refused; the message is its own."""


def compile_wasm() -> bytes:
    """The bytes of kernel.wasm, made anew.  Raises `BuildFailed`."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernel.wasm"
        _compile([*STRICT, *WASM_FLAGS, "-o", str(target)])
        return target.read_bytes()


def compile_native(target: Path, *more: str) -> None:
    """The same source as a shared library for this machine.  Raises `BuildFailed`."""
    _compile([*STRICT, *NATIVE_FLAGS, *more, "-o", str(target)])


def sources() -> list[Path]:
    return [SOURCE, *sorted(HERE.glob("*.h"))]


def _compile(arguments: Sequence[str]) -> None:
    # relative paths: nothing of this machine may get into the output
    command = [sys.executable, "-m", "ziglang", "cc", *arguments, SOURCE.name]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        raise BuildFailed(f"`{' '.join(command)}` in {HERE}:\n{done.stderr or done.stdout}")


def main() -> None:
    HEADER.write_text(header())
    module = compile_wasm()
    WASM.write_bytes(module)
    DIGEST.write_text(f"{sha256(module).hexdigest()}  {WASM.name}\n")
    print(f"{WASM.name}: {len(module)} bytes, SHA-256 {sha256(module).hexdigest()}")


if __name__ == "__main__":
    main()
