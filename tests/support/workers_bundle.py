"""Makes the Pyodide bundle that workerd loads for Python Workers, so that tests need no network.

workerd has everything of the Python Workers runtime inside but three files of Pyodide,
which it fetches.  With the experimental flag `python_workers_development` it takes them
from a folder instead, as `pyodide_dev.capnp.bin`, and asks for no digest.  The three come
from npm's `pyodide` of the version that workerd names; in its JavaScript, whatever a
worker may not do is routed to workerd's own helpers.

What differs from production: these bytes are patched here, the flag, and that no snapshot
of the bare interpreter comes along.  The standard library is bytecode, so that a start
takes a third of the time.

Another workerd may want other patches: then this fails and says which text is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import capnp

from tests.support import parts
from tests.support.parts import CACHE, MissingPart

RECIPE = 1  # raise it when the way the bundle is made changes
NAME = "pyodide_dev.capnp.bin"
ERROR_CHARS = 2000
STDLIB_TOOL = Path(__file__).with_name("pyodide_home.mjs")

SCHEMA = """@0xd1a1e6b0c0ffee01;
struct Bundle { modules @0 :List(Module); }
struct Module {
  name @0 :Text;
  union { src @1 :Data; wasm @4 :Data; data @5 :Data; json @6 :Text; }
  tsDeclaration @3 :Text;
  type @2 :Kind;
  compileCache @7 :Data;
}
enum Kind { bundle @0; builtin @1; internal @2; }
"""

NO_EVAL = '(()=>{throw new Error("eval is not available")})()'
PATCHES = {
    "new WebAssembly.Module": "newWasmModule",
    "WebAssembly.instantiate(": "wasmInstantiate(",
    "Date.now": "monotonicDateNow",
    "crypto.getRandomValues(": "getRandomValues(Module, ",
    "eval(func)": NO_EVAL,
    "eval(data)": NO_EVAL,
    "eval(UTF8ToString(ptr))": NO_EVAL,
    "function loadLibData(){": (
        "function loadLibData(){var d=patchedLoadLibData(Module,libName,flags.rpath);"
        "return flags.loadAsync?Promise.resolve(d):d;}function origLoadLibData(){"
    ),
    "getMemory(metadata": "Module.getMemoryPatched(Module, libName, metadata",
    "export default _createPyodideModule;": (
        "export default _createPyodideModule; export { _createPyodideModule };"
    ),
}
HELPERS = (
    "addEventListener,getRandomValues,location,monotonicDateNow,newWasmModule,"
    "patchedLoadLibData,wasmInstantiate"
)


def bundle_folder() -> Path:
    """The folder with the bundle, for `--pyodide-bundle-disk-cache-dir`; made on first use."""
    package = parts.npm_package("pyodide-worker")
    version = json.loads((package / "package.json").read_bytes())["version"]
    folder = CACHE / f"workers-{version}-{RECIPE}"
    if not (folder / NAME).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{os.getpid()}.part"
        unfinished.write_bytes(make_bundle(package))
        unfinished.replace(folder / NAME)
    return folder


def make_bundle(package: Path) -> bytes:
    """From a folder of npm's `pyodide`.  Raises `MissingPart`."""
    modules = [
        ("pyodide.asm", "src", patched((package / "pyodide.asm.mjs").read_text())),
        ("pyodide.asm.wasm", "wasm", (package / "pyodide.asm.wasm").read_bytes()),
        ("python_stdlib.zip", "data", stdlib(package)),
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".capnp") as file:
        file.write(SCHEMA)
        file.flush()
        message = capnp.load(file.name).Bundle.new_message()  # pyright: ignore
    for slot, (name, field, data) in zip(message.init("modules", 3), modules, strict=True):
        slot.name = f"pyodideRuntime-internal:{name}"
        setattr(slot, field, data)
        slot.type = "internal"
    return message.to_bytes()


def patched(script: str) -> bytes:
    for old, new in PATCHES.items():
        if old not in script:
            raise MissingPart(f"pyodide.asm.mjs has changed: there is no {old!r} to replace")
        script = script.replace(old, new)
    return f'import {{{HELPERS}}} from "pyodide-internal:builtin_wrappers";\n{script}'.encode()


def stdlib(package: Path) -> bytes:
    """The standard library, compiled inside this very Pyodide."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stdlib.zip"
        command = [parts.node(), str(STDLIB_TOOL), "stdlib", str(package), str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stdout + done.stderr)[-ERROR_CHARS:]
            raise MissingPart(f"`{' '.join(command)}` failed ({done.returncode}):\n{said}")
        return out.read_bytes()
