"""Writing what events say, each event once.

A name (`trust`, `source`, `id`) that is in the table of events already counts as a
duplicate.
A decision is written once under its id; an attested one takes the place of the same
decision without the edge's word, never the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, case, insert, select

from control_plane.admission import Decided, Fact, Order, Reason, Rejected, Touch, Trust
from control_plane.quarantine import Quarantined, put_away
from control_plane.releasing.latency import Run, note_runs
from control_plane.storage import tables as t
from control_plane.storage.database import insert_into


class Receipt(Struct, frozen=True):
    """What became of a batch: counts of events."""

    accepted: int
    duplicates: int
    quarantined: int


def store(
    connection: Connection,
    tenant: str,
    facts: Sequence[Fact],
    quarantined: Sequence[Quarantined],
    now_s: int,
) -> Receipt:
    """Everything of one batch."""
    unique = {_name(fact): fact for fact in reversed(facts)}
    fresh = _new_names(connection, tenant, list(unique.values()), now_s)
    bodies = [fact.body for fact in fresh]
    note_runs(connection, tenant, [run for fact in fresh for run in _runs(fact)])
    _store_decided(connection, tenant, [b for b in bodies if isinstance(b, Decided)], now_s)
    _store_touches(connection, tenant, [b for b in bodies if isinstance(b, Touch)])
    conflicts, told_before = _store_orders(connection, tenant, fresh)
    put_away(connection, tenant, [*quarantined, *conflicts], now_s)
    accepted = len(fresh) - told_before - len(conflicts)
    return Receipt(
        accepted=accepted,
        duplicates=len(facts) - accepted - len(conflicts),
        quarantined=len(quarantined) + len(conflicts),
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
            edge=fact.source,
            manifest=body.record.manifest,
            first_s=min(times),
            last_s=max(times),
        )
    ]


def _name(fact: Fact) -> tuple[str, str, str]:
    return fact.trust.value, fact.source, fact.id


def _new_names(connection: Connection, tenant: str, facts: list[Fact], now_s: int) -> list[Fact]:
    """The facts whose names were not seen before, now marked as seen."""
    rows = [
        {
            "tenant": tenant,
            "trust": fact.trust.value,
            "source": fact.source,
            "id": fact.id,
            "type": fact.type,
            "received_s": now_s,
        }
        for fact in facts
    ]
    if not rows:
        return []
    statement = insert_into(connection, t.events).on_conflict_do_nothing()
    name = (t.events.c.trust, t.events.c.source, t.events.c.id)
    names = {tuple(row) for row in connection.execute(statement.returning(*name), rows)}
    return [fact for fact in facts if _name(fact) in names]


def _store_decided(connection: Connection, tenant: str, decided: list[Decided], now_s: int) -> None:
    records = [_row(tenant, d.record, received_s=now_s) for d in decided]
    decisions = [_row(tenant, decision) for d in decided for decision in d.decisions]
    _upsert_attested(connection, t.records, records, ["tenant", "digest"])
    _upsert_attested(connection, t.decisions, decisions, ["tenant", "id"])


def _upsert_attested(
    connection: Connection, table: Table, rows: list[dict[str, Any]], key: list[str]
) -> None:
    if not rows:
        return
    statement = insert_into(connection, table)
    others = {c.name: statement.excluded[c.name] for c in table.c if c.name not in key}
    statement = statement.on_conflict_do_update(
        index_elements=key,
        set_=others,
        where=statement.excluded.attested & ~table.c.attested,
    )
    connection.execute(statement, rows)


def _store_touches(connection: Connection, tenant: str, touches: list[Touch]) -> None:
    """The first time counts; each further event of the same kind adds to the count."""
    if not touches:
        return
    statement = insert_into(connection, t.touches)
    before, now = t.touches.c.time_s, statement.excluded.time_s
    statement = statement.on_conflict_do_update(
        index_elements=["tenant", "decision", "kind"],
        set_={"time_s": _least(before, now), "count": t.touches.c.count + 1},
    )
    connection.execute(statement, [_row(tenant, touch, count=1) for touch in touches])


def _least(a: Any, b: Any) -> Any:
    return case((a < b, a), else_=b)


def _store_orders(
    connection: Connection, tenant: str, facts: list[Fact]
) -> tuple[list[Quarantined], int]:
    """Conflicts with what was told before, and the number of orders told before alike."""
    conflicts: list[Quarantined] = []
    told_before = 0
    for fact in facts:
        if not isinstance(fact.body, Order):
            continue
        before = _order_before(connection, tenant, fact.body.order_id)
        if before is None:
            _store_order(connection, tenant, fact.body)
        elif before == fact.body:
            told_before += 1
        else:
            rejected = Rejected(Reason.CONFLICT, f"order {fact.body.order_id}")
            conflicts.append(Quarantined(fact.raw, rejected, Trust.SHOP))
    return conflicts, told_before


def _order_before(connection: Connection, tenant: str, order_id: str) -> Order | None:
    columns = [t.orders.c[name] for name in Order.__struct_fields__]
    query = select(*columns).where(t.orders.c.tenant == tenant, t.orders.c.order_id == order_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else Order(**row._mapping)


def _store_order(connection: Connection, tenant: str, order: Order) -> None:
    connection.execute(insert(t.orders), _row(tenant, order))
    units = [
        {"tenant": tenant, "unit": unit, "order_id": order.order_id, "time_s": order.time_s}
        for unit in order.units
    ]
    if units:
        connection.execute(insert(t.order_units), units)


def _row(tenant: str, values: Struct, **more: Any) -> dict[str, Any]:
    return {"tenant": tenant, **msgspec.structs.asdict(values), **more}
