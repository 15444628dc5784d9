"""What `proffer audit` does; apart from `auditing.py`, so that other commands start fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct, structs
from sqlalchemy.exc import SQLAlchemyError

from control_plane.audit import reading
from control_plane.audit.chain import FIELDS, Row
from control_plane.audit.reading import Unreadable, Wanted
from control_plane.audit.verifying import Flaw, Report, UnknownCheckpoint, verify_log
from control_plane.cli.counting import counted
from control_plane.cli.files import read_bytes
from control_plane.cli.kept import tenant_of
from control_plane.cli.terminal import Misused, Refused, Terminal, Unusable
from control_plane.settings import Settings, SettingsError, read_settings
from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError, ObjectStore
from control_plane.storage.opening import is_new, open_database, open_store


class AuditDocument(Struct, frozen=True, kw_only=True):
    """What --json prints.  `covered`: the last row that a checkpoint stands for."""

    ok: bool
    tenant: str
    rows: int
    row: int
    hash: str
    checkpoints: int
    covered: int
    flaws: list[Flaw]
    seconds: float


class Place(Struct, frozen=True):
    """A control plane's log, opened."""

    tenant: str
    database: Database
    store: ObjectStore


def verify(
    terminal: Terminal, data: Path | None, tenant: str, root: Path | None, since: int
) -> None:
    """Raises `Refused` where something is wrong."""
    pinned = None if root is None else read_bytes(root, "the root")
    if pinned is None:
        terminal.note("The root is taken as found; --root checks against the one you pinned.")
    with _opened(data, tenant) as place, place.database.reading() as connection:
        total = reading.count(connection, place.tenant)
        with terminal.progress("rows", total) as meter:
            try:
                report = verify_log(
                    connection, place.store, place.tenant,
                    pinned=pinned, since=since, on_rows=meter.advance,
                )  # fmt: skip
            except UnknownCheckpoint as error:
                raise Misused(f"{error}.", "Name another with --since, or none.") from None
            seconds = meter.seconds
    _tell(terminal, report, seconds)
    if not report.ok:
        raise Refused(
            f"the audit log of {report.tenant} is not as it was written:"
            f" {_flaw_text(report.flaws[-1])}.",
            "Compare with a backup.  docs/reference/audit.md says what each finding means.",
            reported=True,
        )


def _tell(terminal: Terminal, report: Report, seconds: float) -> None:
    for flaw in report.flaws:
        terminal.say(f"WRONG: {_flaw_text(flaw)}", "red")
    rate = report.rows / max(seconds, 1e-9)
    terminal.say(
        f"{report.tenant}: {counted(report.rows, 'row')} verified, up to row {report.row},"
        f" in {seconds:.1f} s ({rate:,.0f} per second)"
    )
    behind = report.row - report.covered
    terminal.say(
        f"{counted(report.checkpoints, 'checkpoint')} believed; the last stands for row"
        f" {report.covered}" + (f", {behind} newer ones wait for the next" if behind > 0 else "")
    )
    said = {name: getattr(report, name) for name in report.__struct_fields__}
    terminal.result(AuditDocument(ok=report.ok, seconds=round(seconds, 3), **said))


def _flaw_text(flaw: Flaw) -> str:
    if flaw.row is not None:
        return f"row {flaw.row} {flaw.what}"
    if flaw.checkpoint is not None:
        return f"checkpoint {flaw.checkpoint} {flaw.what}"
    return flaw.what


def show(terminal: Terminal, data: Path | None, tenant: str, wanted: Wanted, limit: int) -> None:
    with _opened(data, tenant) as place, place.database.reading() as connection:
        rows = reading.newest_first(connection, place.tenant, wanted, limit)
    heads = ("number", "when", "actor", "action", "subject", "note")
    terminal.table(heads, [_line(row) for row in rows])
    terminal.result([_document(row) for row in rows])


def _line(row: Row) -> tuple[object, ...]:
    when = datetime.fromtimestamp(row.at_s, UTC).isoformat(timespec="seconds")
    return row.number, when, row.actor, row.action, row.subject, row.note


def export(data: Path | None, tenant: str, output: Path | None) -> None:
    """JSON lines, oldest first."""
    with _opened(data, tenant) as place, place.database.reading() as connection:
        out = sys.stdout.buffer if output is None else output.open("wb")
        try:
            for page in reading.pages(connection, place.tenant):
                lines = [dict(zip(FIELDS, values, strict=True)) for values in page]
                out.write(msgspec.json.Encoder().encode_lines(lines))
        except Unreadable as error:
            raise Refused(f"{error}.", "`proffer audit verify` says more.") from None
        finally:
            out.flush() if output is None else out.close()


def _document(row: Row) -> dict[str, object]:
    values = {"before": reading.value_of(row.before), "after": reading.value_of(row.after)}
    return structs.asdict(row) | values


# --- where it is --------------------------------------------------------------


@contextmanager
def _opened(data: Path | None, tenant: str) -> Iterator[Place]:
    """What the options and the environment name.  Nothing is made where nothing is."""
    said: dict[str, object] = {} if data is None else {"data": data}
    try:
        settings = read_settings(os.environ, **said)
        if is_new(settings):
            raise Unusable(
                f"there is no database of a control plane at {_where(settings)}.",
                "Name its data folder with --data, or its database with DATABASE_URL.",
            )
        store = open_store(settings)
        known = tenant or os.environ.get("PROFFER_TENANT") or tenant_of(store, settings)
        database = open_database(structs.replace(settings, tenant=known))
        try:
            yield Place(known, database, store)
        finally:
            database.close()
    except SQLAlchemyError as error:
        what = str(getattr(error, "orig", error))
        raise Unusable(f"the audit log cannot be read: {what}.", "Restore the database.") from None
    except (SettingsError, StorageUnavailable, ObjectError) as error:
        raise Unusable(f"{error}.", "Check the settings and that it runs.") from None


def _where(settings: Settings) -> str:
    return "DATABASE_URL" if settings.database_url else str(settings.database)
