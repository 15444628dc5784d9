"""Correcting an order (GDPR, article 16): its figures, and who placed it.

That is all that can be wrong here.  A decision is what an edge decided then, with what it was
told; if that was about the wrong person it can be erased, not made another's: its draw was the
other unit's.  An order is the shop's word, and the shop may correct it:

    figures     revenue, margin, discount, as the shop's webhook would tell them
    who         visitor and customer; "" takes one away.  The order then counts for the units
                that placed it, in learning and in every report.

The first telling of an order counts: what the shop sends again as it was is a conflict with the
corrected order, and goes to quarantine.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, structs
from sqlalchemy import Connection, delete, insert, select, update

from control_plane.errors import Refused
from control_plane.ingest.checking import is_name, micros_of
from control_plane.ingest.typed import Order, Rejected
from control_plane.rights.subjects import ID_LIMIT_BYTES, Id
from control_plane.storage import tables as t

Amount = Annotated[str, Meta(pattern=r"\A[0-9]{1,9}(\.[0-9]{1,6})?\Z")]
Signed = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,9}(\.[0-9]{1,6})?\Z")]
Whose = Annotated[str, Meta(max_length=ID_LIMIT_BYTES, pattern=r"\A[^\x00-\x1f]*\Z")]
FIGURES = ("revenue", "margin", "discount")
o = t.orders.c


class Correction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be so from now on; null: as it is.  Amounts are in the order's currency."""

    order_id: Id
    revenue: Amount | None = None
    margin: Signed | None = None
    discount: Amount | None = None
    visitor: Whose | None = None
    customer: Whose | None = None


class Corrected(Struct, frozen=True, kw_only=True):
    """The order as it is now, the fields that changed, and what could not be done yet."""

    order: Order
    changed: list[str]
    left: list[str] = []


def correct(connection: Connection, tenant: str, asked: Correction) -> Corrected:
    """Within a writer's job.  Raises `Refused` unknown-order or malformed-request."""
    order = _order(connection, tenant, asked.order_id)
    wanted = structs.replace(order, **_values(asked))
    changed = [
        name for name in Order.__struct_fields__ if getattr(order, name) != getattr(wanted, name)
    ]
    if not wanted.units:
        raise Refused("malformed-request", "an order is of a visitor or of a customer")
    if changed:
        values = {name: getattr(wanted, name) for name in changed}
        where = (o.tenant == tenant, o.order_id == order.order_id)
        connection.execute(update(t.orders).where(*where).values(values))
        _place(connection, tenant, wanted)
    return Corrected(order=wanted, changed=changed)


def _values(asked: Correction) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in FIGURES:
        text = getattr(asked, name)
        if text is not None:
            values[f"{name}_micros"] = _micros(text, name)
    for name in ("visitor", "customer"):
        text = getattr(asked, name)
        if text is not None:
            values[name] = _name(text, name)
    if not values:
        raise Refused("malformed-request", "there is nothing to correct: name a field")
    return values


def _micros(text: str, name: str) -> int:
    try:
        return micros_of(text, name, negative=name == "margin")
    except Rejected as rejected:
        raise Refused("malformed-request", rejected.detail) from None


def _name(text: str, name: str) -> str:
    if text and not is_name(text):
        raise Refused("malformed-request", f"{name} must be at most {ID_LIMIT_BYTES} bytes of text")
    return text


def _order(connection: Connection, tenant: str, order_id: str) -> Order:
    columns = [o[name] for name in Order.__struct_fields__]
    query = select(*columns).where(o.tenant == tenant, o.order_id == order_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Refused("unknown-order", "no order of this id was told")
    return Order(**row._mapping)


def _place(connection: Connection, tenant: str, order: Order) -> None:
    """Under each unit that placed it, and no other."""
    u = t.order_units
    connection.execute(delete(u).where(u.c.tenant == tenant, u.c.order_id == order.order_id))
    rows = [
        {"tenant": tenant, "unit": unit, "order_id": order.order_id, "time_s": order.time_s}
        for unit in order.units
    ]
    connection.execute(insert(u), rows)
