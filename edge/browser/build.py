"""Builds the browser's scripts: `python -m edge.browser.build`.

    head.min.js          from head.js: stands inline in pages
    first.min.js         from first.js: the kernel script, with the wasm kernel in it
    first-plain.min.js   from first-plain.js: the same without wasm
    ../static/page.js    from page.js: the page script
    proffer.min.js       from index.js: the same parts as one ES module, for pages with a build

esbuild puts the modules into one script, terser makes it small; both are pinned, and
the same source gives the same bytes on every machine.  Needs `npm ci`, and kernel.wasm as
`python -m edge.kernel.build` made it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge.kernel.build import NODE_MODULES, BuildFailed

HERE = Path(__file__).parent
STATIC = HERE.parent / "static"
HEAD, FIRST, PLAIN = HERE / "head.min.js", HERE / "first.min.js", HERE / "first-plain.min.js"
PAGE, MODULE = STATIC / "page.js", HERE / "proffer.min.js"
SCRIPTS: Mapping[str, Path] = {
    "head.js": HEAD,
    "first.js": FIRST,
    "first-plain.js": PLAIN,
    "page.js": PAGE,
    "index.js": MODULE,
}
"""Source -> what is built from it."""

PLAIN_KERNEL = "./kernel-plain.min.js"
"""Fetched only where wasm is forbidden."""
BUNDLE = ("--bundle", "--target=es2022", "--charset=utf8", "--log-level=warning")
SMALL = ("--compress", "ecma=2022,passes=3", "--mangle")


def built(source: str) -> str:
    """The text of the script that is built from this file.  Raises `BuildFailed`."""
    with tempfile.TemporaryDirectory() as folder:
        whole = str(Path(folder) / "whole.js")
        module = SCRIPTS[source] == MODULE
        shape = ["--format=esm", f"--external:{PLAIN_KERNEL}"] if module else ["--format=iife"]
        _tool("esbuild", source, *BUNDLE, *shape, "--loader:.wasm=base64", f"--outfile={whole}")
        return _tool("terser", *SMALL, *(["--module"] if module else []), "--", whole)


def _tool(name: str, *arguments: str) -> str:
    program = NODE_MODULES / ".bin" / name
    if not program.exists():
        raise BuildFailed(f"{name} is missing: install Node.js, then run `npm ci`.")
    command = [str(program), *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        raise BuildFailed(f"`{' '.join(command)}`:\n{done.stderr or done.stdout}")
    return done.stdout


def main() -> None:
    for source, target in SCRIPTS.items():
        text = built(source)
        target.write_text(text)
        print(f"{target.name}: {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
