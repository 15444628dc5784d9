"""Builds the kernel: `python -m edge.kernel.build`.

    columns.h                  from edge.decision.tables
    kernel.wasm, its SHA-256   from kernel.c, by clang as PyPI's `ziglang` brings it (extra
                               `kernel`), made smaller by binaryen's wasm-opt
    ../browser/kernel.min.js   from kernel.js, by terser

Compiler and tools are those versions that pyproject.toml and package-lock.json pin, so the
same source gives the same bytes on every machine.  Needs `npm ci`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from .columns import HEADER, header

HERE = Path(__file__).parent
NODE_MODULES = HERE.parents[1] / "node_modules"
SOURCE = HERE / "kernel.c"
WASM = HERE / "kernel.wasm"
DIGEST = HERE / "kernel.wasm.sha256"
LOADER = HERE.parent / "browser" / "kernel.js"
SMALL_LOADER = LOADER.with_name("kernel.min.js")

EXPORTS = ("proffer_scratch_bytes", "proffer_open", "proffer_decide", "proffer_sha256")
STRICT = ("-std=c11", "-ffreestanding", "-fno-builtin", "-nostdlib")
# The stack lies below the data: one that runs over traps, instead of overwriting them.
WASM_FLAGS = (
    "--target=wasm32-freestanding",
    "-mcpu=mvp",  # what every browser and wasm2js read
    "-Os",
    # of 100 bytes, these save three each: a page waits for them
    *("-mllvm", "-disable-lsr"),
    *("-mllvm", "-inline-threshold=-100"),
    *("-mllvm", "-enable-load-pre=false"),
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,-z,stack-size=16384",
    *(f"-Wl,--export={name}" for name in (*EXPORTS, "__heap_base")),
)
NATIVE_FLAGS = ("-O2", "-shared", "-fPIC")


class BuildFailed(RuntimeError):
    """A tool is missing, or refused; the message is its own."""


def compile_wasm() -> bytes:
    """The bytes of kernel.wasm, made anew.  Raises `BuildFailed`."""
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.wasm", Path(folder) / "kernel.wasm"
        _compile([*STRICT, *WASM_FLAGS, "-o", str(plain)])
        _node("binaryen/bin/wasm-opt", "-Oz", str(plain), "-o", str(small))
        return small.read_bytes()


def small_loader() -> str:
    """The text of kernel.min.js, made anew.  Raises `BuildFailed`."""
    options = ("--module", "--compress", "ecma=2022,passes=3", "--mangle")
    return _node("terser/bin/terser", *options, "--", str(LOADER))


def compile_native(target: Path, *more: str) -> None:
    """The same source as a shared library for this machine.  Raises `BuildFailed`."""
    _compile([*STRICT, *NATIVE_FLAGS, *more, "-o", str(target)])


def sources() -> list[Path]:
    return [SOURCE, *sorted(HERE.glob("*.h"))]


def _compile(arguments: Sequence[str]) -> None:
    # relative paths: nothing of this machine may get into the output
    _run([sys.executable, "-m", "ziglang", "cc", *arguments, SOURCE.name])


def _node(script: str, *arguments: str) -> str:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / script).is_file():
        raise BuildFailed(f"{script} is missing: install Node.js, then run `npm ci`.")
    return _run([node, str(NODE_MODULES / script), *arguments])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        raise BuildFailed(f"`{' '.join(command)}` in {HERE}:\n{done.stderr or done.stdout}")
    return done.stdout


def main() -> None:
    HEADER.write_text(header())
    module = compile_wasm()
    WASM.write_bytes(module)
    DIGEST.write_text(f"{sha256(module).hexdigest()}  {WASM.name}\n")
    SMALL_LOADER.write_text(small_loader())
    print(f"{WASM.name}: {len(module)} bytes, SHA-256 {sha256(module).hexdigest()}")


if __name__ == "__main__":
    main()
