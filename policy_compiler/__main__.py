"""`python -m policy_compiler`: the compiler alone, without server, console or control plane.

    python -m policy_compiler compile FOLDER [-o FILE] [--projection edge|browser] [--json]
    python -m policy_compiler verify FILE [--json]

For build machines.  `proffer` has the same verbs and more.  Exit codes: 0 it went
well; 1 the input was refused; 2 wrong usage; 3 a file cannot be read or written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from policy_compiler.compiling import compile_source
from policy_compiler.diagnostics import CatalogRefused, Diagnostic, as_json, render_all
from policy_compiler.selftests import failures
from policy_compiler.source import Source, read_catalog

OK, REFUSED, USAGE, ENVIRONMENT = range(4)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return asked.run(asked)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return ENVIRONMENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m policy_compiler",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    compiling = verbs.add_parser("compile", help="a catalog folder to a bundle")
    compiling.add_argument("folder", type=Path)
    compiling.add_argument("-o", "--output", type=Path, help="where to write the bundle")
    compiling.add_argument("--projection", choices=("edge", "browser"), default="edge")
    compiling.set_defaults(run=_compile)
    verifying = verbs.add_parser("verify", help="does this file open as a bundle?")
    verifying.add_argument("file", type=Path)
    verifying.set_defaults(run=_verify)
    for verb in (compiling, verifying):
        verb.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _compile(asked: argparse.Namespace) -> int:
    source = read_catalog(asked.folder)
    try:
        compiled = compile_source(source, projection=asked.projection)
    except CatalogRefused as refused:
        _tell(source, refused.diagnostics, asked.json)
        return REFUSED
    if _failed(compiled.bundle):
        return REFUSED
    if asked.output is not None:
        asked.output.write_bytes(compiled.data)
    found = list(compiled.diagnostics)
    if asked.json:
        _print({"sha256": compiled.digest, "size_bytes": len(compiled.data), "diagnostics": found})
    else:
        _tell(source, found, json=False)
        print(f"sha256 {compiled.digest}, {len(compiled.data)} bytes")
    return OK


def _tell(source: Source, found: list[Diagnostic], json: bool) -> None:
    if json:
        _print({"diagnostics": msgspec.json.decode(as_json(found))})
    elif found:
        print(render_all(found, source.texts), file=sys.stderr)


def _verify(asked: argparse.Namespace) -> int:
    try:
        bundle = open_bundle(asked.file.read_bytes())
    except BundleError as error:
        if asked.json:
            _print({"ok": False, "check": error.code, "detail": error.detail})
        print(f"error: {asked.file}: {error.code}: {error.detail}", file=sys.stderr)
        return REFUSED
    if _failed(bundle):
        return REFUSED
    if asked.json:
        _print({"ok": True, "sha256": bundle.digest.hex(), "tenant": bundle.tenant})
    else:
        print(f"{bundle.tenant}: sha256 {bundle.digest.hex()}, {bundle.size_bytes} bytes")
    return OK


def _failed(bundle: Bundle) -> bool:
    """Whether the policy fails one of its own tests; each is told."""
    failed = list(failures(bundle, int(time.time())))
    for each in failed:
        print(f"error: {each.path}: {each.told}\n  help: {each.help}", file=sys.stderr)
    return bool(failed)


def _print(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document)).decode())


if __name__ == "__main__":
    sys.exit(main())
