"""Jobs of one kind that wait are written by one call; a bad one still undoes itself alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from control_plane.storage.database import Database
from control_plane.storage.tables import leases
from control_plane.storage.writer import (
    WAITING_LIMIT,
    WAITING_LIMIT_BYTES,
    StorageUnavailable,
    Writer,
)
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.test_storage_writer import count_commits, hold, insert

pytestmark = pytest.mark.anyio
HOMES = BOTH
POISON = "poison"


@pytest.fixture
def database(tmp_path: Path, home: StorageHome) -> Iterator[Database]:
    database = home.database(tmp_path)
    yield database
    database.close()


class Insert:
    """Inserts names, all in one call; refuses a call that holds the poison, half done."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def write(self, connection: Connection, names: Sequence[str]) -> list[str]:
        self.calls.append(list(names))
        for name in names:
            insert(name)(connection)
            if name.startswith(POISON):
                raise LookupError(name)
        return [name.upper() for name in names]


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(connection.scalars(select(leases.c.name)))


async def settled(writer: Writer, write: Insert, brought: Sequence[str]) -> list[object]:
    """What became of each; they wait together."""
    go = hold(writer)
    call = write.write
    tasks = [asyncio.create_task(writer.together(call, name, 1)) for name in brought]
    await asyncio.sleep(0.01)
    go.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_waits_together_is_one_call_and_one_commit(writer: Writer, database: Database):
    commits, write = count_commits(database), Insert()
    results = await settled(writer, write, ["a", "b", "c"])
    assert results == ["A", "B", "C"]
    assert write.calls == [["a", "b", "c"]]
    assert len(commits) <= 2  # of what held the writer, and of these
    assert names(database) == ["a", "b", "c"]


async def test_a_bad_one_undoes_itself_alone(writer: Writer, database: Database):
    results = await settled(writer, Insert(), ["a", POISON, "b"])
    assert [results[0], results[2]] == ["A", "B"]
    assert isinstance(results[1], LookupError)
    assert names(database) == ["a", "b"]


async def test_a_single_bad_one_is_tried_once(writer: Writer, database: Database):
    write = Insert()
    (result,) = await settled(writer, write, [POISON])
    assert isinstance(result, LookupError)
    assert write.calls == [[POISON]]
    assert names(database) == []


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(plan=st.lists(st.tuples(st.sampled_from("jx"), st.booleans()), max_size=12))
def test_jobs_of_any_kind_and_order_are_stored_unless_they_are_bad(
    writer: Writer, database: Database, plan: list[tuple[str, bool]]
):
    """`j`: a job of its own, `x`: one that is written with its neighbours; True: bad."""
    write = Insert()
    made = [f"{POISON if bad else 'good'}{place}" for place, (_, bad) in enumerate(plan)]

    async def all_of_them() -> list[object]:
        call, go = write.write, hold(writer)
        tasks = [
            asyncio.create_task(
                writer.together(call, name, 1)
                if kind == "x"
                else writer.do(lambda c, name=name: write.write(c, [name])[0])
            )
            for name, (kind, _) in zip(made, plan, strict=True)
        ]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(all_of_them())
    good = [name for name in made if not name.startswith(POISON)]
    for name, result in zip(made, results, strict=True):
        assert result == name.upper() if name in good else isinstance(result, LookupError)
    assert names(database) == sorted(good)
    writer.run(lambda c: c.execute(leases.delete()).rowcount)


async def test_more_than_may_wait_are_turned_away(writer: Writer):
    go, write = hold(writer), Insert()
    await asyncio.sleep(0.05)  # the writer has taken what holds it
    call = write.write
    tasks = [
        asyncio.create_task(writer.together(call, f"n{n}", 1)) for n in range(WAITING_LIMIT + 9)
    ]
    await asyncio.sleep(0.01)
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    turned_away = [each for each in results if isinstance(each, StorageUnavailable)]
    assert len(turned_away) == 9
    assert len([each for each in results if isinstance(each, str)]) == WAITING_LIMIT


async def test_what_waits_is_bounded_in_bytes_and_a_large_one_alone_is_taken(writer: Writer):
    go, write = hold(writer), Insert()
    await asyncio.sleep(0.05)
    call, half = write.write, WAITING_LIMIT_BYTES // 2
    taken = [asyncio.create_task(writer.together(call, name, half)) for name in ("a", "b")]
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable, match="bytes are waiting"):
        await writer.together(call, "c", 1)
    go.set()
    assert await asyncio.gather(*taken) == ["A", "B"]
    assert await writer.together(call, "large", 2 * WAITING_LIMIT_BYTES) == "LARGE"


async def test_who_is_cancelled_is_written_all_the_same(writer: Writer, database: Database):
    go, write = hold(writer), Insert()
    task = asyncio.create_task(writer.together(write.write, "a", 1))
    await asyncio.sleep(0.01)
    task.cancel()
    go.set()
    assert await writer.together(write.write, "b", 1) == "B"
    assert names(database) == ["a", "b"]


def test_loops_that_come_and_go_are_all_served(writer: Writer, database: Database):
    """One that ends before its writer was woken does not keep others waiting."""
    write = Insert()
    call = write.write

    async def hand_over_and_leave() -> None:
        asyncio.create_task(writer.together(call, "left", 1))  # noqa: RUF006 -- nobody waits for it
        await asyncio.sleep(0)

    def serve(name: str) -> None:
        assert asyncio.run(writer.together(call, name, 1)) == name.upper()

    asyncio.run(hand_over_and_leave())
    threads = [threading.Thread(target=serve, args=(f"n{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert names(database) == sorted(["left", *(f"n{number}" for number in range(8))])
