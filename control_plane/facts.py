"""Writing what events say, each event once.

A name (`trust`, `source`, `id`) that is in the table of events already counts as a
duplicate; of the same name twice the first counts.
A decision is written once under its id; an attested one takes the place of the same
decision without the edge's word, never the other way round.

Batches that wait at the same time are written together (`store_all`), one statement per
table.  What comes of it is what came of it if they were written one after the other, and each
has a receipt of its own: rows of one key are folded in the order in which they came, by the
same rule by which they meet what the database holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Table, case, delete, select

from control_plane.ingest.corrections import store_return
from control_plane.ingest.settling import is_settled, settle
from control_plane.ingest.typed import Decided, Fact, Order, Reason, Rejected, Return, Touch, Trust
from control_plane.quarantine import Quarantined, put_away
from control_plane.releasing.latency import Run, note_runs
from control_plane.storage import tables as t
from control_plane.storage.bulk import Many, Row, pieces, places

Name = tuple[str, str, str]
MONEY = (Order, Return)


class Receipt(Struct, frozen=True):
    """What became of a batch: counts of events."""

    accepted: int
    duplicates: int
    quarantined: int

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
        )


class Read(Struct, frozen=True):
    """A batch that was read: what counts unless it came before, and what does not."""

    facts: Sequence[Fact]
    quarantined: Sequence[Quarantined]
    received_s: int


class Fresh(Struct, frozen=True):
    """A fact whose name was not seen before, and the place of its batch among those written."""

    batch: int
    fact: Fact
    received_s: int


class Told(Struct):
    """Orders of a batch that change nothing: conflicts with what was told, and the same again."""

    conflicts: list[Quarantined]
    before: int = 0


def store(
    connection: Connection,
    tenant: str,
    facts: Sequence[Fact],
    quarantined: Sequence[Quarantined],
    now_s: int,
) -> Receipt:
    """Everything of one batch."""
    return store_all(connection, tenant, [Read(facts, quarantined, now_s)])[0]


def store_all(connection: Connection, tenant: str, batches: Sequence[Read]) -> list[Receipt]:
    """Everything of these batches, as if one after the other.

    What needs others to be settled (`ingest/settling.py`) comes after all that does not.
    """
    groups = _groups(batches)
    return [each for group in groups for each in _store_group(connection, tenant, group)]


def _groups(batches: Sequence[Read]) -> list[list[Read]]:
    """Neighbours that can be written together.

    Money that conflicts leaves its name to the next event that bears it: such a next one is
    in another group.
    """
    groups: list[list[Read]] = [[]]
    money: set[Name] = set()
    for batch in batches:
        if money and any(_name(fact) in money for fact in batch.facts):
            groups.append([])
            money.clear()
        groups[-1].append(batch)
        money.update(_name(fact) for fact in batch.facts if isinstance(fact.body, MONEY))
    return groups


def _name(fact: Fact) -> Name:
    return fact.trust.value, fact.source, fact.id


def _store_group(connection: Connection, tenant: str, batches: Sequence[Read]) -> list[Receipt]:
    plain = [Read(list(filter(is_settled, b.facts)), b.quarantined, b.received_s) for b in batches]
    receipts = _store_settled(connection, tenant, plain)
    if all(len(a.facts) == len(b.facts) for a, b in zip(plain, batches, strict=True)):
        return receipts
    rest = [Read(*settle(connection, tenant, b.facts), b.received_s) for b in batches]
    return [a + b for a, b in zip(receipts, _store_settled(connection, tenant, rest), strict=True)]


def _store_settled(connection: Connection, tenant: str, batches: Sequence[Read]) -> list[Receipt]:
    fresh = _new_names(connection, tenant, batches)
    note_runs(connection, tenant, [run for each in fresh for run in _runs(each.fact)])
    _store_decided(connection, tenant, fresh)
    _store_touches(connection, tenant, [each.fact.body for each in fresh])
    told = _store_orders(connection, tenant, fresh, len(batches))
    _store_returns(connection, tenant, fresh, told)
    _put_away(connection, tenant, batches, told)
    counts = [0] * len(batches)
    for each in fresh:
        counts[each.batch] += 1
    return [_receipt(*each) for each in zip(batches, counts, told, strict=True)]


def _receipt(batch: Read, fresh: int, told: Told) -> Receipt:
    accepted = fresh - told.before - len(told.conflicts)
    return Receipt(
        accepted=accepted,
        duplicates=len(batch.facts) - accepted - len(told.conflicts),
        quarantined=len(batch.quarantined) + len(told.conflicts),
    )


def _runs(fact: Fact) -> list[Run]:
    """Under which manifest an edge decided, and when, if it is an edge's word."""
    body = fact.body
    if fact.trust is not Trust.EDGE or not isinstance(body, Decided):
        return []
    times = [decision.time_s for decision in body.decisions]
    if not times:
        return []
    return [
        Run(
            edge=fact.sender,
            manifest=body.record.manifest,
            first_s=min(times),
            last_s=max(times),
        )
    ]


# --- names --------------------------------------------------------------------

EVENTS = Many(t.events, ("tenant", "trust", "source", "id", "type", "received_s"))


def _new_names(connection: Connection, tenant: str, batches: Sequence[Read]) -> list[Fresh]:
    """The facts whose names were not seen before, now marked as seen."""
    unique: dict[Name, Fresh] = {}
    for number, batch in enumerate(batches):
        for fact in batch.facts:
            name = _name(fact)
            if name not in unique:
                unique[name] = Fresh(number, fact, batch.received_s)
    for seen in _seen(connection, tenant, list(unique)):
        del unique[seen]
    EVENTS.insert(connection, [_event_row(tenant, each) for each in unique.values()])
    return list(unique.values())


def _event_row(tenant: str, fresh: Fresh) -> Row:
    fact = fresh.fact
    return {
        "tenant": tenant,
        "trust": fact.trust.value,
        "source": fact.source,
        "id": fact.id,
        "type": fact.type,
        "received_s": fresh.received_s,
    }


def _seen(connection: Connection, tenant: str, names: list[Name]) -> list[Name]:
    """Those that are in the table; nobody else writes meanwhile."""
    found: list[Name] = []
    for piece in pieces(names):
        # CROSS JOIN makes SQLite look each name up, instead of going through the table
        query = (
            "SELECT e.trust, e.source, e.id"
            f" FROM (VALUES {places(connection, len(piece), 3)}) AS asked CROSS JOIN events e"
            f" WHERE e.tenant = {places(connection, 1, 1)} AND e.trust = asked.column1"
            " AND e.source = asked.column2 AND e.id = asked.column3"
        )
        values = (*[part for name in piece for part in name], tenant)
        found += [(row[0], row[1], row[2]) for row in connection.exec_driver_sql(query, values)]
    return found


# --- decisions ----------------------------------------------------------------


def _attested_wins(table: Table, key: Sequence[str]) -> Many:
    """What is attested takes the place of what is not."""
    others = [c.name for c in table.c if c.name not in key]

    def then(statement: Any) -> Any:
        return statement.on_conflict_do_update(
            index_elements=key,
            set_={name: statement.excluded[name] for name in others},
            where=statement.excluded.attested & ~table.c.attested,
        )

    return Many(table, [c.name for c in table.c], then)


RECORDS = _attested_wins(t.records, ["tenant", "digest"])
DECISIONS = _attested_wins(t.decisions, ["tenant", "id"])


def _store_decided(connection: Connection, tenant: str, fresh: Sequence[Fresh]) -> None:
    records: dict[str, Row] = {}
    decisions: dict[str, Row] = {}
    for each in fresh:
        body = each.fact.body
        if not isinstance(body, Decided):
            continue
        record = _row(tenant, body.record, received_s=each.received_s)
        _fold_attested(records, body.record.digest, record)
        for decision in body.decisions:
            _fold_attested(decisions, decision.id, _row(tenant, decision))
    RECORDS.insert(connection, list(records.values()))
    DECISIONS.insert(connection, list(decisions.values()))


def _fold_attested(rows: dict[str, Row], key: str, row: Row) -> None:
    before = rows.get(key)
    if before is None or (row["attested"] and not before["attested"]):
        rows[key] = row


# --- touches ------------------------------------------------------------------


def _first_time_counts(statement: Any) -> Any:
    """The first time counts; each further event of the same kind adds to the count."""
    before, now = t.touches.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "decision", "kind"],
        set_={
            "time_s": case((before.time_s < now.time_s, before.time_s), else_=now.time_s),
            "count": before.count + now.count,
            "bot": before.bot & now.bot,
        },
    )


TOUCHES = Many(t.touches, [c.name for c in t.touches.c], _first_time_counts)


def _store_touches(connection: Connection, tenant: str, bodies: Sequence[object]) -> None:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for body in bodies:
        if not isinstance(body, Touch):
            continue
        key = (body.decision, body.kind)
        before = rows.get(key)
        if before is None:
            rows[key] = _row(tenant, body, count=1)
        else:
            before["time_s"] = min(before["time_s"], body.time_s)
            before["count"] += 1
            before["bot"] = before["bot"] and body.bot
    TOUCHES.insert(connection, list(rows.values()))


# --- orders -------------------------------------------------------------------

ORDERS = Many(t.orders, ("tenant", *Order.__struct_fields__))
ORDER_UNITS = Many(t.order_units, [c.name for c in t.order_units.c])


def _store_orders(
    connection: Connection, tenant: str, fresh: Sequence[Fresh], batches: int
) -> list[Told]:
    """What became of the orders of each batch; the first telling of an order counts."""
    told = [Told([]) for _ in range(batches)]
    asked = [each for each in fresh if isinstance(each.fact.body, Order)]
    if not asked:
        return told
    orders = [each.fact.body for each in asked if isinstance(each.fact.body, Order)]
    known = _orders_before(connection, tenant, [order.order_id for order in orders])
    new: list[Order] = []
    for each, order in zip(asked, orders, strict=True):
        before = known.setdefault(order.order_id, order)
        if before is order:
            new.append(order)
        elif before == order:
            told[each.batch].before += 1
        else:
            rejected = Rejected(Reason.CONFLICT, f"order {order.order_id}")
            _conflict(connection, tenant, each, told, rejected)
    ORDERS.insert(connection, [_row(tenant, order) for order in new])
    ORDER_UNITS.insert(connection, [row for order in new for row in _unit_rows(tenant, order)])
    return told


def _orders_before(connection: Connection, tenant: str, ids: list[str]) -> dict[str, Order]:
    columns = [t.orders.c[name] for name in Order.__struct_fields__]
    query = select(*columns).where(t.orders.c.tenant == tenant)
    found: dict[str, Order] = {}
    for piece in pieces(ids):
        rows = connection.execute(query.where(t.orders.c.order_id.in_(piece)))
        found |= {row.order_id: Order(**row._mapping) for row in rows}
    return found


def _unit_rows(tenant: str, order: Order) -> list[Row]:
    return [
        {"tenant": tenant, "unit": unit, "order_id": order.order_id, "time_s": order.time_s}
        for unit in order.units
    ]


def _store_returns(
    connection: Connection, tenant: str, fresh: Sequence[Fresh], told: Sequence[Told]
) -> None:
    """Few come at a time, so each goes in by itself."""
    for each in fresh:
        if isinstance(each.fact.body, Return):
            try:
                told[each.batch].before += store_return(connection, tenant, each.fact.body)
            except Rejected as rejected:
                _conflict(connection, tenant, each, told, rejected)


# --- what does not count ------------------------------------------------------


def _conflict(
    connection: Connection, tenant: str, each: Fresh, told: Sequence[Told], rejected: Rejected
) -> None:
    """Its name is free again: what did not count must be able to be tried again."""
    fact, e = each.fact, t.events.c
    named = (e.tenant == tenant, e.trust == fact.trust, e.source == fact.source, e.id == fact.id)
    connection.execute(delete(t.events).where(*named))
    told[each.batch].conflicts.append(Quarantined.of(fact, rejected))


def _put_away(
    connection: Connection, tenant: str, batches: Sequence[Read], told: Sequence[Told]
) -> None:
    """All at once, since making room costs more than putting away."""
    bad = [
        each if each.received_s is not None else replace(each, received_s=batch.received_s)
        for batch, said in zip(batches, told, strict=True)
        for each in (*batch.quarantined, *said.conflicts)
    ]
    if bad:
        put_away(connection, tenant, bad, batches[-1].received_s)


def _row(tenant: str, values: Struct, **more: Any) -> dict[str, Any]:
    return {"tenant": tenant, **msgspec.structs.asdict(values), **more}
