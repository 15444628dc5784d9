"""Erasing in the database: what tells who somebody was goes, what was counted stays.

    deleted     records with their requests, events in quarantine, names of events
    renamed     units, decisions, orders, returns, redemptions, tokens, caps: each to a fresh
                random name, the same one everywhere, so that all sums stay what they were
    emptied     reasons of returns, which are free text
    kept        arms, tickets, amounts of money, times

Who had a random name is written nowhere: not even this shop can undo it.  A random name is
`x:` and 32 hexadecimal digits, or only these where a decision is named, so it meets no name of
a kind that anybody has.

Rows are changed by their keys, so what was added to a row since it was found is changed with it;
redemptions, which checkouts move at any time, are found anew in the same transaction.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, and_, bindparam, delete, update

from control_plane.rights.finding import Found, Row, decisions_in, holder_of
from control_plane.rights.subjects import Subject
from control_plane.storage import tables as t
from control_plane.storage.tables_publishing import broken_promises
from control_plane.storage.tables_replay import replays

DAY_S = 86400
EPOCH = date(1970, 1, 1)
TIMES = {
    "decisions": "time_s",
    "touches": "time_s",
    "orders": "time_s",
    "order_units": "time_s",
    "naming": "time_s",
    "returns": "time_s",
    "redemptions": "reserved_s",
}
"""Where each table for analysis has the time that its days go by."""
HEX = re.compile(r"[0-9a-f]{32}")


class Erasing(Struct, frozen=True, kw_only=True):
    """One erasure: old name -> random name."""

    tenant: str
    units: dict[str, str]
    ids: dict[str, str]
    decisions: dict[str, str]
    records: dict[str, str]
    orders: dict[str, str]

    @classmethod
    def of(cls, tenant: str, subject: Subject, found: Found) -> Erasing:
        units = {unit: fresh() for unit in subject.units}
        decisions: dict[str, str] = {}
        for row in found.decisions:
            decisions[row["id"]] = secrets.token_hex(16)
        ours = {row["drawn_by"] for row in found.decisions if row["unit"] in units}
        ours |= {id for row in found.orders for id in decisions_in(row)}
        ours |= {row["token"] for row in (*found.redemptions, *found.broken_promises)}
        for id in ours - decisions.keys() - {""}:
            decisions[id] = secrets.token_hex(16)
        return cls(
            tenant=tenant,
            units=units,
            ids={unit[2:]: name for unit, name in units.items()},
            decisions=decisions,
            records={row["record"]: secrets.token_hex(32) for row in found.decisions},
            orders={order: fresh() for order in found.order_ids},
        )

    def apply(self, connection: Connection, found: Found) -> None:
        """Within a writer's job."""
        self._delete(connection, t.records, found.records, "digest")
        self._delete(connection, t.quarantine, found.quarantine, "id")
        self._delete(connection, t.events, found.events, "trust", "source", "id")
        self._decisions(connection, found.decisions)
        self._orders(connection, found)
        self._redemptions(connection, found)
        self._reports(connection, found.replays)

    # --- tables -------------------------------------------------------------

    def _decisions(self, connection: Connection, rows: list[Row]) -> None:
        changes = [
            {
                "key_id": row["id"],
                "id": self.decisions[row["id"]],
                "record": self.records[row["record"]],
                "unit": self._unit(row["unit"]),
                "holdout_unit": self._unit(row["holdout_unit"]),
                "global_unit": self._unit(row["global_unit"]),
                "drawn_by": self.decisions.get(row["drawn_by"], row["drawn_by"]),
            }
            for row in rows
        ]
        self._update(connection, t.decisions, ["id"], changes)
        self._rename(connection, t.touches, "decision", self.decisions)

    def _orders(self, connection: Connection, found: Found) -> None:
        orders = [
            {
                "key_order_id": row["order_id"],
                "order_id": self.orders[row["order_id"]],
                "visitor": self.units.get(f"v:{row['visitor']}", row["visitor"]),
                "customer": self.units.get(f"c:{row['customer']}", row["customer"]),
                "decisions": self._listed(row),
            }
            for row in found.orders
        ]
        self._update(connection, t.orders, ["order_id"], orders)
        units = [
            {
                "key_unit": row["unit"],
                "key_order_id": row["order_id"],
                "unit": self._unit(row["unit"]),
                "order_id": self.orders[row["order_id"]],
            }
            for row in found.order_units
        ]
        self._update(connection, t.order_units, ["unit", "order_id"], units)
        others = [
            {"key_order_id": row["order_id"], "decisions": self._listed(row)}
            for row in found.naming
        ]
        self._update(connection, t.orders, ["order_id"], others)
        returns = [
            {
                "key_return_id": row["return_id"],
                "return_id": fresh(),
                "order_id": self.orders[row["order_id"]],
                "reason": "",
            }
            for row in found.returns
        ]
        self._update(connection, t.returns, ["return_id"], returns)

    def _redemptions(self, connection: Connection, found: Found) -> None:
        redemptions = [
            {
                "key_reservation": row["reservation"],
                "reservation": secrets.token_hex(16),
                "token": self.decisions[row["token"]],
                "order_id": self.orders[row["order_id"]],
                "subject": self.ids.get(row["subject"]) or fresh(),
                "caps": self._caps(row["caps"]),
            }
            for row in found.redemptions
        ]
        self._update(connection, t.redemptions, ["reservation"], redemptions)
        caps = [
            {"key_cap": row["cap"], "cap": self._cap(row["cap"])} for row in found.redemption_counts
        ]
        self._update(connection, t.redemption_counts, ["cap"], caps)
        promises = [
            {
                "key_token": row["token"],
                "token": self.decisions[row["token"]],
                "unit": self._unit(row["unit"]),
            }
            for row in found.broken_promises
        ]
        self._update(connection, broken_promises, ["token"], promises)

    def _reports(self, connection: Connection, rows: list[Row]) -> None:
        """Reports of replays show a few decisions by id."""
        changes = [
            {"key_id": row["id"], "report": HEX.sub(self._other, row["report"].decode()).encode()}
            for row in rows
        ]
        self._update(connection, replays, ["id"], changes)

    # --- names --------------------------------------------------------------

    def _unit(self, unit: str) -> str:
        """A page session is nobody's name, and yet it is in the request."""
        if unit.startswith("s:"):
            return self.units.setdefault(unit, fresh())
        return self.units.get(unit, unit)

    def _listed(self, order: Row) -> str:
        named = [self.decisions.get(id, id) for id in decisions_in(order)]
        return msgspec.json.encode(named).decode()

    def _caps(self, caps: str) -> str:
        keys = [self._cap(key) for key in msgspec.json.decode(caps, type=list[str])]
        return msgspec.json.encode(keys).decode()

    def _cap(self, cap: str) -> str:
        holder = holder_of(cap)
        if holder not in self.ids:
            return cap
        return f"{cap.removesuffix(holder)}{self.ids[holder]}"

    def _other(self, found: re.Match[str]) -> str:
        return self.decisions.get(found[0], found[0])

    # --- statements ---------------------------------------------------------

    def _update(
        self, connection: Connection, table: Table, keys: list[str], changes: list[Row]
    ) -> None:
        """Each change has the old key as `key_<column>`, and new values under their names."""
        if not changes:
            return
        where = [table.c[name] == bindparam(f"key_{name}") for name in keys]
        values = {name: bindparam(name) for name in changes[0] if not name.startswith("key_")}
        statement = update(table).where(table.c.tenant == self.tenant, *where).values(values)
        connection.execute(statement, changes)

    def _rename(
        self, connection: Connection, table: Table, column: str, names: dict[str, str]
    ) -> None:
        changes = [{f"key_{column}": old, column: new} for old, new in names.items()]
        self._update(connection, table, [column], changes)

    def _delete(self, connection: Connection, table: Table, rows: list[Row], *keys: str) -> None:
        where = and_(*(table.c[name] == bindparam(f"key_{name}") for name in keys))
        statement = delete(table).where(table.c.tenant == self.tenant, where)
        if rows:
            gone: list[Any] = [{f"key_{name}": row[name] for name in keys} for row in rows]
            connection.execute(statement, gone)


def fresh() -> str:
    return f"x:{secrets.token_hex(16)}"


def days_of(found: Found) -> list[str]:
    """The days (UTC) in whose tables for analysis something changes."""
    rows: Iterable[tuple[Row, str]] = (
        (row, column) for table, column in TIMES.items() for row in getattr(found, table)
    )
    return sorted({day_of(row[column]) for row, column in rows})


def day_of(time_s: int) -> str:
    return (EPOCH + timedelta(days=time_s // DAY_S)).isoformat()
