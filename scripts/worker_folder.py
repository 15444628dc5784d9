"""Assembles what `wrangler deploy` uploads: `python scripts/worker_folder.py build/worker`.

    build/worker/wrangler.toml        this checkout's
    build/worker/edge/                worker.py and the modules that it reaches by imports
    build/worker/python_modules/      msgspec and the Workers SDK, built for the platform

wrangler uploads every `.py` below the folder of `main`, and everything in
`python_modules`: here is nothing that the worker does not run.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = (
    "edge/static/page.js", "edge/browser/first.min.js", "edge/browser/first-plain.min.js",
)  # fmt: skip
VENDORED = ("msgspec==0.22.0", "workers-runtime-sdk==1.9.5")
PLATFORM = {
    "--python-version": "3.14",
    "--implementation": "cp",
}
ABIS = ("cp314", "none")
PLATFORMS = ("pyemscripten_2026_0_wasm32", "any")
UNUSED = (".pyi", "py.typed")
"""Of the vendored packages: what no interpreter reads."""
ERROR_CHARS = 2000


class FolderError(Exception):
    """The folder could not be assembled; the message says why."""


def assemble(target: Path, root: Path = ROOT) -> None:
    """Raises `FolderError`."""
    shutil.rmtree(target, ignore_errors=True)
    for name in (*modules_of(root, "edge/worker.py"), *STATIC, "wrangler.toml"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    vendor(target / "python_modules")


def vendor(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    command += ["--target", str(folder), "--no-deps", "--no-compile", "--only-binary=:all:"]
    command += [word for option in PLATFORM.items() for word in option]
    command += [word for abi in ABIS for word in ("--abi", abi)]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    done = subprocess.run([*command, *VENDORED], capture_output=True, text=True)
    if done.returncode:
        raise FolderError(f"pip failed ({done.returncode}):\n{done.stderr[-ERROR_CHARS:]}")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.name.endswith(UNUSED) or is_bookkeeping(path)):
            path.unlink()


def is_bookkeeping(path: Path) -> bool:
    """pip's own notes about an installed package; the licences beside them stay."""
    return path.parent.name.endswith(".dist-info") and path.name != "METADATA"


# --- which modules ------------------------------------------------------------


def modules_of(root: Path, entry: str) -> list[str]:
    """The files of `edge` that the entry reaches by imports, itself included."""
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [file for file in imported_by(root, name) if file not in found]
    return sorted(found)


def imported_by(root: Path, name: str) -> Iterator[str]:
    folder = name.rpartition("/")[0]
    for node in ast.walk(ast.parse((root / name).read_bytes(), filename=name)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from files_of(root, alias.name.replace(".", "/"))
            case ast.ImportFrom(module=module, names=names, level=level):
                up = folder.split("/")[: len(folder.split("/")) - level + 1] if level else []
                base = "/".join([*up, *(module or "").split(".")]).rstrip("/")
                for alias in names:
                    yield from files_of(root, f"{base}/{alias.name}")
                yield from files_of(root, base)


def files_of(root: Path, path: str) -> Iterator[str]:
    """The module at a path, and the packages that it lies in."""
    if not path.startswith("edge"):
        return
    if (root / f"{path}.py").is_file():
        yield f"{path}.py"
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        package = "/".join([*parts[:depth], "__init__.py"])
        if (root / package).is_file():
            yield package


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python scripts/worker_folder.py FOLDER", file=sys.stderr)
        return 2
    target = Path(arguments[0])
    try:
        assemble(target)
    except FolderError as error:
        print(error, file=sys.stderr)
        return 1
    files = [path for path in target.rglob("*") if path.is_file()]
    size_bytes = sum(path.stat().st_size for path in files)
    print(f"{target}: {len(files)} files, {size_bytes // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
