"""Verifying the log: is every row as it was written, and are all of them still there?

    roots       -> which keys may have signed checkpoints
    checkpoints -> each signed, numbered without gaps, naming the one before
    rows        -> each numbered without gaps, hashed right, naming the one before,
                   and where a checkpoint stands, with the very hash that was signed

What that finds, whoever did it:

    an edit                of any field, also of `number`, `previous` and `hash`
    a deletion, insertion, exchange or renumbering of rows
    the same with every hash behind it computed anew, up to the last checkpoint
    rows cut off at the end, down to the last checkpoint
    a checkpoint that was changed, taken out, moved, or signed by somebody else

Not found is what happens behind the last checkpoint by somebody who computes the hashes
anew or cuts off the newest rows: nothing outside the database knows them yet.

Rows are streamed and only the first wrong one is named: behind it nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, field
from sqlalchemy import Connection

from control_plane.audit.chain import START, TYPES, hash_values
from control_plane.audit.checkpoints import Checkpoint, Stored, each, previous_of
from control_plane.audit.reading import Unreadable, Values, hash_at, pages, strays
from control_plane.audit.trusting import Witness, roots_of
from control_plane.storage.objects import ObjectStore
from edge.decision.errors import TrustError

NUMBER, PREVIOUS, HASH = 1, -2, -1
"""Where these are in a row's values."""


class Flaw(Struct, frozen=True, kw_only=True):
    """Something that is not as it was written.

    `row`: the first that is wrong, None where a checkpoint or a root is; `checkpoint`: its
    sequence.
    """

    row: int | None = None
    checkpoint: int | None = None
    what: str


class Report(Struct, kw_only=True):
    """What was found.  `row`, `hash`: the last that is right; `covered`: the last row that a
    believed checkpoint stands for."""

    tenant: str
    rows: int = 0
    row: int = 0
    hash: str = START
    checkpoints: int = 0
    covered: int = 0
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.flaws


class UnknownCheckpoint(Exception):
    """There is no such checkpoint to begin at."""


OnRows = Callable[[int], None]
"""Told how many more rows were verified."""


def verify_log(
    connection: Connection,
    store: ObjectStore,
    tenant: str,
    *,
    pinned: bytes | None = None,
    since: int = 0,
    on_rows: OnRows = lambda rows: None,
) -> Report:
    """Verify the log in one snapshot of the database.

    `pinned`: the first root as it was handed out; `since`: begin behind this checkpoint, which
    is believed for all before it.  Raises `ObjectError`, and `UnknownCheckpoint`.
    """
    report = Report(tenant=tenant)
    signed = verify_checkpoints(report, store, pinned, since)
    verify_rows(report, connection, signed, begin=bool(since), on_rows=on_rows)
    return report


# --- checkpoints --------------------------------------------------------------


def verify_checkpoints(
    report: Report, store: ObjectStore, pinned: bytes | None = None, since: int = 0
) -> list[Checkpoint]:
    """Those that are believed, in order; what is wrong with others goes into the report."""
    try:
        witness = Witness(roots_of(store, pinned), report.tenant)
    except TrustError as error:
        report.flaws.append(Flaw(what=f"the roots in the store are not to be believed: {error}"))
        witness = Witness([], report.tenant)
    believed: list[Checkpoint] = []
    before: Stored | None = None
    for stored in each(store, since or 1):
        flaw = _broken(stored, before, since)
        try:
            said = witness.believe(stored)
            flaw = flaw or _disagrees(said, stored, before, believed)
            believed.append(said)
        except TrustError as error:
            flaw = f"is not to be believed: {error}"
        if flaw:
            report.flaws.append(Flaw(checkpoint=stored.sequence, what=flaw))
        before = stored
    if since and (not believed or believed[0].sequence != since):
        raise UnknownCheckpoint(f"there is no checkpoint {since} that can be believed")
    report.checkpoints = len(believed)
    return believed


def _broken(stored: Stored, before: Stored | None, since: int) -> str:
    expected = before.sequence + 1 if before else since or 1
    if stored.sequence != expected:
        return f"follows {expected - 1}: the ones between are missing"
    return ""


def _disagrees(
    said: Checkpoint, stored: Stored, before: Stored | None, believed: list[Checkpoint]
) -> str:
    if (before is not None or stored.sequence == 1) and said.previous != previous_of(before):
        return "names another checkpoint before it than the one that is there"
    if believed and said.number < believed[-1].number:
        return (
            f"stands for {said.number} rows, the one before for {believed[-1].number}:"
            " the log had lost rows when it was signed"
        )
    if said.count != said.number:
        return f"counted {said.count} rows up to number {said.number}"
    return ""


# --- rows ---------------------------------------------------------------------


def verify_rows(
    report: Report,
    connection: Connection,
    signed: Sequence[Checkpoint],
    *,
    begin: bool = False,
    on_rows: OnRows = lambda rows: None,
) -> None:
    """The rows of a snapshot against these checkpoints; `begin`: behind the first of them."""
    walk = Walk(report, signed)
    if begin:
        walk.begin_at(signed[0])
    walk.all(connection, on_rows)
    other = strays(connection, report.tenant)
    if other is not None:
        report.flaws.append(Flaw(what=f"rows of {other!r} do not begin at 1, or have gaps"))


class Walk:
    """From row to row; ends at the first that is wrong."""

    def __init__(self, report: Report, signed: Sequence[Checkpoint]) -> None:
        self._report = report
        self._signed: dict[int, list[Checkpoint]] = {}
        for checkpoint in signed:
            self._signed.setdefault(checkpoint.number, []).append(checkpoint)
        self._last = max(self._signed, default=0)

    def begin_before(self, connection: Connection, checkpoint: Checkpoint) -> None:
        """Verify the checkpoint's own row and what is behind it; no row before."""
        report = self._report
        report.row = report.covered = checkpoint.number - 1
        if report.row:
            report.hash = hash_at(connection, report.tenant, report.row) or START

    def begin_at(self, checkpoint: Checkpoint) -> None:
        """Verify what is behind the checkpoint's row."""
        report = self._report
        report.row, report.hash = checkpoint.number, checkpoint.hash
        report.covered = checkpoint.number

    def all(self, connection: Connection, on_rows: OnRows) -> None:
        report = self._report
        suspect: Values | None = None  # does not follow the row before it: which is wrong?
        after = report.row or None
        try:
            for page in pages(connection, report.tenant, after):
                for values in page:
                    if suspect is not None:
                        return self._blame(suspect, values)
                    flaw = self._flaw(values)
                    if flaw:
                        return self._wrong(report.row + 1, flaw)
                    if values[PREVIOUS] != report.hash:
                        suspect = values
                        continue
                    if not self._step(values):
                        return None
                on_rows(len(page))
        except Unreadable:
            return self._wrong(report.row + 1, "holds bytes that are no text: it was changed")
        if suspect is not None:
            return self._blame(suspect, None)
        return self._end()

    def _flaw(self, values: Values) -> str:
        """What is wrong with the row by itself."""
        number, expected = values[NUMBER], self._report.row + 1
        if [type(value) for value in values] != TYPES:
            return "holds a value of another type: it was changed"
        if number != expected:
            if number < expected:
                return f"has number {number} before it, which no log has"
            return f"is missing: number {number} follows number {expected - 1}"
        if hash_values(values) != values[HASH]:
            return "does not hold what its hash says: a field, or the hash, was changed"
        return ""

    def _step(self, values: Values) -> bool:
        """Whether the row has the hash that was signed; then it is the last that is right."""
        report, number = self._report, values[NUMBER]
        for checkpoint in self._signed.get(number, ()):
            if checkpoint.hash != values[HASH]:
                self._rewritten(checkpoint)
                return False
            report.covered = number
        report.rows += 1
        report.row, report.hash = number, values[HASH]
        return True

    def _rewritten(self, checkpoint: Checkpoint) -> None:
        first, last = self._report.covered + 1, checkpoint.number
        rows = "this row was" if first == last else f"one of the rows {first} to {last} was"
        self._wrong(
            first,
            f"or one behind it is not what checkpoint {checkpoint.sequence} signed: {rows}"
            " rewritten, with every hash behind it",
        )

    def _blame(self, suspect: Values, following: Values | None) -> None:
        """`suspect` and the row before it disagree: wrong is the one that nobody vouches for.

        At the end of the log nobody does; then the first of the two is named.
        """
        number, digest = suspect[NUMBER], suspect[HASH]
        vouched = following is None or following[PREVIOUS] == digest
        vouched = vouched or any(said.hash == digest for said in self._signed.get(number, ()))
        if vouched and self._report.covered < number - 1:
            what = f"is not the row that row {number} names before it: it was rewritten"
            return self._wrong(number - 1, what)
        return self._wrong(number, "names another row before it than the one that is there")

    def _end(self) -> None:
        report = self._report
        if report.row < self._last:
            self._wrong(
                report.row + 1,
                f"is missing, and all behind it: there were {self._last} rows once, as a"
                " checkpoint says",
            )

    def _wrong(self, number: int, what: str) -> None:
        self._report.flaws.append(Flaw(row=number, what=what))
