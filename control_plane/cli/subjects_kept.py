"""What `proffer subject` does; apart from `subjects.py`, so that other commands start fast."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from control_plane.accounts.actor import process
from control_plane.cli.counting import counted
from control_plane.cli.kept import opened
from control_plane.cli.terminal import Misused, Refused, Terminal, Unusable
from control_plane.policies import Policies
from control_plane.rights.correcting import Correction
from control_plane.rights.desk import Rights
from control_plane.rights.forgotten import Secrets
from control_plane.rights.subjects import Subject
from control_plane.rights.waiting import opened_log
from control_plane.settings import Settings
from control_plane.storage.opening import open_store
from policy_compiler.key_files import read_secrets
from policy_compiler.keys import DevelopmentKeys, SigningError

BY = process("command-line").id


def subject_of(visitors: list[str] | None, customers: list[str] | None) -> Subject:
    if not visitors and not customers:
        raise Misused("nobody is named.", "Name them with --visitor, --customer, or both.")
    return Subject(visitors=visitors or [], customers=customers or [])


def export(
    terminal: Terminal, data: Path | None, tenant: str, subject: Subject, output: Path | None
) -> None:
    with _opened(data, tenant) as rights:
        document = rights.export(BY, subject)
    text = msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8")
    terminal.note(f"wrote {output}")
    terminal.table(["where", "found"], [(each.where, each.found) for each in document.looked])
    terminal.result(document.looked)


def correct(
    terminal: Terminal,
    data: Path | None,
    tenant: str,
    order: str,
    values: Mapping[str, str | None],
    tables: Sequence[Path],
) -> None:
    given = {name: value for name, value in values.items() if value is not None}
    try:
        asked = msgspec.convert({"order_id": order} | given, Correction)
    except msgspec.ValidationError as error:
        raise Refused(f"{error}.", "Correct the option.") from None
    with _opened(data, tenant, tables) as rights:
        done = rights.correct(BY, asked)
    terminal.result(done)
    terminal.say(f"changed: {', '.join(done.changed)}" if done.changed else "It was so already.")
    _tell_left(done.left)


def erase(
    terminal: Terminal,
    data: Path | None,
    tenant: str,
    subject: Subject,
    tables: Sequence[Path],
) -> None:
    with _opened(data, tenant, tables) as rights, terminal.busy("erasing"):
        done = rights.erase(BY, subject)
    terminal.result(done)
    rows = sum(done.rows.values())
    terminal.say(
        f"{counted(rows, 'row')} in the database, {counted(done.logged, 'event')} in the log,"
        f" {counted(len(done.days), 'day')} of the tables"
    )
    terminal.say(f"The audit log names them {', '.join(done.audited)}.")
    _tell_left(done.left)


def _tell_left(left: list[str]) -> None:
    if left:
        raise Refused(f"something is left to be done: {'; '.join(left)}.", reported=True)


@contextmanager
def _opened(data: Path | None, tenant: str, tables: Sequence[Path] = ()) -> Iterator[Rights]:
    with opened(data, tenant) as kept:
        settings, policies = kept.settings, Policies(open_store(kept.settings))
        secrets = _secrets(settings)
        yield Rights(
            settings,
            kept.database,
            kept.writer,
            policies.get,
            secrets,
            lambda: opened_log(settings),
            tables,
        )


def _secrets(settings: Settings) -> Secrets:
    """The edges', under which the server will know the names that were erased."""
    try:
        if settings.edge_secret_file is not None:
            found = read_secrets(settings.edge_secret_file)
        elif settings.keys.is_dir():
            found = (DevelopmentKeys.load_or_create(settings.keys).edge_secret,)
        else:
            raise Unusable(
                "the secret of the edges is not at hand.",
                "Set PROFFER_EDGE_SECRET_FILE as for the server.",
            )
    except SigningError as error:
        raise Unusable(error.problem, error.help) from None
    return lambda: found
