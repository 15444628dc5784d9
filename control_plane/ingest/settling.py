"""What only the tables know of a fact: its decision, or the order that it corrects.

It happens inside the transaction that stores the facts, before their names are taken: what
cannot be settled now goes to quarantine, and a replay finds what came in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import Connection, or_, select

from control_plane.ingest.typed import (
    Fact,
    Order,
    Promotion,
    Reason,
    Rejected,
    Return,
    Touch,
)
from control_plane.quarantine import Quarantined
from control_plane.storage import tables as t

d, o = t.decisions.c, t.orders.c


def is_settled(fact: Fact) -> bool:
    body = fact.body
    if isinstance(body, Return):
        return body.refund_micros is not None and body.margin_micros is not None
    return not isinstance(body, Promotion)


def settle(
    connection: Connection, tenant: str, facts: Sequence[Fact]
) -> tuple[list[Fact], list[Quarantined]]:
    """Those that were not settled, now whole; and those that cannot be."""
    settled: list[Fact] = []
    left: list[Quarantined] = []
    for fact in facts:
        if is_settled(fact):
            continue
        try:
            settled.append(_settled(connection, tenant, fact))
        except Rejected as rejected:
            left.append(Quarantined.of(fact, rejected))
    return settled, left


def _settled(connection: Connection, tenant: str, fact: Fact) -> Fact:
    if isinstance(fact.body, Promotion):
        return replace(fact, body=_touch(connection, tenant, fact.body))
    assert isinstance(fact.body, Return)
    return replace(fact, body=_return(fact.body, _order(connection, tenant, fact.body.order_id)))


# --- which decision -----------------------------------------------------------


def _touch(connection: Connection, tenant: str, body: Promotion) -> Touch:
    """Of the newest decision that showed this, to this unit, in the window."""
    where = [
        d.tenant == tenant,
        d.unit.in_(body.units),
        d.time_s >= body.since_s,
        d.time_s <= body.time_s,
    ]
    if body.placement:
        where.append(d.placement == body.placement)
    if body.offer:
        # an arm is the offer and its rung: compared by its beginning, without wildcards
        rung = f"{body.offer}/"
        begins = (d.shown_arm >= rung) & (d.shown_arm < f"{body.offer}0")
        where.append(or_(d.shown_arm == body.offer, begins))
    newest = select(d.id).where(*where).order_by(d.time_s.desc(), d.id).limit(1)
    found = connection.scalar(newest)
    if found is None:
        what = f"offer {body.offer[:80]!a} in placement {body.placement[:80]!a}"
        raise Rejected(Reason.NO_DECISION, f"{what} was not shown to this visitor by then")
    return Touch(decision=found, kind=body.kind, time_s=body.time_s, track="shown", bot=body.bot)


# --- which order --------------------------------------------------------------


def _order(connection: Connection, tenant: str, order_id: str) -> Order | None:
    columns = [o[name] for name in Order.__struct_fields__]
    query = select(*columns).where(o.tenant == tenant, o.order_id == order_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else Order(**row._mapping)


def _return(body: Return, order: Order | None) -> Return:
    """A whole refund takes the order's whole profit, a part of it takes its part.

    What is refunded beyond the revenue (shipping, taxes) takes no more: there is no more.
    """
    if order is None:
        raise Rejected(Reason.NO_ORDER, f"order {body.order_id[:80]!a}")
    refund = order.revenue_micros if body.refund_micros is None else body.refund_micros
    margin = body.margin_micros
    if margin is None:
        profit = order.margin_micros - order.discount_micros
        part = max(-order.revenue_micros, min(refund, order.revenue_micros))
        margin = profit * part // order.revenue_micros if order.revenue_micros else profit
    return replace(body, refund_micros=refund, margin_micros=margin)
