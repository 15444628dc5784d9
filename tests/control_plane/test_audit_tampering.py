"""No change to an audit log stays unseen: ten thousand ways to try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec import structs
from sqlalchemy import Connection, delete, insert

from control_plane.audit.checkpoints import (
    Checkpoint,
    name_of,
    newest,
    previous_of,
    sign_checkpoint,
)
from control_plane.audit.log import Entry, append
from control_plane.audit.reading import Wanted, newest_first
from control_plane.audit.trusting import roots_of
from control_plane.audit.verifying import (
    Report,
    UnknownCheckpoint,
    verify_checkpoints,
    verify_log,
    verify_rows,
)
from control_plane.storage.database import Database
from control_plane.storage.objects import DirectoryStore, ObjectError
from control_plane.storage.tables_audit import audit
from policy_compiler.keys import DevelopmentKeys, SigningKey
from policy_compiler.sign import development_root, sign_root
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.tampering import Log, Tampered, Tamperer

HOMES = BOTH
TENANT = "shop"
NOW_S = 1_790_000_000
ROWS, COVERED = 15, 12
CHECKPOINTS = (1, 4, 5, 9, COVERED)
"""At these rows; what comes behind the last one is only chained."""
TRIES = 10_000
TRIES_POSTGRES = 500
EMPTY, FILL = delete(audit).where(audit.c.tenant == TENANT), insert(audit)
AT_ONCE = 100
"""Tries in one transaction: savepoints that were undone stay in it, and slow it down."""


@pytest.fixture
def keys() -> DevelopmentKeys:
    return DevelopmentKeys.generate()


@pytest.fixture
def store(tmp_path: Path, keys: DevelopmentKeys) -> DirectoryStore:
    store = DirectoryStore(tmp_path / "objects")
    store.put("keys/root.1.jws", development_root(keys, TENANT, NOW_S))
    return store


@pytest.fixture
def database(home: StorageHome, tmp_path: Path) -> Iterator[Database]:
    database = home.database(tmp_path / "var")
    yield database
    database.close()


def entry(number: int, tenant: str = TENANT) -> Entry:
    return Entry(
        tenant=tenant,
        actor=("user:1", "user:2", "key:3")[number % 3],
        action=("draft.edit", "channel.publish")[number % 2],
        subject=f"draft/{number % 4}",
        before={"cost": number - 1, "names": ["ä", "b"]},
        after={"cost": number, "names": []},
        note="a note" if number % 2 else "",
        at_s=NOW_S + number,
    )


def checkpoint(connection: Connection, store: DirectoryStore, key: SigningKey) -> Checkpoint:
    """Signs the newest row, whatever it is."""
    (row,) = newest_first(connection, TENANT, Wanted(), 1)
    before = newest(store)
    made = Checkpoint(
        tenant=TENANT,
        sequence=before.sequence + 1 if before else 1,
        number=row.number,
        hash=row.hash,
        count=row.number,
        at_s=NOW_S + row.number,
        previous=previous_of(before),
    )
    store.put(name_of(made.sequence), sign_checkpoint(key, made))
    return made


@pytest.fixture
def log(database: Database, store: DirectoryStore, keys: DevelopmentKeys) -> Log:
    """As it was written, with checkpoints on its way."""
    with database.writing() as connection:
        for number in range(1, ROWS + 1):
            append(connection, entry(number))
            append(connection, entry(number, "another"))
            if number in CHECKPOINTS:
                checkpoint(connection, store, keys.online)
        return newest_first(connection, TENANT, Wanted(), ROWS)[::-1]


def verify(connection: Connection, store: DirectoryStore) -> Report:
    return verify_log(connection, store, TENANT)


def write(connection: Connection, log: Log) -> None:
    """Exchange the whole log, as only somebody without scruples does."""
    connection.execute(EMPTY)
    if log:
        connection.execute(FILL, [structs.asdict(row) for row in log])


def test_a_log_that_nobody_touched_is_accepted(
    database: Database, store: DirectoryStore, log: Log
) -> None:
    with database.reading() as connection:
        report = verify(connection, store)
    assert report.flaws == []
    assert (report.rows, report.row, report.hash) == (ROWS, ROWS, log[-1].hash)
    assert (report.checkpoints, report.covered) == (len(CHECKPOINTS), COVERED)


def test_ten_thousand_changes_are_all_found(
    database: Database, store: DirectoryStore, log: Log, home: StorageHome
) -> None:
    tamperer = Tamperer(log, CHECKPOINTS, Random(20261122))
    tries = TRIES_POSTGRES if home.url else TRIES
    done = Counter[str]()
    signed = verify_checkpoints(Report(tenant=TENANT), store)
    for _ in range(tries // AT_ONCE):
        with database.writing() as connection:
            for _ in range(AT_ONCE):
                tampered = tamperer.any()
                done[tampered.how] += 1
                check_found(connection, signed, tampered)
    with database.reading() as connection:
        assert verify(connection, store).ok  # and nothing of it remained
    assert done.total() == tries and len(done) > 25, done


def check_found(connection: Connection, signed: list[Checkpoint], tampered: Tampered) -> None:
    savepoint = connection.begin_nested()
    write(connection, tampered.log)
    report = Report(tenant=TENANT)
    verify_rows(report, connection, signed)
    savepoint.rollback()
    assert not report.ok, tampered
    found = report.flaws[0].row
    if tampered.exact:
        assert found == tampered.first, (tampered, report.flaws)
    elif found is not None:  # rows that went to another tenant are told without a number
        assert found <= tampered.first, (tampered, report.flaws)


def test_every_way_to_change_the_log_is_found_by_the_whole_verification(
    database: Database, store: DirectoryStore, log: Log
) -> None:
    tamperer = Tamperer(log, CHECKPOINTS, Random(7))
    with database.writing() as connection:
        for _ in range(40):
            savepoint = connection.begin_nested()
            write(connection, tamperer.any().log)
            assert verify(connection, store).flaws
            savepoint.rollback()


def test_what_happens_behind_the_last_checkpoint_is_chained_only(
    database: Database, store: DirectoryStore, log: Log
) -> None:
    """The limit that the documentation states, and why checkpoints are written every hour."""
    with database.writing() as connection:
        write(connection, log[:COVERED])
        assert verify(connection, store).ok
        write(connection, log[: COVERED - 1])
        (flaw,) = verify(connection, store).flaws
    assert (flaw.row, flaw.what.split(",")[0]) == (COVERED, "is missing")


# --- checkpoints --------------------------------------------------------------


def path(store: DirectoryStore, sequence: int) -> Path:
    return store.folder / name_of(sequence)


def test_a_checkpoint_that_differs_in_any_byte_is_not_believed(
    store: DirectoryStore, log: Log
) -> None:
    file, random = path(store, 3), Random(3)
    good = file.read_bytes()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << random.randrange(8)
        file.write_bytes(bad)
        report = Report(tenant=TENANT)
        verify_checkpoints(report, store)
        assert report.flaws[0].checkpoint == 3, at


@pytest.mark.parametrize("sequence", range(1, len(CHECKPOINTS)))
def test_a_checkpoint_that_is_missing_between_others_is_noticed(
    store: DirectoryStore, log: Log, sequence: int
) -> None:
    path(store, sequence).unlink()
    report = Report(tenant=TENANT)
    verify_checkpoints(report, store)
    assert report.flaws[0].checkpoint == sequence + 1


def test_checkpoints_cannot_change_places(store: DirectoryStore, log: Log) -> None:
    one, other = path(store, 2).read_bytes(), path(store, 4).read_bytes()
    path(store, 2).write_bytes(other)
    path(store, 4).write_bytes(one)
    report = Report(tenant=TENANT)
    verify_checkpoints(report, store)
    assert [flaw.checkpoint for flaw in report.flaws][:2] == [2, 3]


def test_a_checkpoint_by_a_stranger_or_for_another_shop_is_not_believed(
    database: Database, store: DirectoryStore, log: Log, keys: DevelopmentKeys
) -> None:
    last = newest(store)
    assert last is not None
    with database.reading() as connection:
        checkpoint(connection, store, SigningKey.generate())
    report = Report(tenant=TENANT)
    verify_checkpoints(report, store)
    assert "no online key of any root" in report.flaws[0].what
    foreign = structs.replace(last.read()[0], tenant="another", sequence=6)
    path(store, 6).write_bytes(sign_checkpoint(keys.online, foreign))
    report = Report(tenant=TENANT)
    verify_checkpoints(report, store)
    assert "is for 'another'" in report.flaws[0].what


def test_a_checkpoint_is_never_written_over(
    store: DirectoryStore, log: Log, keys: DevelopmentKeys
) -> None:
    last = newest(store, known=2)
    assert last is not None and last.sequence == len(CHECKPOINTS)
    other = structs.replace(last.read()[0], hash="0" * 64)
    with pytest.raises(ObjectError, match="written only once"):
        store.put(name_of(last.sequence), sign_checkpoint(keys.online, other))


def test_keys_that_were_rotated_out_are_believed_for_their_time_only(
    database: Database, store: DirectoryStore, log: Log, keys: DevelopmentKeys
) -> None:
    new = SigningKey.generate()
    (first,) = roots_of(store)
    second = structs.replace(
        first,
        version=2,
        keys={keys.root.kid: keys.root.public("root"), new.kid: new.public("online")},
    )
    store.put("keys/root.2.jws", sign_root([keys.root], second))
    with database.reading() as connection:
        assert verify(connection, store).ok  # signed before the rotation
        checkpoint(connection, store, new)
        assert verify(connection, store).checkpoints == len(CHECKPOINTS) + 1
        checkpoint(connection, store, keys.online)  # whoever stole the old key
        (flaw,) = verify(connection, store).flaws
    assert flaw.checkpoint == len(CHECKPOINTS) + 2
    assert "was rotated out before" in flaw.what


def test_a_root_that_was_exchanged_is_noticed_by_whoever_pinned_it(
    database: Database, store: DirectoryStore, log: Log
) -> None:
    pinned = store.get("keys/root.1.jws")
    assert pinned is not None
    thief = DevelopmentKeys.generate()
    root = development_root(thief, TENANT, NOW_S)
    (store.folder / "keys/root.1.jws").write_bytes(root)
    with database.reading() as connection:
        assert verify_log(connection, store, TENANT, pinned=pinned).ok
        report = verify_log(connection, store, TENANT)
    assert [flaw.checkpoint for flaw in report.flaws] == [1, 2, 3, 4, 5]


# --- beginning in the middle --------------------------------------------------


def test_a_verification_may_begin_behind_a_checkpoint(
    database: Database, store: DirectoryStore, log: Log
) -> None:
    with database.writing() as connection:
        write(connection, [*log[:2], *log[5:]])  # an old backup was restored
        assert verify(connection, store).flaws[0].row == 3
        report = verify_log(connection, store, TENANT, since=3)
        assert report.ok
        assert (report.rows, report.row, report.checkpoints) == (ROWS - 5, ROWS, 3)
        with pytest.raises(UnknownCheckpoint):
            verify_log(connection, store, TENANT, since=99)
