"""Builds the kernel: `python -m edge.kernel.build`, or `... build native`.

    columns.h                  from edge.decision.tables
    kernel.wasm, its SHA-256   from kernel.c, by clang as PyPI's `ziglang` brings it (extra
                               `kernel`), made smaller by binaryen's wasm-opt
    ../browser/kernel-plain.min.js
                               kernel.wasm as plain JavaScript, by binaryen's wasm2js and terser,
                               for pages that are not allowed to compile wasm
    ../browser/*.min.js        from the file of that name without `.min`, by terser

`native` builds a shared library of this machine instead, for native.py; it needs ziglang only.

Compiler and tools are those versions that pyproject.toml and package-lock.json pin, so the
same source gives the same bytes on every machine.  Needs `npm ci`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from .columns import HEADER, header
from .native import library_path

HERE = Path(__file__).parent
NODE_MODULES = HERE.parents[1] / "node_modules"
SOURCE = HERE / "kernel.c"
WASM = HERE / "kernel.wasm"
DIGEST = HERE / "kernel.wasm.sha256"
LOADER = HERE.parent / "browser" / "kernel.js"
SMALL_LOADER = LOADER.with_name("kernel.min.js")
PLAIN = LOADER.with_name("kernel-plain.min.js")
SCRIPTS = tuple(LOADER.with_name(f"{name}.js") for name in ("kernel", "creatives", "notes"))
"""Each has a small one beside it, named by `small_name`."""

EXPORTS = ("proffer_scratch_bytes", "proffer_open", "proffer_decide", "proffer_sha256")
STRICT = ("-std=c11", "-ffreestanding", "-fno-builtin", "-nostdlib")
# The stack lies below the data: one that runs over traps, instead of overwriting them.
SMALL_FLAGS = (
    "-Os",
    # of 100 bytes, these save three each: a page waits for them
    *("-mllvm", "-disable-lsr"),
    *("-mllvm", "-inline-threshold=-100"),
    *("-mllvm", "-enable-load-pre=false"),
)
WASM_FLAGS = (
    "--target=wasm32-freestanding",
    "-mcpu=mvp",  # what every browser and wasm2js read
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,-z,stack-size=16384",
    *(f"-Wl,--export={name}" for name in (*EXPORTS, "__heap_base")),
)
NATIVE_FLAGS = ("-O2", "-shared", "-fPIC")


class BuildFailed(RuntimeError):
    """A tool is missing, or refused; the message is its own."""


def compile_wasm(source: Path = SOURCE, flags: Sequence[str] = SMALL_FLAGS) -> bytes:
    """The bytes of kernel.wasm, made anew, or of another module around it.  Raises
    `BuildFailed`."""
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.wasm", Path(folder) / "kernel.wasm"
        _compile([*STRICT, *WASM_FLAGS, *flags, "-o", str(plain)], source)
        _node("binaryen/bin/wasm-opt", "-Oz", str(plain), "-o", str(small))
        return small.read_bytes()


def plain_module() -> str:
    """The text of kernel-plain.min.js, made anew from kernel.wasm.  Raises `BuildFailed`.

    wasm2js makes one instance and exports what that exports; a loader wants as many as it
    has policies, each with its memory, so the module exports the function that makes them.
    """
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder) / "one.js", Path(folder) / "many.js"
        _node("binaryen/bin/wasm2js", "-Oz", str(WASM), "-o", str(one))
        body, found, _ = one.read_text().partition("\nvar retasmFunc = asmFunc({")
        if not found:
            raise BuildFailed("wasm2js ends its output in another way: adapt `plain_module`.")
        many.write_text(f"{body}\nexport const instantiate = () => asmFunc({{}});\n")
        return small(many)


def small_name(script: Path) -> Path:
    return script.with_suffix(".min.js")


def small(script: Path) -> str:
    """The text of an ES module without what only people read; it imports such modules.
    Raises `BuildFailed`."""
    options = ("--module", "--compress", "ecma=2022,passes=3", "--mangle")
    text = _node("terser/bin/terser", *options, "--", str(script))
    return re.sub(r'"\./(\w+)\.js"', r'"./\1.min.js"', text)


def compile_native(target: Path, *more: str) -> None:
    """The same source as a shared library for this machine.  Raises `BuildFailed`."""
    _compile([*STRICT, *NATIVE_FLAGS, *more, "-o", str(target)])


def _compile(arguments: Sequence[str], source: Path = SOURCE) -> None:
    # relative paths: nothing of this machine may get into the output
    _run([sys.executable, "-m", "ziglang", "cc", *arguments, os.path.relpath(source, HERE)])


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


def build_native() -> Path:
    """Where `native.built` finds it.  Raises `BuildFailed`."""
    target = library_path()
    target.parent.mkdir(exist_ok=True)
    compile_native(made := target.with_suffix(f".{os.getpid()}"))
    made.replace(target)
    return target


def main() -> None:
    if sys.argv[1:] == ["native"]:
        print(f"built: {build_native()}")
        return
    HEADER.write_text(header())
    module = compile_wasm()
    WASM.write_bytes(module)
    DIGEST.write_text(f"{sha256(module).hexdigest()}  {WASM.name}\n")
    PLAIN.write_text(plain_module())
    for script in SCRIPTS:
        small_name(script).write_text(small(script))
    print(f"{WASM.name}: {len(module)} bytes, SHA-256 {sha256(module).hexdigest()}")


if __name__ == "__main__":
    main()
