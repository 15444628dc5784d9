"""What the compiler says about a catalog: one record per finding, all findings at once.

A `Diagnostic` names its code (one of `CODES`, a closed table), the place in
the author's file, the object in the catalog, what was found (`message`), why
it matters (`cause`) and what to do (`help`).  Errors stop a publish; warnings
and notes never do.

The table of codes stands in `codes.py`; docs/reference/diagnostics.md shows an
example of each, and a test holds that the two agree.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from .codes import CODES, Code

__all__ = [
    "CODES",
    "CatalogRefused",
    "Code",
    "Diagnostic",
    "Place",
    "as_json",
    "did_you_mean",
    "errors_of",
    "in_order",
    "make",
    "render",
    "render_all",
    "without_repeats",
]

REPEATS_MAX = 20
EXCERPT_WIDTH = 100
"""Characters of a source line that an excerpt shows at most."""


class Place(NamedTuple):
    """Where in the author's files: path below the catalog's folder, line and column from 1."""

    file: str
    line: int
    column: int


class Diagnostic(Struct, frozen=True, kw_only=True):
    """One finding.  `path` names the object in the catalog, as in `offers[3].eligible`."""

    code: str
    severity: Literal["error", "warning", "note"]
    file: str
    line: int
    column: int
    path: str
    message: str
    cause: str
    help: str

    @property
    def place(self) -> Place:
        return Place(self.file, self.line, self.column)


class CatalogRefused(Exception):
    """The catalog has errors, so nothing was compiled.  Carries every diagnostic."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_order(diagnostics)
        super().__init__(summary(self.diagnostics))


def make(
    code: str, place: Place, path: str, message: str, *, help: str = "", cause: str = ""
) -> Diagnostic:
    """A diagnostic of the code; its cause and help are the code's own unless given."""
    about = CODES[code]
    return Diagnostic(
        code=code,
        severity=about.severity,
        file=place.file,
        line=place.line,
        column=place.column,
        path=path,
        message=message,
        cause=cause or about.cause,
        help=help or about.help,
    )


def errors_of(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [found for found in diagnostics if found.severity == "error"]


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By place, then code; each finding once."""
    return sorted(
        set(diagnostics), key=lambda d: (d.file, d.line, d.column, d.code, d.path, d.message)
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean "x"?` for the closest known word, else the words there are, else nothing."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean `{close[0]}`?"
    if 0 < len(words) <= 12:
        return "There is: " + ", ".join(f"`{each}`" for each in words) + "."
    return ""


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`, and the first error."""
    found = list(diagnostics)
    counts = [
        f"{number} {severity}{'s' if number > 1 else ''}"
        for severity in ("error", "warning", "note")
        if (number := sum(each.severity == severity for each in found))
    ]
    first = next(iter(errors_of(found)), None)
    where = f"; first: {first.file}:{first.line}:{first.column}: {first.message}" if first else ""
    return (", ".join(counts) or "nothing found") + where


# --- showing ------------------------------------------------------------------


def as_json(diagnostics: Iterable[Diagnostic]) -> bytes:
    """A JSON array of objects with the fields of `Diagnostic`."""
    return msgspec.json.encode(in_order(diagnostics))


def render_all(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> str:
    """Diagnostics with their excerpts, then the counts.  `texts`: file -> its text.

    Of warnings and notes of one code the first `REPEATS_MAX`, and how many more there are.
    """
    found = in_order(diagnostics)
    lines = {file: texts[file].split("\n") for file in {e.file for e in found} & texts.keys()}
    kept, more = without_repeats(found)
    shown = [_rendered(each, lines.get(each.file, [])) for each in kept]
    return "\n\n".join([*shown, *more, summary(found)])


def without_repeats(found: Iterable[Diagnostic]) -> tuple[list[Diagnostic], list[str]]:
    """What people are shown: all errors, the first others of each code; the rest in words."""
    kept: list[Diagnostic] = []
    counts: Counter[str] = Counter()
    for each in found:
        counts[each.code] += 1
        if each.severity == "error" or counts[each.code] <= REPEATS_MAX:
            kept.append(each)
    shown = Counter(each.code for each in kept)
    return kept, [
        f"{CODES[code].severity}[{code}]: {CODES[code].title}: {count - shown[code]:,} more like"
        " these (--json tells all)"
        for code, count in sorted(counts.items())
        if count > shown[code]
    ]


def render(found: Diagnostic, text: str | None = None) -> str:
    """Plain text of one diagnostic, with the source line and a caret when the text is given."""
    return _rendered(found, (text or "").split("\n"))


def _rendered(found: Diagnostic, text_lines: list[str]) -> str:
    where = f"{found.file}:{found.line}:{found.column}" + (f" ({found.path})" if found.path else "")
    lines = [
        f"{found.severity}[{found.code}]: {_one_line(found.message)}",
        f"  --> {where}",
        *_excerpt(found, text_lines),
        f"  cause: {_one_line(found.cause)}",
        f"  help: {_one_line(found.help)}",
    ]
    return "\n".join(lines)


def _excerpt(found: Diagnostic, lines: list[str]) -> list[str]:
    if not 1 <= found.line <= len(lines) or not lines[found.line - 1].strip():
        return []
    line = _printable(lines[found.line - 1])
    caret = min(max(found.column - 1, 0), len(line))
    start = max(0, caret - EXCERPT_WIDTH // 2) if len(line) > EXCERPT_WIDTH else 0
    number = str(found.line)
    margin = " " * len(number)
    return [
        f"{margin} |",
        f"{number} | {line[start : start + EXCERPT_WIDTH]}",
        f"{margin} | {' ' * (caret - start)}^",
    ]


def _printable(line: str) -> str:
    """Every unprintable character as one blank, so that carets stay in place."""
    return "".join(char if char.isprintable() else " " for char in line)


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in text.replace("\n", " "))
