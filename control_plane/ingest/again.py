"""Trying again what is in quarantine: in its own format, as of when it came.

A body that can be taken apart by now leaves as a whole: its good pieces count, the others
stay as pieces of their own.  A piece that still does not count stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from control_plane.admission import Admission
from control_plane.facts import Read, Receipt, store
from control_plane.ingest.splitting import pieces_of
from control_plane.ingest.typed import Arrival, Fact, Reason, Rejected, Trust
from control_plane.quarantine import Quarantined
from control_plane.rights.forgotten import Forgotten
from control_plane.storage import tables as t

q = t.quarantine.c

TRIES_LIMIT = 500
"""Quarantined events that one transaction tries again."""
LATE = (Reason.NO_DECISION, Reason.NO_ORDER)
"""What heals by itself, when that comes which it is about."""


def quarantined(connection: Connection, tenant: str) -> list[int]:
    """The ids of what is there now, oldest first."""
    return list(connection.scalars(select(q.id).where(q.tenant == tenant).order_by(q.id)))


def next_late(connection: Connection, tenant: str, since_s: int) -> list[list[int]]:
    """Whose turn it is, of each trust class apart, so that strangers keep nobody waiting.

    What was tried goes to the end of the queue, as it is put away anew.
    """
    reasons = [reason.name for reason in LATE]
    query = select(q.id).where(q.tenant == tenant, q.received_s >= since_s, q.reason.in_(reasons))
    query = query.order_by(q.id).limit(TRIES_LIMIT)
    return [list(connection.scalars(query.where(q.trust == trust.value))) for trust in Trust]


def try_again(
    connection: Connection,
    tenant: str,
    admission: Admission,
    forgotten: Forgotten,
    ids: Sequence[int],
    now_s: int,
    currency: str,
) -> Receipt:
    """What became of these; those that count leave."""
    facts: list[Fact] = []
    left: list[Quarantined] = []
    gone: list[int] = []
    rows = connection.execute(select(t.quarantine).where(q.id.in_(ids)).order_by(q.id)).all()
    for row in rows:
        good, bad = _tried(admission, row, now_s, currency)
        if [each.raw for each in bad] != [row.event]:
            gone.append(row.id)
            facts += good
            left += bad
    connection.execute(delete(t.quarantine).where(q.id.in_(gone)))
    (kept,) = forgotten.sifted(connection, [Read(facts, left, now_s)])
    receipt = store(connection, tenant, kept.read.facts, kept.read.quarantined, now_s)
    still = receipt.quarantined + len(rows) - len(gone)
    return Receipt(receipt.accepted, receipt.duplicates, still)


def _tried(
    admission: Admission, row: Any, now_s: int, currency: str
) -> tuple[list[Fact], list[Quarantined]]:
    arrival = Arrival(
        from_shop=row.trust == Trust.SHOP,
        now_s=now_s,
        currency=currency,
        received_s=row.received_s,
        bot=row.bot,
    )
    pieces, format = pieces_of(row.event, row.format)
    good: list[Fact] = []
    bad: list[Quarantined] = []
    for raw in pieces:
        try:
            good += admission.admit(raw, arrival, format)
        except Rejected as no:
            trust = arrival.trust(attested=no.attested)
            bad.append(Quarantined(raw, no, trust, format, row.bot, row.received_s))
    return good, bad
