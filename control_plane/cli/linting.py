"""`proffer lint`: everything there is to say about a catalog, and no bundle."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from control_plane.cli.terminal import Json, Plain, Refused, Terminal
from policy_compiler.compiling import compile_source
from policy_compiler.diagnostics import (
    CatalogRefused,
    Diagnostic,
    in_order,
    render,
    summary,
    without_repeats,
)
from policy_compiler.source import Source, read_catalog

STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}


class LintDocument(Struct, frozen=True, kw_only=True):
    """What --json prints."""

    ok: bool
    errors: int
    warnings: int
    notes: int
    diagnostics: list[Diagnostic]


def lint_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with the catalog's YAML files.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    browser: Annotated[
        bool, typer.Option("--browser", help="Also what browsers cannot be given, and why.")
    ] = False,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Check the catalog in FOLDER and say all there is to say.

    That is errors, warnings and notes, each with its place, cause and help.

    Exit codes: 0 no errors (with --strict: nor warnings); 1 there are some.
    """
    terminal = Terminal(json, plain)
    source = read_catalog(folder)
    with terminal.busy(f"checking {folder}"):
        found = findings(source, browser)
    counts = Counter(each.severity for each in found)
    bad = counts["error"] + strict * counts["warning"]
    kept, more = without_repeats(found)
    for each in kept:
        terminal.say(render(each, source.texts.get(each.file)), STYLES[each.severity])
        terminal.say()
    for line in more:
        terminal.say(line, "yellow")
        terminal.say()
    terminal.say(summary(found), "" if bad else "green")
    terminal.result(
        LintDocument(
            ok=not bad,
            errors=counts["error"],
            warnings=counts["warning"],
            notes=counts["note"],
            diagnostics=found,
        )
    )
    if bad:
        raise Refused(f"{folder}: {summary(found).split(';')[0]}.", reported=True)


def findings(source: Source, browser: bool) -> list[Diagnostic]:
    """All diagnostics of compiling, for browsers too if asked."""
    found: list[Diagnostic] = []
    for projection in ("edge", "browser") if browser else ("edge",):
        try:
            found += compile_source(source, projection=projection).diagnostics
        except CatalogRefused as refused:
            found += refused.diagnostics
    return in_order(found)
