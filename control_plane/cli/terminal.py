"""What commands say, and how they end.

    stdout   the result: text for people, or with --json one JSON document
    stderr   everything else: progress, notes, errors, logs of servers

`--plain` leaves out colours, progress bars and drawn tables; so does a stream that is
no terminal.  Exit codes: 0 it went well; 1 the input was refused, or differs; 2 the
command was used wrongly; 3 the environment failed (a file, a port, a missing extra).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from policy_compiler.diagnostics import Diagnostic, in_order

OK, REFUSED, USAGE, ENVIRONMENT = range(4)

Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")
]
Plain = Annotated[
    bool, typer.Option("--plain", help="No colours, no progress bar, no drawn tables.")
]


class CommandFailed(Exception):
    """Ends a command: what happened, where, what to do."""

    code = REFUSED

    def __init__(
        self,
        problem: str,
        help: str = "",
        *,
        diagnostics: Sequence[Diagnostic] = (),
        shown: str = "",
        reported: bool = False,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.help = help
        self.diagnostics = in_order(diagnostics)
        self.shown = shown
        """Text for people that goes before the problem, such as excerpts."""
        self.reported = reported
        """Whether the command has printed its JSON document already."""


class Refused(CommandFailed):
    """The input was refused, or differs from what it should be."""


class Unusable(CommandFailed):
    """The environment failed: a file, a port, a missing extra."""

    code = ENVIRONMENT


class Misused(CommandFailed):
    """The options do not go together."""

    code = USAGE


class ErrorDocument(Struct, frozen=True):
    """What --json prints where a command fails."""

    problem: str
    help: str
    diagnostics: list[Diagnostic]


class Terminal:
    """Where a command writes.  `--json` and `--plain` of the command."""

    def __init__(self, json: bool, plain: bool) -> None:
        self.json = json
        self.plain = plain or not sys.stdout.isatty()
        self._out = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
        still = plain or not sys.stderr.isatty()
        self._error = Console(
            file=sys.stderr, highlight=False, markup=False, soft_wrap=True, no_color=still
        )
        self._still = still

    def say(self, text: str = "", style: str = "") -> None:
        """A line of the result for people."""
        if not self.json:
            _write(self._out, text, style, self.plain)

    def note(self, text: str, style: str = "") -> None:
        """A line that is no part of the result."""
        _write(self._error, text, style, self._still)

    def result(self, document: Any) -> None:
        """The result for programs."""
        if self.json:
            print(msgspec.json.format(msgspec.json.encode(document)).decode(), flush=True)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table for people; plain: values between tabs."""
        if self.json:
            return
        texts = [[str(value) for value in row] for row in rows]
        if self.plain:
            for line in [heads, *texts]:
                self.say("\t".join(line))
            return
        drawn = Table(*heads, box=None, header_style="bold", pad_edge=False)
        for line in texts:
            drawn.add_row(*line)
        self._out.print(drawn)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """A sign of life on stderr while the block runs, for what cannot be counted."""
        if self._still:
            yield
            return
        with self._error.status(what):
            yield

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Meter]:
        """A bar on stderr while the block runs; `total` 0: unknown."""
        if self._still:
            yield Meter(None)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._error, transient=True) as bar:
            bar.add_task(what, total=total or None, rate="")
            yield Meter(bar)

    @contextmanager
    def picture(self, draw: Callable[[], RenderableType]) -> Iterator[bool]:
        """What `draw` gives, on stderr and kept fresh while the block runs.

        False, and nothing is drawn, where streams are plain.
        """
        if self._still:
            yield False
            return
        with Live(get_renderable=draw, console=self._error, transient=True):
            yield True


def _write(console: Console, text: str, style: str, still: bool) -> None:
    """Plain text goes out as it is: a console would widen its tabs."""
    if still:
        print(text, file=console.file, flush=True)
    else:
        console.print(text, style=style or None)


class Meter:
    """Counts what was done and how fast."""

    UPDATE_EVERY_S = 0.1

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._began = self._told = time.monotonic()
        self.count = 0

    def advance(self, by: int = 1) -> None:
        self.count += by
        now = time.monotonic()
        if self._bar is not None and now - self._told > self.UPDATE_EVERY_S:
            self._told = now
            (task,) = self._bar.task_ids
            self._bar.update(task, completed=self.count, rate=f"{self.per_second:,.0f}/s")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def per_second(self) -> float:
        return self.count / max(self.seconds, 1e-9)


def report(failed: CommandFailed, json: bool) -> int:
    """Tell of a command's failure; its exit code."""
    if json and not failed.reported:
        document = {"error": ErrorDocument(failed.problem, failed.help, list(failed.diagnostics))}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
    if failed.shown:
        print(failed.shown, file=sys.stderr)
    print(f"error: {failed.problem}", file=sys.stderr)
    if failed.help:
        print(f"  help: {failed.help}", file=sys.stderr)
    return failed.code
