"""`proffer replay --draft`: recorded decisions under a policy that nobody has published yet."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import msgspec
from msgspec import Struct

from control_plane.batch import time_text
from control_plane.cli.checks import FolderStore, store_of
from control_plane.cli.counting import counted
from control_plane.cli.kernels import fastest
from control_plane.cli.policies import compile_folder, load_bundle, load_policy
from control_plane.cli.terminal import Meter, Misused, Refused, Terminal, Unusable
from control_plane.reviewing.regrouping import CannotRegroup
from control_plane.reviewing.replay_report import ReplayReport, Totals, Window
from control_plane.reviewing.replay_run import Page, Plan, paged, replay
from control_plane.reviewing.replaying import Recorded, ReplayBroken
from control_plane.settings import Settings
from edge.decision.bundle import write_bundle
from edge.decision.facts import decimal_text
from policy_compiler.weigh import Allocation, Weights

PAGE_ROWS = 500
TOLD_ROWS = 20
SPAN = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
SPAN_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class DraftRun(Struct, frozen=True, kw_only=True):
    """The options of the command."""

    draft: Path
    records: Sequence[Path]
    policies: Sequence[Path]
    since: str
    until: str
    by: str
    unattested: bool
    processes: int


class DraftDocument(Struct, kw_only=True):
    """What --json prints."""

    report: ReplayReport
    seconds: float
    records_per_second: float
    processes: int


def replay_draft(terminal: Terminal, asked: DraftRun) -> None:
    """Raises `Refused`, `Unusable` or `Misused`."""
    sources = [_Source(path) for path in asked.records]
    now_s = int(time.time())
    processes = asked.processes or os.cpu_count() or 1
    plan = Plan(
        draft=_draft(terminal, asked.draft, sources),
        by=asked.by,
        unattested=asked.unattested,
        window=Window(
            since_s=moment(asked.since, now_s, "--since"),
            until_s=moment(asked.until, now_s, "--until"),
        ),
        decider=fastest,
        processes=processes,
    )
    total = sum(source.total for source in sources)
    pages = chain.from_iterable(source.pages() for source in sources)
    with terminal.progress("replaying", total) as meter:
        report = _replay(plan, pages, _Bundles(sources, asked.policies), total, meter)
    document = DraftDocument(
        report=report,
        seconds=round(meter.seconds, 3),
        records_per_second=round(meter.per_second, 1),
        processes=processes if meter.count >= 1 else 0,
    )
    _tell(terminal, document)
    terminal.result(document)
    if not report.replayed:
        raise Refused(
            f"None of {counted(report.records, 'record')} could be replayed.",
            "The reasons are listed above; `--policy` names bundles, `--unattested` takes all.",
            reported=True,
        )


def _replay(
    plan: Plan, pages: Iterable[Page], bundles: _Bundles, total: int, meter: Meter
) -> ReplayReport:
    try:
        return replay(plan, pages, bundles.get, total=total, progress=meter.advance)
    except CannotRegroup as error:
        raise Misused(f"--by: {error}.", "Name an attribute of the draft.") from None
    except ReplayBroken as error:
        raise Refused(f"{error}.", "Keep the record and its bundle: this is a fault.") from None


def moment(text: str, now_s: int, option: str) -> int | None:
    """Unix seconds of `7d` (ago), `2026-11-20`, an ISO time (UTC unless it says) or a number."""
    if not text:
        return None
    if span := SPAN.fullmatch(text):
        return now_s - int(span[1]) * SPAN_S[span[2]]
    if text.isdecimal() and text.isascii():
        return int(text)
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise Misused(
            f"{option} {text!r} is no time.", "Say 24h, 7d, 2026-11-20 or 2026-11-20T12:00+01:00."
        ) from None
    return int((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp())


# --- reading ------------------------------------------------------------------


class _Source:
    """A record file, or the data folder of a control plane, which may be running."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store: FolderStore | None = None
        if path.is_dir():
            self.store, self.database = store_of(path), Settings(data=path).database
            if self.store is None or not self.database.is_file():
                raise Unusable(
                    f"{path} is no data folder: {self.database.name} or the objects are missing.",
                    "Name record files, or the data folder of a control plane.",
                )
        self.total = self._count()

    def pages(self) -> Iterator[Page]:
        if self.store is None:
            from control_plane.cli.replaying import records_in_file

            return paged(Recorded(name, data) for name, data in records_in_file(self.path))
        return self._in_database()

    def learned(self) -> Weights | None:
        """What the control plane learned last."""
        if self.store is None:
            return None
        found = self._query("SELECT allocations FROM weights ORDER BY id DESC LIMIT 1")
        if not found:
            return None
        return Weights(allocations=msgspec.json.decode(found[0][0], type=dict[str, Allocation]))

    def _count(self) -> int:
        return self._query("SELECT count(*) FROM records")[0][0] if self.store else 0

    def _in_database(self) -> Iterator[Page]:
        """A page after the other by key, so that a control plane beside us is not held up."""
        after = ("", "")
        while True:
            rows = self._query(
                "SELECT tenant, digest, attested, record FROM records"
                f" WHERE (tenant, digest) > (?, ?) ORDER BY tenant, digest LIMIT {PAGE_ROWS}",
                after,
            )
            if not rows:
                return
            after = rows[-1][0], rows[-1][1]
            yield [Recorded(digest, data, bool(word)) for _, digest, word, data in rows]

    def _query(self, query: str, values: tuple[str, ...] = ()) -> list[tuple]:
        address = f"{self.database.resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unusable(
                f"{self.database} cannot be read: {error}.", "Is it a control plane's?"
            ) from None


class _Bundles:
    """The bytes of bundles: those that were named, and those in data folders."""

    def __init__(self, sources: Sequence[_Source], named: Iterable[Path]) -> None:
        self._stores = [source.store for source in sources if source.store is not None]
        bundles = [load_policy(path).bundle for path in named]
        self._named = {b.digest.hex(): write_bundle(b.tables) for b in bundles}

    def get(self, digest: str) -> bytes | None:
        if digest in self._named:
            return self._named[digest]
        found = (store.get(f"bundles/{digest}") for store in self._stores)
        return next((data for data in found if data is not None), None)


def _draft(terminal: Terminal, path: Path, sources: Sequence[_Source]) -> bytes:
    """A bundle file, or a catalog compiled as publishing it now would: with what was learned."""
    if not path.exists():
        raise Unusable(f"{path} does not exist.", "Name a catalog folder or a bundle file.")
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        return write_bundle(load_bundle(path).tables)
    learned = next((w for s in sources if (w := s.learned()) is not None), None)
    if learned is not None:
        terminal.note("The draft has the weights that were learned last.")
    return compile_folder(path, weights=learned).data


# --- telling ------------------------------------------------------------------


def _tell(terminal: Terminal, document: DraftDocument) -> None:
    report = document.report
    terminal.say(
        f"{report.replayed:,} of {counted(report.records, 'record')} replayed"
        f" in {document.seconds:.1f} s ({document.records_per_second:,.0f} per second);"
        f" draft {report.draft[:12]}",
        "green" if report.replayed else "red",
    )
    _tell_window(terminal, report)
    _tell_left_out(terminal, report)
    if report.replayed:
        _tell_slots(terminal, report)
        _tell_money(terminal, report)
        _tell_arms(terminal, report)
        _tell_segments(terminal, report)


def _tell_window(terminal: Terminal, report: ReplayReport) -> None:
    since = f"from {time_text(report.since_s)}" if report.since_s is not None else ""
    until = f"until {time_text(report.until_s)}" if report.until_s is not None else ""
    if since or until:
        terminal.say(f"Decisions {' '.join(filter(None, (since, until)))}")


def _tell_left_out(terminal: Terminal, report: ReplayReport) -> None:
    if report.left_out:
        terminal.say()
        rows = [(f"{o.records:,}", o.reason, o.meaning) for o in report.left_out]
        terminal.table(("left out", "reason", "meaning"), rows)
    if report.not_held:
        terminal.say()
        rows = [(name, f"{count:,}") for name, count in report.not_held.items()]
        terminal.table(("not replayable: the draft reads", "records that cannot tell it"), rows)


def _tell_slots(terminal: Terminal, report: ReplayReport) -> None:
    slots = report.slots
    terminal.say()
    terminal.say(
        f"{counted(slots.slots, 'slot')}: {slots.changed:,} change, {slots.gone:,} gone,"
        f" {slots.new:,} new; {slots.carried:,} keep an earlier choice,"
        f" {slots.unpriced:,} without a price"
    )


def _tell_money(terminal: Terminal, report: ReplayReport) -> None:
    """Totals; money in the shop's currency."""
    before, after = report.totals.before, report.totals.after
    rows = [
        (name, money(report, getattr(a, field)), money(report, getattr(b, field)),
         money(report, getattr(b, field) - getattr(a, field), sign=True))
        for basis, a, b in (
            ("drawn", before.drawn, after.drawn), ("expected", before.expected, after.expected)
        )
        for name, field in (
            (f"incentive if redeemed, {basis}", "incentive_micros"),
            (f"margin left, {basis}", "margin_micros"),
            (f"incentive by the model, {basis}", "expected_cost_micros"),
            (f"profit beyond none by the model, {basis}", "gain_micros"),
        )
    ]  # fmt: skip
    terminal.say()
    terminal.table((report.currency, "then", "draft", "change"), rows)


HEADS = ("then", "draft", "gained", "lost", "kept", "incentive", "margin")


def _tell_arms(terminal: Terminal, report: ReplayReport) -> None:
    arms = sorted(report.arms, key=lambda a: (-a.totals.gained - a.totals.lost, a.arm))
    terminal.say()
    rows = [(line.arm, *_row(report, line.totals)) for line in arms[:TOLD_ROWS]]
    terminal.table(("offer", *HEADS), rows)
    _tell_more(terminal, len(arms))


def _tell_segments(terminal: Terminal, report: ReplayReport) -> None:
    groups = sorted(
        report.segments,
        key=lambda g: (-g.totals.gained - g.totals.lost, g.placement, g.segment),
    )
    terminal.say()
    rows = [
        (group.placement, group.segment, *_row(report, group.totals))
        for group in groups[:TOLD_ROWS]
    ]
    terminal.table(("placement", report.by or "segment", *HEADS), rows)
    _tell_more(terminal, len(groups))


def _row(report: ReplayReport, totals: Totals) -> tuple[str, ...]:
    """Counts, and what changes in money by the chances of both sides."""
    before, after = totals.before.expected, totals.after.expected
    return (
        f"{totals.before.shown:,}",
        f"{totals.after.shown:,}",
        f"+{totals.gained:,}",
        f"-{totals.lost:,}",
        f"{totals.kept:,}",
        money(report, after.incentive_micros - before.incentive_micros, sign=True),
        money(report, after.margin_micros - before.margin_micros, sign=True),
    )


def _tell_more(terminal: Terminal, rows: int) -> None:
    if rows > TOLD_ROWS:
        terminal.say(f"and {rows - TOLD_ROWS} more; --json has them")


def money(report: ReplayReport, micros: int, *, sign: bool = False) -> str:
    """In the shop's currency, to its minor unit."""
    per_minor = 10 ** (6 - report.minor_digits)
    text = decimal_text(abs(micros) // per_minor, report.minor_digits)
    if micros < 0:
        return f"-{text}"
    return f"+{text}" if sign else text
