"""`proffer compile`: a catalog folder to the bytes of a bundle."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer
from msgspec import Struct

from control_plane.cli.counting import counted
from control_plane.cli.files import write_bytes
from control_plane.cli.policies import compile_folder, require_tests
from control_plane.cli.terminal import Json, Meter, Plain, Terminal, Unusable
from policy_compiler.cache import Cache, cache_folder
from policy_compiler.compiling import Compiled
from policy_compiler.diagnostics import Diagnostic, render_all
from policy_compiler.source import read_texts

OUTPUTS = {"edge": "policy.bundle", "browser": "policy.browser.bundle"}


class CompileDocument(Struct, frozen=True, kw_only=True):
    """What --json prints.  `file` is None where nothing was to be written."""

    file: str | None
    sha256: str
    size_bytes: int
    projection: str
    tenant: str
    attributes: int
    placements: int
    offers: int
    rungs: int
    clauses: int
    tests: int
    diagnostics: list[Diagnostic]


def compile_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with the catalog's YAML files.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write the bundle  [policy.bundle]."),
    ] = None,
    projection: Annotated[
        Literal["edge", "browser"],
        typer.Option(help="edge: whole; browser: what visitors may read."),
    ] = "edge",
    slice: Annotated[
        str | None,
        typer.Option("--slice", help="Only one page's part of the browser's projection."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read every offer again, and remember none.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check; write nothing.")] = False,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Check the catalog in FOLDER and write its bundle.

    Everything that is found is shown at once, each with file, line, column, cause and
    help.  Warnings and notes do not stop it; with an error, or where a self-test fails,
    nothing is written.
    Offers that have not changed since the last time are not read again; what is
    remembered stands in $XDG_CACHE_HOME/proffer (~/.cache/proffer).

    Exit codes: 0 compiled; 1 the catalog was refused; 3 a file cannot be read or written.
    """
    terminal = Terminal(json, plain)
    if slice is not None and projection != "browser":
        raise typer.BadParameter("only the browser's projection has slices", param_hint="--slice")
    target = None if check else output or Path(OUTPUTS[projection])
    if target is not None and not target.parent.is_dir():
        raise Unusable(
            f"{target} cannot be written: there is no folder {target.parent}.",
            "Make the folder, or choose another place.",
        )
    cache = None if no_cache else Cache(cache_folder(), folder)
    with Bars(terminal, shown=not json) as bars:
        compiled = compile_folder(folder, projection, slice, cache=cache, progress=bars)
    if compiled.diagnostics:
        terminal.note(render_all(compiled.diagnostics, read_texts(folder)), "yellow")
    require_tests(compiled.bundle, str(folder))
    if target is not None:
        write_bytes(target, compiled.data, "the bundle")
    document = _document(compiled, projection, target)
    _tell(terminal, document, target)
    terminal.result(document)


class Bars:
    """A bar for every stage with many steps: `policy_compiler.progress` on a terminal."""

    STEPS_MIN = 500

    def __init__(self, terminal: Terminal, shown: bool) -> None:
        self._terminal = terminal
        self._shown = shown
        self._stack = ExitStack()
        self._meter = Meter(None)

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stage(self, name: str, steps: int = 0) -> None:
        self._stack.close()
        self._meter = Meter(None)
        if not self._shown:
            return
        if steps >= self.STEPS_MIN:
            self._meter = self._stack.enter_context(self._terminal.progress(name, steps))
        else:
            self._stack.enter_context(self._terminal.busy(name))

    def advance(self) -> None:
        self._meter.advance()


def _document(compiled: Compiled, projection: str, target: Path | None) -> CompileDocument:
    rows = compiled.bundle.rows
    return CompileDocument(
        file=None if target is None else str(target),
        sha256=compiled.digest,
        size_bytes=len(compiled.data),
        projection=projection,
        tenant=compiled.bundle.tenant,
        attributes=rows["attribute"],
        placements=rows["placement"],
        offers=rows["offer"],
        rungs=rows["rung"],
        clauses=rows["clause"],
        tests=len(compiled.bundle.notes.tests),
        diagnostics=list(compiled.diagnostics),
    )


def _tell(terminal: Terminal, document: CompileDocument, target: Path | None) -> None:
    where = "nothing written" if target is None else str(target)
    terminal.say(
        f"{document.tenant}: {counted(document.offers, 'offer')}"
        f" in {counted(document.rungs, 'size')}, {counted(document.placements, 'placement')},"
        f" {counted(document.attributes, 'attribute')}, {counted(document.clauses, 'clause')}",
        "green",
    )
    terminal.say(f"sha256 {document.sha256}, {document.size_bytes:,} bytes: {where}")
