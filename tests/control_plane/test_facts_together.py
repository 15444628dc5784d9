"""Batches that are written together: the same receipts and rows as one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, select

from control_plane.facts import Read, Receipt, store_all
from control_plane.ingest.typed import (
    Decided,
    Fact,
    Order,
    Reason,
    Rejected,
    Return,
    Touch,
    Trust,
)
from control_plane.pruning import prune
from control_plane.quarantine import Quarantined
from control_plane.recording import Decision, StoredRecord
from control_plane.storage import tables as t
from control_plane.storage.bulk import SIZES, Many, pieces
from control_plane.storage.database import Database
from control_plane.storage.tables_publishing import edge_runs
from control_plane.storage.writer import Writer
from tests.control_plane.homes import BOTH, StorageHome

HOMES = BOTH
TENANT = "t"
TABLES: tuple[Table, ...] = (
    t.events, t.records, t.decisions, t.touches, t.orders, t.order_units, t.returns, t.quarantine,
    edge_runs,
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path, home: StorageHome) -> Iterator[Database]:
    database = home.database(tmp_path)
    yield database
    database.close()


# --- facts, so few different ones that they often meet ------------------------

few = st.integers(0, 3)
seconds = st.integers(1_000, 1_003)


def decided(number: int, attested: bool, time_s: int, variant: int) -> Decided:
    record = StoredRecord(
        digest=f"r{number}", attested=attested, bundle="b", manifest=f"m{variant}", record=b"r"
    )
    texts = dict.fromkeys(
        ("placement", "unit", "holdout_unit", "global_unit", "segment", "shown_arm", "ghost_arm",
         "drawn_by", "bundle", "manifest"), f"x{variant}",
    )  # fmt: skip
    numbers = dict.fromkeys(
        ("slot", "flags", "epoch", "redraw", "shown_tickets", "shown_draw", "shown_reason",
         "ghost_tickets", "ghost_draw", "ghost_reason"), variant,
    )  # fmt: skip
    rows = [
        Decision(
            id=f"d{number}-{slot}", record=record.digest, attested=attested, time_s=time_s,
            listed=b"l", **texts, **numbers,
        )
        for slot in range(number % 3)
    ]  # fmt: skip
    return Decided(record, rows)


def order(number: int, revenue: int, visitor: str, customer: str) -> Order:
    return Order(
        order_id=f"o{number}", visitor=visitor, customer=customer, revenue_micros=revenue,
        margin_micros=1, discount_micros=0, currency="EUR", time_s=1_000, decisions="[]",
    )  # fmt: skip


def returned(number: int, order_id: int, refund: int) -> Return:
    return Return(
        return_id=f"b{number}", order_id=f"o{order_id}", refund_micros=refund, margin_micros=refund,
        currency="EUR", time_s=1_000, reason="",
    )  # fmt: skip


bodies = st.one_of(
    st.builds(decided, few, st.booleans(), seconds, few),
    st.builds(
        Touch,
        decision=few.map(str),
        kind=st.sampled_from(["exposure", "click"]),
        time_s=seconds,
        track=st.sampled_from(["shown", "ghost"]),
        bot=st.booleans(),
    ),
    st.builds(order, few, few, st.sampled_from(["", "v"]), st.sampled_from(["", "c"])),
    st.builds(returned, few, few, few),
)
facts = st.builds(
    Fact,
    trust=st.sampled_from(Trust),
    source=st.sampled_from(["/a", "/b"]),
    id=few.map(str),
    type=st.just("x"),
    body=bodies,
    raw=st.binary(max_size=2),
    sender=st.sampled_from(["edge-1", "edge-2"]),
)
bad = st.builds(
    Quarantined,
    raw=st.binary(max_size=1),
    rejected=st.builds(Rejected, st.sampled_from(Reason), st.just("why")),
    trust=st.sampled_from(Trust),
)
batches = st.builds(
    Read, facts=st.lists(facts, max_size=6), quarantined=st.lists(bad, max_size=2),
    received_s=st.integers(2_000, 2_001),
)  # fmt: skip


# --- one after the other, and together ----------------------------------------


class Undo(Exception):
    pass


def contents(connection: Connection) -> dict[str, list[Any]]:
    """Rows in the order of their keys; the numbers of quarantine tell only what came first."""
    found = {}
    for table in TABLES:
        columns = [column for column in table.c if column is not t.quarantine.c.id]
        rows = connection.execute(select(*columns).order_by(*table.primary_key)).all()
        found[table.name] = [tuple(row) for row in rows]
    return found


def outcome(
    database: Database, before: Sequence[Read], groups: Sequence[Sequence[Read]]
) -> tuple[list[Receipt], dict[str, list[Any]]]:
    """What comes of it on top of `before`; nothing of it stays."""
    found: list[Any] = []
    try:
        with database.writing() as connection:
            for batch in before:
                store_all(connection, TENANT, [batch])
            receipts = [each for group in groups for each in store_all(connection, TENANT, group)]
            found += [receipts, contents(connection)]
            raise Undo
    except Undo:
        return found[0], found[1]


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(before=st.lists(batches, max_size=2), group=st.lists(batches, min_size=2, max_size=5))
def test_batches_together_are_batches_one_after_the_other(
    database: Database, before: list[Read], group: list[Read]
):
    apart = outcome(database, before, [[batch] for batch in group])
    together = outcome(database, before, [group])
    assert together[0] == apart[0]
    assert together[1] == apart[1]


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(group=st.lists(batches, min_size=1, max_size=4))
def test_the_same_again_changes_nothing_but_counts(database: Database, group: list[Read]):
    once = outcome(database, group, [])[1]
    again, after = outcome(database, group, [group])
    assert all(receipt.accepted == 0 for receipt in again)
    for tables in (once, after):
        del tables["quarantine"]
    assert after == once


def test_of_a_name_that_comes_twice_the_first_counts(database: Database):
    touches = [
        Touch(decision=decision, kind="click", time_s=1, track="shown") for decision in ("a", "b")
    ]
    group = [Read([fact_of("same", touch)], [], 5) for touch in touches]
    receipts, rows = outcome(database, [], [group])
    assert receipts == [Receipt(1, 0, 0), Receipt(0, 1, 0)]
    assert [row[1] for row in rows["touches"]] == ["a"]


def fact_of(name: str, body: Any) -> Fact:
    return Fact(trust=Trust.PAGE, source="/", id=name, type="x", body=body, raw=b"")


# --- statements for many rows -------------------------------------------------


@given(st.integers(0, 2000))
def test_rows_go_in_pieces_of_few_sizes_and_none_is_left_out(count: int):
    found = list(pieces(range(count)))
    assert [each for piece in found for each in piece] == list(range(count))
    assert {len(piece) for piece in found} <= set(SIZES)
    assert len(found) <= count // SIZES[0] + 5


def test_a_thousand_rows_are_inserted_with_whatever_they_hold(database: Database):
    many = Many(t.records, [c.name for c in t.records.c])
    odd = "'; -- 50% %s ? \N{SNOWMAN}"
    rows = [
        {
            "tenant": TENANT, "digest": f"{n}", "attested": n % 2 == 0, "bundle": odd,
            "manifest": "", "received_s": 1 << 40, "record": bytes([n % 256]),
        }
        for n in range(1000)
    ]  # fmt: skip
    with database.writing() as connection:
        many.insert(connection, rows)
        found = {row.digest: row for row in connection.execute(select(t.records))}
    assert len(found) == 1000
    for row in rows:
        assert found[row["digest"]]._asdict() == row


# --- names that are no longer needed ------------------------------------------


def test_names_are_forgotten_once_they_are_old_and_only_this_tenants(database: Database):
    touch = Touch(decision="a", kind="click", time_s=1, track="shown")
    writer = Writer(database)
    try:
        for tenant, received_s in ((TENANT, 10), (TENANT, 20), ("other", 10)):
            batch = Read([fact_of(f"{received_s}-{n}", touch) for n in range(600)], [], received_s)
            writer.run(lambda c, tenant=tenant, batch=batch: store_all(c, tenant, [batch]))
        assert prune(database, writer, TENANT, before_s=20) == 600
        assert prune(database, writer, TENANT, before_s=20) == 0
    finally:
        writer.close()
    with database.reading() as connection:
        left = connection.execute(select(t.events.c.tenant, t.events.c.received_s)).all()
    assert sorted({tuple(row) for row in left}) == [("other", 10), (TENANT, 20)]
    assert len(left) == 1200
