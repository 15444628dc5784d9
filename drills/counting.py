"""What a store holds of what was sent: nothing acknowledged is lost, nothing counts twice.

An exposure is in the table of events once under its name, and adds one to the count of its
decision's touch; senders give each exposure a decision of its own (`load.decision_of`), so a
count of two is an event that counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import select

from control_plane.storage import tables as t
from control_plane.storage.database import Database
from drills.load import Sender, decision_of


class Count(Struct):
    """In events.  `unsure`: stored without an acknowledgement, which is allowed."""

    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    halved: int = 0
    """Batches of which some events are there, and some are not."""
    foreign: int = 0
    """Names that nobody sent, and touches without their event."""
    unsure: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.halved or self.foreign)


class Held(Struct, frozen=True):
    """Names of events, and how often each decision counted."""

    names: list[str]
    touches: dict[str, int]


def held(database: Database, tenant: str) -> Held:
    names = select(t.events.c.id).where(t.events.c.tenant == tenant)
    touches = select(t.touches.c.decision, t.touches.c.count).where(t.touches.c.tenant == tenant)
    with database.reading() as connection:
        rows = connection.execute(touches).all()
        return Held(list(connection.scalars(names)), {row.decision: row[1] for row in rows})


def count(database: Database, tenant: str, senders: Iterable[Sender]) -> Count:
    """Compares what the senders remember with what the database holds of `tenant`."""
    found = held(database, tenant)
    stored, told = set(found.names), Count()
    told.doubled = len(found.names) - len(stored)
    known: set[str] = set()
    for sender in senders:
        for number in range(sender.sent):
            names = sender.names(number)
            known.update(names)
            _add(told, names, number in sender.acked, stored, found.touches)
    counted = {decision_of(name) for name in stored}
    told.foreign = len(stored - known) + len(found.touches.keys() - counted)
    return told


def _add(
    told: Count, names: list[str], acked: bool, stored: set[str], touches: dict[str, int]
) -> None:
    """One batch."""
    counts = [touches.get(decision_of(name), 0) if name in stored else 0 for name in names]
    here = sum(map(bool, counts))
    told.doubled += sum(max(0, each - 1) for each in counts)
    told.halved += 0 < here < len(names)
    if acked:
        told.acknowledged += len(names)
        told.lost += len(names) - here
    else:
        told.unsure += here


def counts(told: Count, load: Sender, **more: int) -> Counter[str]:
    """What a drill prints."""
    return Counter(
        acknowledged=told.acknowledged,
        lost=told.lost,
        doubled=told.doubled,
        stored_without_an_answer=told.unsure,
        told_503=load.statuses[503],
        **more,
    )
