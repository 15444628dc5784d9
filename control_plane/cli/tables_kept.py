"""What `proffer tables` and `proffer report` do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from control_plane.analysis.chart import svg
from control_plane.analysis.compaction import Compacted, compact
from control_plane.analysis.layout import TablesError
from control_plane.analysis.page import (
    DAY_HEADS,
    TOTAL_HEADS,
    WIDE,
    day_cells,
    heading,
    html,
    total_cells,
)
from control_plane.analysis.report import Report, read_report
from control_plane.cli.kept import opened
from control_plane.cli.terminal import Terminal, Unusable
from control_plane.policies import Policies
from control_plane.settings import SettingsError, read_settings
from control_plane.storage.opening import open_store

Draw = Callable[[Report], str]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except TablesError as error:
        raise Unusable(str(error), error.help) from None


def compact_kept(
    terminal: Terminal, folder: Path, data: Path | None, tenant: str, days: Sequence[date] | None
) -> None:
    """Raises `Unusable`."""
    with opened(data, tenant) as kept, _told(), terminal.busy("compacting"):
        policies = Policies(open_store(kept.settings))
        done = compact(kept.database, folder, kept.settings.tenant, days, bundle_of=policies.get)
    _tell(terminal, done)


def _tell(terminal: Terminal, done: Compacted) -> None:
    terminal.result(done)
    if not done.days:
        terminal.say("Nothing has changed since the last time.")
    else:
        span = done.days[0] if len(done.days) == 1 else f"{done.days[0]} to {done.days[-1]}"
        terminal.say(f"{len(done.days)} day{'s' * (len(done.days) != 1)} written: {span}")
    terminal.table(["table", "rows"], [(name, f"{rows:,}") for name, rows in done.rows.items()])
    terminal.say(f"{done.files:,} files, {done.size_bytes:,} bytes")


def read(folder: Path, since: date | None, until: date | None) -> Report:
    """Raises `Unusable`."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        raise Unusable(f"{error}.", "Correct the variable.") from None
    with _told():
        return read_report(folder, settings.attribution_s, since, until)


def write(
    terminal: Terminal, report: Report, svg_file: Path | None, html_file: Path | None
) -> None:
    """Raises `OSError`."""
    wanted: list[tuple[Path | None, Callable[[Report], str]]] = [(svg_file, svg), (html_file, html)]
    for file, draw in wanted:
        if file is not None:
            file.write_text(draw(report), encoding="utf-8")
            terminal.note(f"wrote {file}")


def show(terminal: Terminal, report: Report, *, by_day: bool) -> None:
    terminal.result(report)
    terminal.say(heading(report))
    if not report.versions:
        terminal.say("Nothing was shown in this time.")
        return
    _table(terminal, TOTAL_HEADS, map(total_cells, report.versions))
    if by_day:
        terminal.say()
        _table(terminal, DAY_HEADS, map(day_cells, report.days))
    terminal.note(
        "Orders count in every row whose offer their unit saw: do not add up profits of rows."
    )


def _table(terminal: Terminal, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """All columns where a program may read them; drawn for people, those that fit."""
    chosen = [at for at, head in enumerate(heads) if terminal.plain or head not in WIDE]
    cells = ([row[at] for at in chosen] for row in rows)
    terminal.table([heads[at] for at in chosen], cells)
