"""The audit log: what an entry becomes, and what anybody can compute again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import select

from control_plane.audit.chain import START, Row, encoded, hash_of
from control_plane.audit.log import Entry, append, canonical_json
from control_plane.audit.reading import Wanted, head, newest_first, pages
from control_plane.audit.verifying import Report, verify_rows
from control_plane.storage.database import Database
from control_plane.storage.tables_audit import audit
from control_plane.storage.writer import Writer
from tests.control_plane.homes import BOTH, StorageHome

HOMES = BOTH


@pytest.fixture
def database(home: StorageHome, tmp_path: Path) -> Iterator[Database]:
    database = home.database(tmp_path / "var")
    yield database
    database.close()


def entry(**more: Any) -> Entry:
    said: dict[str, Any] = {
        "tenant": "shop", "actor": "user:1", "action": "draft.edit", "subject": "draft/1"
    }  # fmt: skip
    return Entry(**said | more)


def rows(database: Database, tenant: str = "shop") -> list[Row]:
    with database.reading() as connection:
        return newest_first(connection, tenant, Wanted(), 1000)[::-1]


def verified(database: Database, tenant: str = "shop") -> Report:
    report = Report(tenant=tenant)
    with database.reading() as connection:
        verify_rows(report, connection, [])
    return report


def recomputed(row: dict[str, Any]) -> str:
    """The hash, written anew from the words in `chain.py`."""
    names = [
        "tenant",
        "number",
        "at_s",
        "actor",
        "action",
        "subject",
        "before",
        "after",
        "note",
        "previous",
    ]
    data = b""
    for text in ["proffer-audit-1", *(str(row[name]) for name in names)]:
        raw = text.encode("utf-8")
        data += str(len(raw)).encode() + b":" + raw
    return hashlib.sha256(data).hexdigest()


# --- writing ------------------------------------------------------------------


def test_entries_are_numbered_and_chained_within_their_tenant(database: Database) -> None:
    with database.writing() as connection:
        for tenant in ("shop", "another", "shop", "shop", "another"):
            append(connection, entry(tenant=tenant, before={"b": 1, "a": None}, at_s=7))
    ours = rows(database)
    assert [row.number for row in ours] == [1, 2, 3]
    assert [row.previous for row in ours] == [START, ours[0].hash, ours[1].hash]
    assert (ours[0].before, ours[0].after, ours[0].at_s) == ('{"a":null,"b":1}', "null", 7)
    assert [row.number for row in rows(database, "another")] == [1, 2]
    with database.reading() as connection:
        assert head(connection, "nobody") is None


def test_an_entry_is_there_exactly_when_its_change_is(database: Database, writer: Writer) -> None:
    def fails(connection: Any) -> None:
        append(connection, entry(note="of a change that is undone"))
        raise ValueError

    futures = [
        writer.submit(lambda connection: append(connection, entry(note="a"))),
        writer.submit(fails),
        writer.submit(lambda connection: append(connection, entry(note="b"))),
    ]
    assert [future.exception() is None for future in futures] == [True, False, True]
    assert [(row.number, row.note) for row in rows(database)] == [(1, "a"), (2, "b")]
    assert verified(database).ok


def test_two_processes_write_one_chain(
    database: Database, writer: Writer, home: StorageHome, tmp_path: Path
) -> None:
    other = home.database(tmp_path / "var")
    second = Writer(other)
    futures = [
        one.submit(lambda connection: append(connection, entry()))
        for _ in range(20)
        for one in (writer, second)
    ]
    for future in futures:
        future.result()
    second.close()
    other.close()
    assert [row.number for row in rows(database)] == list(range(1, 41))
    assert verified(database).rows == 40


TEXT = some.text(max_size=40)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ENTRIES = some.lists(
    some.builds(
        entry,
        actor=TEXT, action=TEXT, subject=TEXT, note=TEXT, before=VALUES, after=VALUES,
        at_s=some.integers(-(2**63), 2**63 - 1),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES)
def test_whatever_is_written_is_accepted_and_anybody_computes_the_same_hash(
    database: Database, entries: list[Entry]
) -> None:
    with database.writing() as connection:
        for each in entries:
            append(connection, each)
    assert verified(database).flaws == []
    with database.reading() as connection:
        kept = connection.execute(select(audit).order_by(audit.c.number)).mappings().all()
    assert [row["hash"] for row in kept] == [recomputed(dict(row)) for row in kept]
    for row, each in zip(kept[-len(entries) :], entries, strict=True):
        assert json.loads(row["before"]) == each.before


def test_texts_that_databases_do_not_keep_are_shown(database: Database) -> None:
    with database.writing() as connection:
        append(connection, entry(note="nul\0, half \ud800", after="\0"))
    (row,) = rows(database)
    assert (row.note, row.after) == (r"nul\0, half \ud800", r'"\u0000"')
    assert verified(database).ok


# --- the hash -----------------------------------------------------------------


def test_the_hash_of_a_row_is_fixed_for_ever() -> None:
    row = Row(
        tenant="shop", number=7, at_s=1790000000, actor="user:1", action="draft.edit",
        subject="draft/ü", before="null", after='{"a":1}', note="", previous=START,
    )  # fmt: skip
    expected = (
        "15:proffer-audit-14:shop1:710:17900000006:user:110:draft.edit8:draft/ü4:null"
        '7:{"a":1}0:64:' + START
    )
    assert encoded([*(getattr(row, name) for name in row.__struct_fields__)]) == expected.encode()
    assert hash_of(row) == hashlib.sha256(expected.encode()).hexdigest()


@given(some.lists(TEXT, min_size=4, max_size=4), some.lists(TEXT, min_size=4, max_size=4))
def test_different_rows_are_never_encoded_alike(a: list[str], b: list[str]) -> None:
    def row(texts: list[str]) -> list[object]:
        return ["shop", 1, 2, *texts, "x", "y", "z", "hash"]

    assert (encoded(row(a)) == encoded(row(b))) == (a == b)


def test_equal_values_are_equal_json() -> None:
    assert canonical_json({"b": 1, "a": [1, {"d": 2, "c": 3}]}) == '{"a":[1,{"c":3,"d":2}],"b":1}'


# --- reading ------------------------------------------------------------------


def test_pages_follow_each_other_without_gaps(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.writing() as connection:
        for _ in range(11):
            append(connection, entry())
    monkeypatch.setattr("control_plane.audit.reading.PAGE_ROWS", 4)
    with database.reading() as connection:
        found = list(pages(connection, "shop"))
        behind = [row[1] for page in pages(connection, "shop", after=8) for row in page]
    assert [len(page) for page in found] == [4, 4, 3]
    assert behind == [9, 10, 11]


def test_rows_are_found_by_each_filter(database: Database) -> None:
    with database.writing() as connection:
        for number in range(1, 7):
            actor, action = f"user:{number % 2}", ("a", "b", "c")[number % 3]
            append(
                connection, entry(actor=actor, action=action, at_s=number, subject=f"s/{number}")
            )

    def numbers(limit: int = 100, before: int | None = None, **wanted: Any) -> list[int]:
        with database.reading() as connection:
            found = newest_first(connection, "shop", Wanted(**wanted), limit, before)
        return [row.number for row in found]

    assert numbers() == [6, 5, 4, 3, 2, 1]
    assert numbers(2, before=5) == [4, 3]
    assert numbers(actor="user:1") == [5, 3, 1]
    assert numbers(action="b") == [4, 1]
    assert numbers(subject="s/2") == [2]
    assert numbers(since_s=2, until_s=4) == [3, 2]
    assert numbers(actor="user:0", action="a") == [6]


# --- what only a file of SQLite can hold --------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET note = x'ff00' WHERE number = 2",
        "UPDATE audit SET note = CAST(x'ff41' AS TEXT) WHERE number = 2",
        "UPDATE audit SET at_s = 7.5 WHERE number = 2",
        "UPDATE audit SET at_s = 'soon' WHERE number = 2",
        "UPDATE audit SET number = 'two' WHERE number = 2",
        "UPDATE audit SET number = 2.5 WHERE number = 2",
        "UPDATE audit SET number = x'02' WHERE number = 2",
    ],
)
def test_values_of_other_types_are_named_too(tmp_path: Path, statement: str) -> None:
    database = Database(tmp_path / "var" / "proffer.db")
    with database.writing() as connection:
        for number in (1, 2, 3):
            append(connection, entry(at_s=7, note=str(number)))
    with sqlite3.connect(tmp_path / "var" / "proffer.db") as raw:
        raw.execute(statement)
    raw.close()
    (flaw,) = verified(database).flaws
    assert flaw.row == 2
    database.close()


def test_what_could_change_rows_is_nowhere_in_the_program() -> None:
    """Rows are inserted by `append` alone."""
    places = [
        path.name
        for path in Path("control_plane").rglob("*.py")
        if "tables_audit import audit" in path.read_text()
    ]
    assert sorted(places) == ["log.py", "reading.py"]
