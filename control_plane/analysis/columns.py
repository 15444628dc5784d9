"""The tables and their columns, as Parquet has them: the one list that all of this reads.

Money is in integer micros, time in Unix seconds, digests in hexadecimal, as in the
database.  There is no column of the tenant: a folder is one tenant's.  There are no
fractions anywhere.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Type = Literal["text", "whole", "bool"]
TEXT, WHOLE, BOOL = "text", "whole", "bool"

DUCKDB_TYPES: dict[str, str] = {TEXT: "VARCHAR", WHOLE: "BIGINT", BOOL: "BOOLEAN"}


class Shape(Struct, frozen=True, kw_only=True):
    """A table: its columns in order, its key, and the column whose day a row belongs to."""

    columns: dict[str, Type]
    key: tuple[str, ...]
    time: str = ""


SHAPES: dict[str, Shape] = {
    "decisions": Shape(
        columns={
            "id": TEXT,
            "record": TEXT,
            "attested": BOOL,
            "time_s": WHOLE,
            "placement": TEXT,
            "slot": WHOLE,
            "unit": TEXT,
            "holdout_unit": TEXT,
            "global_unit": TEXT,
            "segment": TEXT,
            "flags": WHOLE,
            "epoch": WHOLE,
            "redraw": WHOLE,
            "shown_arm": TEXT,
            "shown_tickets": WHOLE,
            "shown_draw": WHOLE,
            "shown_reason": WHOLE,
            "ghost_arm": TEXT,
            "ghost_tickets": WHOLE,
            "ghost_draw": WHOLE,
            "ghost_reason": WHOLE,
            "drawn_by": TEXT,
            "listed": TEXT,
            "bundle": TEXT,
            "manifest": TEXT,
        },
        key=("id",),
        time="time_s",
    ),
    "touches": Shape(
        columns={
            "decision": TEXT,
            "kind": TEXT,
            "time_s": WHOLE,
            "track": TEXT,
            "count": WHOLE,
            "bot": BOOL,
        },
        key=("decision", "kind"),
        time="time_s",
    ),
    "orders": Shape(
        columns={
            "order_id": TEXT,
            "visitor": TEXT,
            "customer": TEXT,
            "revenue_micros": WHOLE,
            "margin_micros": WHOLE,
            "discount_micros": WHOLE,
            "currency": TEXT,
            "time_s": WHOLE,
            "decisions": TEXT,
        },
        key=("order_id",),
        time="time_s",
    ),
    "order_units": Shape(
        columns={"unit": TEXT, "order_id": TEXT, "time_s": WHOLE},
        key=("unit", "order_id"),
        time="time_s",
    ),
    "redemptions": Shape(
        columns={
            "reservation": TEXT,
            "token": TEXT,
            "order_id": TEXT,
            "subject": TEXT,
            "offer": TEXT,
            "rung": TEXT,
            "placement": TEXT,
            "bundle": TEXT,
            "currency": TEXT,
            "discount_micros": WHOLE,
            "cost_micros": WHOLE,
            "state": TEXT,
            "reserved_s": WHOLE,
            "expires_s": WHOLE,
            "changed_s": WHOLE,
        },
        key=("reservation",),
        time="reserved_s",
    ),
    "returns": Shape(
        columns={
            "return_id": TEXT,
            "order_id": TEXT,
            "refund_micros": WHOLE,
            "margin_micros": WHOLE,
            "currency": TEXT,
            "time_s": WHOLE,
            "reason": TEXT,
        },
        key=("return_id",),
        time="time_s",
    ),
    "offers": Shape(
        columns={
            "bundle": TEXT,
            "arm": TEXT,
            "offer": TEXT,
            "rung": TEXT,
            "version": TEXT,
            "title": TEXT,
        },
        key=("bundle", "arm"),
    ),
}
"""`listed` is the JSON of [[arm, tickets], ...]; `decisions` of an order the JSON of ids.
`offers` comes from the bundles, all others from the database's tables of the same name."""
