"""Where in the database a subject is: the rows of every table that are about it.

    records      by the visitor and customer in their requests
    decisions    by unit, or by record
    touches      by decision                 orders, order_units   by visitor, customer, unit
    returns      by order                    redemptions           by subject, order, token
    caps         by subject                  broken promises       by unit or token
    quarantine   by what the event says      events                by its name
    replays      reports that show one of the decisions

No table has an index for all of this, so some are read as a whole: it takes seconds where
there are millions of records, and happens seldom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from sqlalchemy import ColumnElement, Connection, Table, func, or_, select

from control_plane.ingest.typed import Trust
from control_plane.rights.mentions import Mentions, read
from control_plane.rights.subjects import Linked, Subject
from control_plane.storage import tables as t
from control_plane.storage.bulk import pieces
from control_plane.storage.tables_publishing import broken_promises
from control_plane.storage.tables_replay import replays

Row = dict[str, Any]
CHUNK_ROWS = 2000


class Found(Struct, kw_only=True):
    """Rows by table, each as a mapping of its columns."""

    records: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    touches: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_units: list[Row] = field(default_factory=list)
    returns: list[Row] = field(default_factory=list)
    redemptions: list[Row] = field(default_factory=list)
    redemption_counts: list[Row] = field(default_factory=list)
    broken_promises: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    replays: list[Row] = field(default_factory=list)
    naming: list[Row] = field(default_factory=list)
    """Orders of others that name one of the decisions."""

    @property
    def decision_ids(self) -> set[str]:
        return {row["id"] for row in self.decisions}

    @property
    def order_ids(self) -> set[str]:
        told = (*self.orders, *self.order_units, *self.redemptions)
        return {row["order_id"] for row in told}

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each table."""
        return {name: len(getattr(self, name)) for name in self.__struct_fields__}


def find(connection: Connection, tenant: str, subject: Subject) -> Found:
    return _Search(connection, tenant, subject).all()


def find_redeemed_anew(connection: Connection, tenant: str, subject: Subject, found: Found) -> None:
    """Checkouts go on meanwhile: redemptions, their caps and returns as they are now."""
    search = _Search(connection, tenant, subject)
    search.found = found
    search.find_redeemed()


def linked(found: Found, subject: Subject) -> Linked:
    """Ids that requests and orders name together with the subject's."""
    visitors = {row["visitor"] for row in found.orders}
    customers = {row["customer"] for row in found.orders}
    for row in found.records:
        whole = read(row["record"])
        if whole is not None:
            visitors.add(whole[1].visitor)
            customers.add(whole[1].customer)
    return Linked(
        visitors=sorted(visitors - {"", *subject.visitors}),
        customers=sorted(customers - {"", *subject.customers}),
    )


class _Search:
    def __init__(self, connection: Connection, tenant: str, subject: Subject) -> None:
        self._connection = connection
        self._tenant = tenant
        self._subject = subject
        self.found = Found()

    def all(self) -> Found:
        found, c = self.found, self._subject
        found.records = self._records()
        d = t.decisions.c
        of_unit = [each.in_(c.units) for each in (d.unit, d.holdout_unit, d.global_unit)]
        digests = [row["digest"] for row in found.records]
        found.decisions = self._rows(t.decisions, "id", [or_(*of_unit), *_in(d.record, digests)])
        found.touches = self._rows(
            t.touches, "decision", _in(t.touches.c.decision, found.decision_ids)
        )
        self._find_orders()
        self.find_redeemed()
        self._find_named()
        return found

    def _records(self) -> list[Row]:
        """Candidates contain an id's bytes; their requests are read to be sure."""
        ids = [each.encode() for each in self._subject.ids]
        holds = [_contains(self._connection, t.records.c.record, each) for each in ids]
        return [
            row
            for row in self._rows(t.records, "digest", [or_(*holds)])
            if (whole := read(row["record"]))
            and self._subject.is_of(whole[1].visitor, whole[1].customer)
        ]

    def _find_orders(self) -> None:
        found, o = self.found, t.orders.c
        of_units = self._rows(
            t.order_units, "order_id", _in(t.order_units.c.unit, self._subject.units)
        )
        named = {row["order_id"] for row in of_units}
        theirs = [
            o.visitor.in_(self._subject.visitors),
            o.customer.in_(self._subject.customers),
            *_in(o.order_id, named),
        ]
        found.orders = self._rows(t.orders, "order_id", theirs)
        ids = named | {row["order_id"] for row in found.orders}
        found.order_units = self._rows(t.order_units, "unit", _in(t.order_units.c.order_id, ids))

    def find_redeemed(self) -> None:
        found, r, p = self.found, t.redemptions.c, broken_promises.c
        found.redemptions = self._rows(
            t.redemptions,
            "reservation",
            [
                r.subject.in_(self._subject.ids),
                *_in(r.order_id, found.order_ids),
                *_in(r.token, found.decision_ids),
            ],
        )
        found.returns = self._rows(
            t.returns, "return_id", _in(t.returns.c.order_id, found.order_ids)
        )
        units = p.unit.in_(self._subject.units)
        found.broken_promises = self._rows(
            broken_promises, "token", [units, *_in(p.token, found.decision_ids)]
        )
        caps = t.redemption_counts.c.cap
        ends = [caps.endswith(f"/{each}", autoescape=True) for each in self._subject.ids]
        found.redemption_counts = [
            row
            for row in self._rows(t.redemption_counts, "cap", [or_(*ends)])
            if holder_of(row["cap"]) in self._subject.ids
        ]

    def _find_named(self) -> None:
        """What tells of the subject in a text: everything of these tables is looked at."""
        found = self.found
        mentions = Mentions(self._subject, found.order_ids, found.decision_ids)
        found.quarantine = [row for row in self._all(t.quarantine, "id") if mentions(row["event"])]
        found.events = self._events(mentions)
        ids = found.decision_ids
        found.replays = [
            row
            for row in self._all(replays, "id")
            if any(id.encode() in row["report"] for id in ids)
        ] if ids else []  # fmt: skip
        ours = {row["order_id"] for row in found.orders}
        found.naming = [
            row
            for row in self._all(t.orders, "order_id", where=t.orders.c.decisions != "[]")
            if row["order_id"] not in ours and not ids.isdisjoint(decisions_in(row))
        ]

    def _events(self, mentions: Mentions) -> list[Row]:
        """Names of events: what an edge attested has a hash for one, others what they like."""
        found, v = self.found, t.events.c
        digests = {row["digest"] for row in found.records}
        digests |= {row["record"] for row in found.decisions}
        attested = self._rows(
            t.events, "id", [(v.trust == Trust.EDGE.value) & each for each in _in(v.id, digests)]
        )
        names = {row["return_id"] for row in found.returns} | mentions.orders
        others = [
            row
            for row in self._all(t.events, "trust", "source", "id", where=v.trust != Trust.EDGE)
            if row["id"] in names or mentions.knows(row["id"]) or mentions.knows(row["source"])
        ]
        return attested + others

    # --- reading ------------------------------------------------------------

    def _rows(self, table: Table, key: str, any_of: Sequence[ColumnElement[bool]]) -> list[Row]:
        """Rows for which one of these holds, each once."""
        rows: dict[tuple, Row] = {}
        keys = [column.name for column in table.primary_key]
        for condition in any_of:
            query = select(table).where(table.c.tenant == self._tenant, condition)
            for row in self._connection.execute(query.order_by(table.c[key])):
                mapping = dict(row._mapping)
                rows[tuple(mapping[name] for name in keys)] = mapping
        return list(rows.values())

    def _all(
        self, table: Table, *order: str, where: ColumnElement[bool] | None = None
    ) -> Iterator[Row]:
        query = select(table).where(table.c.tenant == self._tenant)
        if where is not None:
            query = query.where(where)
        ordered = query.order_by(*(table.c[name] for name in order))
        options = {"yield_per": CHUNK_ROWS}
        for row in self._connection.execute(ordered, execution_options=options):
            yield dict(row._mapping)


def holder_of(cap: str) -> str:
    """Whose a cap is; "" for one of all customers together.  See `redemption.caps_of`."""
    kind, *rest = cap.split("/", 3)
    return rest[2] if kind == "customer" and len(rest) == 3 else ""


def decisions_in(order: Row) -> list[str]:
    return msgspec.json.decode(order["decisions"], type=list[str])


def _in(column: Any, values: Iterable[str]) -> list[ColumnElement[bool]]:
    """In pieces that a statement takes."""
    return [column.in_(piece) for piece in pieces(sorted(values))]


def _contains(connection: Connection, column: Any, data: bytes) -> ColumnElement[bool]:
    if connection.dialect.name == "postgresql":
        return func.pg_catalog.position(column, data) > 0
    return func.instr(column, data) > 0
