"""`proffer replay`: are recorded decisions what the policy decides, to the byte?

A record file holds one or more records, one after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from msgspec import Struct

from control_plane.cli.checks import FolderStore, store_of
from control_plane.cli.counting import counted
from control_plane.cli.files import read_bytes
from control_plane.cli.policies import load_policy
from control_plane.cli.terminal import Json, Meter, Misused, Plain, Refused, Terminal, Unusable
from control_plane.settings import Settings
from edge.decision.beacon import RECORD, unpack_record
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.errors import BundleError, RequestError

Outcome = Literal["same", "different", "no bundle", "malformed"]
TOLD = 20
"""Differences that are named; the others are only counted."""


class Trouble(Struct, frozen=True):
    """A record that does not decide as it did."""

    record: str
    outcome: Outcome
    detail: str


class ReplayDocument(Struct, kw_only=True):
    """What --json prints; `troubles` are the first 20."""

    records: int = 0
    same: int = 0
    different: int = 0
    no_bundle: int = 0
    malformed: int = 0
    seconds: float = 0.0
    records_per_second: float = 0.0
    troubles: list[Trouble] = []

    @property
    def ok(self) -> bool:
        return self.same == self.records


def replay_command(
    records: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDS", help="Record files, or the data folder of a control plane."
        ),
    ],
    policy: Annotated[
        list[Path] | None,
        typer.Option(help="Bundle file or catalog folder that records name; may be repeated."),
    ] = None,
    draft: Annotated[
        Path | None,
        typer.Option(help="Catalog folder or bundle file to decide the records under instead."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="With --draft: decisions from then on; 24h, 7d, 2026-11-20.")
    ] = "",
    until: Annotated[str, typer.Option(help="With --draft: decisions before then.")] = "",
    by: Annotated[
        str, typer.Option(help="With --draft: attribute to group by  [placements' segments].")
    ] = "",
    unattested: Annotated[
        bool, typer.Option("--unattested", help="With --draft: also what browsers sent.")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=0, help="With --draft: how many at once; 0: one per processor  [0].")
    ] = 0,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Decide records again, as they were or under a draft.

    Without --draft the verdicts are compared byte by byte.  Bundles are found in the data
    folder itself; for record files name them with --policy.  Nothing is written.

    With --draft: who gains and loses which offer, what it costs and leaves, by segment; a
    record that cannot tell what the draft reads is counted as not replayable.

    Exit codes: 0 all are the same, or were replayed under the draft; 1 some differ, are
    malformed, or their bundle is missing, or none could be replayed; 2 wrong usage;
    3 a file cannot be read.
    """
    terminal = Terminal(json, plain)
    if draft is not None:
        from control_plane.cli.redeciding import DraftRun, replay_draft

        asked = DraftRun(
            draft=draft, records=records, policies=policy or [], since=since, until=until,
            by=by, unattested=unattested, processes=processes,
        )  # fmt: skip
        return replay_draft(terminal, asked)
    if since or until or by or unattested or processes:
        raise Misused("These options want a draft.", "Name one with --draft.")
    bundles = _Bundles(policy or [])
    document = ReplayDocument()
    with terminal.progress("replaying", 0) as meter:
        for path in records:
            for name, data in _records(path, bundles):
                _count(document, _replay(bundles, name, data))
                meter.advance()
    _tell(terminal, document, meter)
    terminal.result(document)
    if not document.ok:
        raise Refused(
            f"{document.records - document.same:,} of {counted(document.records, 'record')}"
            " not decided as recorded.",
            "A difference means that a runtime decides otherwise: keep the record and its bundle.",
            reported=True,
        )


# --- reading ------------------------------------------------------------------


class _Bundles:
    """Bundles by digest: named ones, and those of data folders as they are asked for."""

    def __init__(self, named: Iterable[Path]) -> None:
        self._stores: list[FolderStore] = []
        self._known: dict[bytes, Bundle | None] = {}
        for path in named:
            bundle = load_policy(path).bundle
            self._known[bundle.digest] = bundle

    def add(self, store: FolderStore) -> None:
        self._stores.append(store)

    def get(self, digest: bytes) -> Bundle | None:
        if digest not in self._known:
            self._known[digest] = self._find(digest)
        return self._known[digest]

    def _find(self, digest: bytes) -> Bundle | None:
        for store in self._stores:
            raw = store.get(f"bundles/{digest.hex()}")
            if raw is not None:
                try:
                    bundle = open_bundle(raw)
                except BundleError as error:
                    raise Refused(
                        f"{store.folder}: bundle {digest.hex()} is damaged: {error}.",
                        "Restore the object store.",
                    ) from None
                return bundle if bundle.digest == digest else None
        return None


def _records(path: Path, bundles: _Bundles) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every record of a file or a data folder."""
    if not path.is_dir():
        yield from records_in_file(path)
        return
    store, database = store_of(path), Settings(data=path).database
    if store is None or not database.is_file():
        raise Unusable(
            f"{path} is no data folder: {database.name} or the objects are missing.",
            "Name record files, or the data folder of a control plane.",
        )
    bundles.add(store)
    yield from _in_database(database)


def records_in_file(path: Path) -> Iterator[tuple[str, bytes]]:
    data, start, number = read_bytes(path, "the record"), 0, 0
    while start < len(data) or not number:
        number += 1
        size = _size(data, start)
        yield f"{path}#{number}" if size < len(data) else str(path), data[start : start + size]
        start += size


def _size(data: bytes, start: int) -> int:
    """Size of the record at `start`; of what is left if it is none."""
    left = len(data) - start
    if left < RECORD.size:
        return max(left, 1)
    parts = RECORD.unpack_from(data, start)[5:8]
    return min(left, RECORD.size + sum(parts))


def _in_database(path: Path) -> Iterator[tuple[str, bytes]]:
    """Reads beside a running control plane."""
    query = "SELECT digest, record FROM records"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            yield from database.execute(query)
    except sqlite3.Error as error:
        raise Unusable(f"{path} cannot be read: {error}.", "Is it a control plane's?") from None


# --- replaying ----------------------------------------------------------------


def _replay(bundles: _Bundles, name: str, data: bytes) -> Trouble | None:
    """None if the verdict is the same."""
    try:
        record = unpack_record(data)
    except RequestError as error:
        return Trouble(name, "malformed", str(error))
    bundle = bundles.get(record.bundle_digest)
    if bundle is None:
        return Trouble(name, "no bundle", f"bundle {record.bundle_digest.hex()} is not there")
    try:
        verdict = decide(bundle, record.manifest_block, record.request)
    except RequestError as error:
        return Trouble(name, "malformed", str(error))
    if verdict == record.verdict:
        return None
    return Trouble(name, "different", _first_difference(record.verdict, verdict))


def _first_difference(recorded: bytes, decided: bytes) -> str:
    for offset, (a, b) in enumerate(zip(recorded, decided, strict=False)):
        if a != b:
            return f"byte {offset} of the verdict is {a}, decided again it is {b}"
    return f"the verdict has {len(recorded)} bytes, decided again {len(decided)}"


def _count(document: ReplayDocument, trouble: Trouble | None) -> None:
    document.records += 1
    if trouble is None:
        document.same += 1
        return
    field = trouble.outcome.replace(" ", "_")
    setattr(document, field, getattr(document, field) + 1)
    if len(document.troubles) < TOLD:
        document.troubles.append(trouble)


def _tell(terminal: Terminal, document: ReplayDocument, meter: Meter) -> None:
    document.seconds = round(meter.seconds, 3)
    document.records_per_second = round(meter.per_second, 1)
    for trouble in document.troubles:
        terminal.say(f"{trouble.record}: {trouble.outcome}: {trouble.detail}", "red")
    terminal.say(
        f"{counted(document.records, 'record')}: {document.same:,} same,"
        f" {document.different:,} different,"
        f" {document.no_bundle:,} without bundle, {document.malformed:,} malformed"
        f" ({document.records_per_second:,.0f} per second)",
        "green" if document.ok else "red",
    )
